//! What is kept, how the process ends and what it tells: `[store]`,
//! `[retention]`, `[shutdown]` and `[telemetry]`.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// The truth, `[store]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// `sqlite://PATH`, relative to the working directory. Default
    /// `sqlite://.zupa/zupa.db`; `ZUPA__STORE__URL`.
    pub url: String,
    /// When a commit counts as durable. Default `full`;
    /// `ZUPA__STORE__DURABILITY`.
    pub durability: Durability,
    /// Milliseconds between signs of life of a process. Default 2000;
    /// `ZUPA__STORE__HEARTBEAT_MS`.
    pub heartbeat_ms: u64,
    /// Milliseconds without a sign of life after which others take a claim over.
    /// Default 10000; `ZUPA__STORE__CLAIM_EXPIRY_MS`.
    pub claim_expiry_ms: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: "sqlite://.zupa/zupa.db".to_owned(),
            durability: Durability::default(),
            heartbeat_ms: 2_000,
            claim_expiry_ms: 10_000,
        }
    }
}

impl Store {
    /// The file that the URL names.
    pub fn path(&self) -> &Path {
        Path::new(self.url.strip_prefix("sqlite://").unwrap_or(&self.url))
    }
}

/// When a commit counts as durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// After fsync: survives a power cut.
    #[default]
    Full,
    /// After the write: survives a crash of the process.
    Normal,
}

/// How long ended rows are kept, `[retention]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Days that a platform id is remembered; an inbound older than this less a
    /// day ends as expired. Default 14; `ZUPA__RETENTION__DEDUPE_DAYS`.
    pub dedupe_days: u32,
    /// Days that raw payloads are kept. Default 14;
    /// `ZUPA__RETENTION__RAW_DAYS`.
    pub raw_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            dedupe_days: 14,
            raw_days: 14,
        }
    }
}

/// How the process ends, `[shutdown]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shutdown {
    /// Milliseconds from the first signal to the end. Default 10000;
    /// `ZUPA__SHUTDOWN__DEADLINE_MS`.
    pub deadline_ms: u64,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            deadline_ms: 10_000,
        }
    }
}

/// What the process tells, `[telemetry]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// Level, or levels by target as in `info,zupa_http=debug`. Default
    /// `info`; `ZUPA__TELEMETRY__LOG`.
    pub log: String,
    /// How a log line looks. Default `auto`; `ZUPA__TELEMETRY__FORMAT`.
    pub format: LogFormat,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            log: "info".to_owned(),
            format: LogFormat::default(),
        }
    }
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// One object per line.
    Json,
    /// For people.
    Text,
}
