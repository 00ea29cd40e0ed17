#![doc = include_str!("../README.md")]
//!
//! ---
//!
//! Reading order: `config` and `door` (what one number is), `signature` (who may post),
//! `webhook` (the port that is posted to), `open` (a request becomes inbounds and
//! receipts), `channel` (the port that sends), `send` (an answer becomes a request, and
//! what comes back is judged), `media` (the way to received files), `http` (the client of
//! both).

mod channel;
mod config;
mod door;
mod http;
mod media;
mod open;
mod send;
mod signature;
mod signs;
mod webhook;

pub use config::{WhatsAppCloudConfig, WindowClosed};
pub use door::WhatsAppCloud;
pub use webhook::webhooks;
