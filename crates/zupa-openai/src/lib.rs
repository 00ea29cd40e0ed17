#![doc = include_str!("../README.md")]
//!
//! ---
//!
//! Reading order, which is the way of a call: `config` and `endpoint` (where
//! to), `model` (the port), `request` with `message` and `schema` (what is
//! sent), `http` with `retry_after`, `fault` and `whole` (one exchange, how it
//! fails, and an answer in one piece), `watch` (how long to wait), `answer` with
//! `chunk`, `calls` and `fence` (chunks become events), `error` (failures become
//! the errors of the core). Speech is simpler: `speech_config` (where to), `speech`
//! (one exchange), `transcriber` and `synthesizer` (the ports).

mod answer;
mod calls;
mod chunk;
mod config;
mod endpoint;
mod error;
mod fault;
mod fence;
mod http;
mod message;
mod model;
mod request;
mod retry_after;
mod schema;
mod speech;
mod speech_config;
mod synthesizer;
mod transcriber;
mod watch;
mod whole;

pub use config::{OpenAiConfig, Structured};
pub use model::OpenAiModel;
pub use speech_config::{AudioFormat, OpenAiSynthesizerConfig, OpenAiTranscriberConfig};
pub use synthesizer::OpenAiSynthesizer;
pub use transcriber::OpenAiTranscriber;
