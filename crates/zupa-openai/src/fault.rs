//! What servers say about their errors, reduced to two words.

use serde_json::Value;

use crate::error::Failure;
use crate::http::HttpFailure;

/// The type and the code of an error object: `{"error":{"type","code"}}`, the
/// same in a list (Google), `{"error":"text"}` (Ollama), or bare (older vLLM).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: Option<String>,
    pub(crate) code: Option<String>,
}

impl Fault {
    /// Reads the beginning of a bad answer's body; nothing of it is kept but
    /// the two words.
    pub(crate) fn of_body(prefix: &[u8]) -> Self {
        let Ok(body) = serde_json::from_slice::<Value>(prefix) else {
            return Self::default();
        };
        let body = if body.is_array() { &body[0] } else { &body };
        match &body["error"] {
            Value::Null => Self::of_object(body),
            error => Self::of_object(error),
        }
    }

    /// An error that comes where a chunk should.
    pub(crate) fn of_event(event: &Value) -> Option<Self> {
        let error = &event["error"];
        match error {
            Value::Object(_) => Some(Self::of_object(error)),
            Value::String(text) if !text.is_empty() => Some(Self::default()),
            _ if event["object"] == "error" => Some(Self::of_object(event)),
            _ => None,
        }
    }

    fn of_object(error: &Value) -> Self {
        let text = |field: &str| match &error[field] {
            Value::String(text) => word(text),
            Value::Number(number) => word(&number.to_string()),
            _ => None,
        };
        Self {
            kind: text("type").or_else(|| text("status")),
            code: text("code"),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kind.is_none() && self.code.is_none()
    }

    /// As the body of a success that is no answer: some gateways put an error
    /// there. Without one, all that is known is the media type.
    pub(crate) fn with_success(self, media_type: String) -> Failure {
        match self.is_empty() {
            true => Failure::NotEvents(media_type),
            false => Failure::Answer(self.into_failure()),
        }
    }

    /// As if it had come with the status that it means.
    pub(crate) fn into_failure(self) -> HttpFailure {
        let of_code = self.code.as_deref().and_then(|code| code.parse().ok());
        let status = of_code
            .filter(|status| (400..600).contains(status))
            .unwrap_or(match self.kind.as_deref() {
                Some("invalid_request_error") => 400,
                Some("authentication_error") => 401,
                Some("rate_limit_error" | "requests" | "tokens" | "insufficient_quota") => 429,
                _ => 500,
            });
        HttpFailure {
            status,
            retry_after: None,
            fault: self,
        }
    }
}

/// Takes identifiers and nothing else, so that no prose and no phone number of a
/// body slips into an error, a log or a metric.
pub(crate) fn word(text: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/+".contains(&byte);
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let fits = (1..=64).contains(&text.len())
        && text.bytes().all(is_plain)
        && text.bytes().filter(is_digit).count() <= 6;
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn faults_are_read_in_every_known_shape() {
        let fault = |kind: Option<&str>, code: Option<&str>| Fault {
            kind: kind.map(str::to_owned),
            code: code.map(str::to_owned),
        };
        for (body, expected) in [
            (
                json!({"error": {"type": "t", "code": "c", "message": "m"}}),
                fault(Some("t"), Some("c")),
            ),
            (json!({"error": {"code": 429}}), fault(None, Some("429"))),
            (
                json!([{"error": {"code": 400, "status": "INVALID"}}]),
                fault(Some("INVALID"), Some("400")),
            ),
            (
                json!({"object": "error", "type": "t", "code": 404}),
                fault(Some("t"), Some("404")),
            ),
            (json!({"error": "in prose"}), fault(None, None)),
            (
                json!({"error": {"type": "in prose", "code": null}}),
                fault(None, None),
            ),
            (json!({"detail": "in prose"}), fault(None, None)),
            (json!(["in prose"]), fault(None, None)),
        ] {
            let text = body.to_string();
            assert_eq!(Fault::of_body(text.as_bytes()), expected, "{text}");
        }
        assert!(Fault::of_body(b"<html>").is_empty());
    }

    #[test]
    fn neither_prose_nor_a_phone_number_is_a_word() {
        for text in [
            "",
            "two words",
            "line\nend",
            "é",
            "+351910000000",
            &"x".repeat(65),
        ] {
            assert_eq!(word(text), None, "{text:?}");
        }
        assert_eq!(
            word("text/event-stream").as_deref(),
            Some("text/event-stream")
        );
    }
}
