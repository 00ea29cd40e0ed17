//! What is kept, how the process ends and what it tells: `[retention]`,
//! `[dlq]`, `[idempotency]`, `[shutdown]` and `[telemetry]`.

use serde::{Deserialize, Serialize};

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

/// How long dead letters are kept, and when there are too many, `[dlq]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeadLetters {
    /// Days that a dead letter is kept after its end; pending ones are kept for ever.
    /// Default 7; `ZUPA__DLQ__RETENTION_DAYS`.
    pub retention_days: u32,
    /// Pending dead letters from which on the log warns, once. Default 100;
    /// `ZUPA__DLQ__ALERT_THRESHOLD`.
    pub alert_threshold: u32,
    /// Folder in which dead letters are written down before they are forgotten, with what
    /// people said. Unset by default: they are only forgotten; `ZUPA__DLQ__EXPORT_DIR`.
    pub export_dir: Option<String>,
}

impl Default for DeadLetters {
    fn default() -> Self {
        Self {
            retention_days: 7,
            alert_threshold: 100,
            export_dir: None,
        }
    }
}

/// How long answers of operators' acts are kept, `[idempotency]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Idempotency {
    /// Hours in which an act that is sent again with its `Idempotency-Key` is answered as
    /// before. Default 24; `ZUPA__IDEMPOTENCY__HOURS`.
    pub hours: u32,
}

impl Default for Idempotency {
    fn default() -> Self {
        Self { hours: 24 }
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
