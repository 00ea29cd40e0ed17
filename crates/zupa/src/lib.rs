//! A durable runtime for agents that talk with people.
//!
//! This crate gathers the parts: the ports of [`core`], the path of
//! [`runtime`], and one adapter per feature. Depend on it, or on the parts you
//! need. The binary `zupa` is built from it with the feature `cli`.

pub use zupa_core as core;
pub use zupa_runtime as runtime;

#[cfg(feature = "http")]
pub use zupa_http as http;
#[cfg(feature = "mcp")]
pub use zupa_mcp as mcp;
#[cfg(feature = "openai")]
pub use zupa_openai as openai;
#[cfg(feature = "postgres")]
pub use zupa_postgres as postgres;
#[cfg(feature = "sqlite")]
pub use zupa_sqlite as sqlite;
#[cfg(feature = "whatsapp-cloud")]
pub use zupa_whatsapp_cloud as whatsapp_cloud;
#[cfg(feature = "wwebjs-bridge")]
pub use zupa_wwebjs_bridge as wwebjs_bridge;

#[cfg(feature = "cli")]
pub mod config;

/// The pages of the documentation whose examples run as tests.
#[cfg(all(doctest, feature = "cli"))]
mod pages {
    #[doc = include_str!("../../../README.md")]
    struct Readme;
    #[doc = include_str!("../../../docs/tutorial.md")]
    struct Tutorial;
    #[doc = include_str!("../../../docs/engine.md")]
    struct Engine;
}
