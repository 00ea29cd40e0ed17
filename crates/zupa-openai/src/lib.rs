#![doc = include_str!("../README.md")]
//!
//! ---
//!
//! Reading order, which is the way of a call: `config` and `endpoint` (where
//! to), `model` (the port), `wire` (what is said), `http` with `retry_after` and
//! `fault` (one exchange and how it fails), `watch` (how long to wait), `answer`
//! (chunks become events), `error` (failures become the errors of the core).

mod answer;
mod config;
mod endpoint;
mod error;
mod fault;
mod http;
mod model;
mod retry_after;
mod watch;
mod wire;

pub use config::OpenAiConfig;
pub use model::OpenAiModel;
