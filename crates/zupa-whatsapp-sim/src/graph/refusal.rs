//! Meta's errors: the code, the status that it comes with, and what it says.

use serde_json::{Value, json};

/// A request that the Graph API does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: i64,
    pub(crate) details: String,
}

impl Refusal {
    pub(crate) fn new(code: i64, details: impl Into<String>) -> Self {
        Self {
            code,
            details: details.into(),
        }
    }

    pub(crate) fn status(&self) -> u16 {
        match self.code {
            0 | 190 => 401,
            10 | 200..=299 | 368 | 131_005 | 131_031 => 403,
            2 => 503,
            3 | 131_000 | 131_016 | 131_057 => 500,
            _ => 400,
        }
    }

    pub(crate) fn body(&self) -> Value {
        json!({ "error": {
            "message": format!("(#{}) {}", self.code, title(self.code)),
            "type": "OAuthException",
            "code": self.code,
            "error_data": { "messaging_product": "whatsapp", "details": self.details },
            "fbtrace_id": "Simulated",
        } })
    }
}

fn title(code: i64) -> &'static str {
    match code {
        4 | 80_007 | 130_429 => "Rate limit hit",
        100 => "Invalid parameter",
        190 => "Invalid OAuth access token",
        131_008 => "Required parameter is missing",
        131_009 => "Parameter value is not valid",
        131_016 => "Service unavailable",
        131_026 => "Message undeliverable",
        131_047 => "Re-engagement message",
        131_051 => "Unsupported message type",
        131_052 => "Media download error",
        131_056 => "(Business account, consumer account) pair rate limit hit",
        131_057 => "Account in maintenance mode",
        _ => "Something went wrong",
    }
}

/// Too long, too many: the code that Meta has for a limit.
pub(super) fn limit(details: impl Into<String>) -> Refusal {
    Refusal::new(100, details)
}

pub(super) fn missing(field: &str) -> Refusal {
    Refusal::new(131_008, format!("{field} is missing"))
}

pub(super) fn wrong(details: impl Into<String>) -> Refusal {
    Refusal::new(131_009, details)
}
