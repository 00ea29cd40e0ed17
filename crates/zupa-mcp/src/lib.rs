#![doc = include_str!("../README.md")]
//!
//! ---
//!
//! Reading order. MCP: `config` (which server, how far trusted), `server` (the
//! handle, over all lives), `link` and `session` (one life and the next),
//! `stdio`, `streamable` and `quiet` (the wires), `catalogue` with `name`,
//! `effect` and `schema` (what is listed, checked), `tool` (the port), `content`
//! (answers for the model), `error` (failures become the errors of the core).
//! HTTP tools: `http_tool` with its folder. Both: `client` and `status`.

mod catalogue;
mod client;
mod config;
mod content;
mod effect;
mod error;
mod http_tool;
mod link;
mod name;
mod quiet;
mod schema;
mod server;
mod session;
mod status;
mod stdio;
mod streamable;
mod tool;

pub use config::{McpConfig, Reach};
pub use effect::Annotations;
pub use http_tool::{HttpMethod, HttpTool, HttpToolConfig};
pub use server::{ListedTool, McpServer};
