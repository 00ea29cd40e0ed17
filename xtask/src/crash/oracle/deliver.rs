//! One message to the server's door, again and again until it is acknowledged,
//! with every outcome in the log.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::time::sleep;

use super::log::Record;
use super::sender::Sender;
use crate::crash::http::{self, Answer, Failure};
use crate::crash::script::Message;

/// Longer than any stall; a server that needs it is reported by the drain check.
const ANSWER: Duration = Duration::from_secs(10);
/// `Retry-After` is honoured up to this, or a short run would only wait.
const LONGEST_WAIT: Duration = Duration::from_millis(250);
/// Answers that are never right are repeated so often, then the message is given up.
const PATIENCE: usize = 3;

#[derive(Deserialize)]
struct Accepted {
    status: String,
    id: String,
}

impl Sender {
    /// Returns the id in the acknowledgement, or nothing when the server insists
    /// on an answer that the contract does not know.
    pub(super) async fn deliver(
        self: &Arc<Self>,
        message: &Message,
    ) -> anyhow::Result<Option<String>> {
        let path = message.key.conversation.path("messages");
        let body = json!({ "id": message.id, "text": message.text })
            .to_string()
            .into_bytes();
        let mut rejected = 0;
        while rejected < PATIENCE {
            let incarnation = self.incarnation();
            match http::post(self.port(), &path, body.clone(), ANSWER).await {
                Ok(answer) if answer.status.is_success() => match accepted(&answer) {
                    Some(Accepted { status, id }) => {
                        let ack = Record::Ack {
                            key: message.key.clone(),
                            status,
                            answer: id.clone(),
                        };
                        self.log.write(ack).await?;
                        self.acknowledged(incarnation);
                        return Ok(Some(id));
                    }
                    None => {
                        rejected += 1;
                        self.reject(message, &answer).await?;
                    }
                },
                Ok(answer) if matches!(answer.status.as_u16(), 429 | 503) => {
                    let (status, retry_after) = (answer.status.as_u16(), answer.retry_after);
                    self.log.note(Record::Refused {
                        key: message.key.clone(),
                        status,
                        retry_after: retry_after.is_some(),
                    });
                    let wait = retry_after.map_or(Duration::from_millis(20), Duration::from_secs);
                    sleep(wait.min(LONGEST_WAIT)).await;
                }
                Ok(answer) => {
                    rejected += 1;
                    self.reject(message, &answer).await?;
                    sleep(Duration::from_millis(50)).await;
                }
                Err(Failure::Unreached(_)) => self.pause(3..15).await,
                Err(Failure::Lost(_)) => {
                    self.log.note(Record::Lost {
                        key: message.key.clone(),
                    });
                    self.pause(1..6).await;
                }
            }
        }
        Ok(None)
    }

    async fn reject(&self, message: &Message, answer: &Answer) -> anyhow::Result<()> {
        self.log
            .write(Record::Rejected {
                key: message.key.clone(),
                detail: answer.excerpt(),
            })
            .await
    }
}

fn accepted(answer: &Answer) -> Option<Accepted> {
    let accepted: Accepted = serde_json::from_slice(&answer.body).ok()?;
    (answer.status.as_u16() == 202 && matches!(accepted.status.as_str(), "accepted" | "duplicate"))
        .then_some(accepted)
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;
    use hyper::body::Bytes;

    use super::*;

    fn is_ack(status: StatusCode, body: &'static str) -> bool {
        accepted(&Answer {
            status,
            retry_after: None,
            body: Bytes::from_static(body.as_bytes()),
        })
        .is_some()
    }

    #[test]
    fn only_the_contract_acknowledges() {
        assert!(is_ack(
            StatusCode::ACCEPTED,
            r#"{"status":"accepted","id":"e1"}"#
        ));
        assert!(is_ack(
            StatusCode::ACCEPTED,
            r#"{"status":"duplicate","id":"e1","more":1}"#
        ));
        assert!(!is_ack(
            StatusCode::OK,
            r#"{"status":"accepted","id":"e1"}"#
        ));
        assert!(!is_ack(
            StatusCode::ACCEPTED,
            r#"{"status":"queued","id":"e1"}"#
        ));
        assert!(!is_ack(StatusCode::ACCEPTED, r#"{"status":"accepted"}"#));
        assert!(!is_ack(StatusCode::ACCEPTED, ""));
    }
}
