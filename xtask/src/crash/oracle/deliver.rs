//! One message to the server's door, again and again until it is acknowledged,
//! with every outcome in the log.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::log::Record;
use super::sender::{Choice, Sender};
use crate::crash::http::{self, Answer, Failure};
use crate::crash::script::Message;

/// Longer than any stall; a server that needs it is reported by the drain check.
const ANSWER: Duration = Duration::from_secs(10);
/// `Retry-After` is honoured up to this, or a short run would only wait.
const LONGEST_WAIT: Duration = Duration::from_millis(250);
/// Where there is another replica to ask. Doubled for each one that was slow: on a
/// machine where all are, asking on as fast would keep them so.
const SLOW: Duration = Duration::from_millis(400);
/// Answers that are never right are repeated so often, then the message is given up.
const PATIENCE: usize = 3;

#[derive(Deserialize)]
struct Accepted {
    status: String,
    id: String,
}

/// What came of one delivery.
enum Came {
    Acknowledged(String),
    /// Never right, however often.
    Rejected,
    /// To be repeated after this time.
    Later(Duration),
}

impl Sender {
    /// Returns the id in the acknowledgement, or nothing when the server insists
    /// on an answer that the contract does not know.
    pub(super) async fn deliver(
        self: &Arc<Self>,
        message: &Message,
        choice: Choice,
    ) -> anyhow::Result<Option<String>> {
        if let Some(phones) = &self.phones {
            return self.write(phones, message).await.map(Some);
        }
        let (mut rejected, mut slow) = (0, SLOW);
        let mut door = match choice {
            Choice::Any => self.choose(None),
            Choice::Another => self.choose(self.repeats.taken_by(&message.key)),
        };
        while rejected < PATIENCE {
            match self.attempt(message, door, slow).await? {
                Some(Came::Acknowledged(id)) => return Ok(Some(id)),
                Some(Came::Rejected) => {
                    rejected += 1;
                    sleep(Duration::from_millis(50)).await;
                }
                Some(Came::Later(wait)) => sleep(wait).await,
                // Another replica is asked beside this one.
                None => slow = (slow * 2).min(ANSWER),
            }
            door = self.choose(Some(door));
        }
        Ok(None)
    }

    /// One delivery. Where there are several replicas a slow one is not waited
    /// for: it goes on by itself, and its outcome is written down when it comes.
    async fn attempt(
        self: &Arc<Self>,
        message: &Message,
        door: usize,
        slow: Duration,
    ) -> anyhow::Result<Option<Came>> {
        if self.doors().len() < 2 {
            return Ok(Some(Arc::clone(self).once(message.clone(), door).await?));
        }
        let (answer, mut answered) = oneshot::channel();
        let once = Arc::clone(self).once(message.clone(), door);
        self.talk(async move {
            // Nobody listens to a slow one any more.
            let _ = answer.send(once.await?);
            Ok(())
        });
        match timeout(slow, &mut answered).await {
            Ok(came) => Ok(Some(came?)),
            Err(_) => Ok(None),
        }
    }

    async fn once(self: Arc<Self>, message: Message, number: usize) -> anyhow::Result<Came> {
        let door = self.doors().get(number).context("there is no such door")?;
        let path = message.key.conversation.path("messages");
        let body = json!({ "id": message.id, "text": message.text })
            .to_string()
            .into_bytes();
        let incarnation = door.incarnation();
        let begin = Instant::now();
        match http::post(door.at, &path, body, ANSWER).await {
            Ok(answer) if answer.status.is_success() => match accepted(&answer) {
                Some(Accepted { status, id }) => {
                    if status == "accepted" {
                        self.repeats.taken(&message.key, number);
                    }
                    let ack = Record::Ack {
                        key: message.key,
                        status,
                        answer: id.clone(),
                        door: number,
                        took: u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX),
                    };
                    self.log.write(ack).await?;
                    self.acknowledged(number, incarnation);
                    Ok(Came::Acknowledged(id))
                }
                None => self.reject(message, &answer).await,
            },
            Ok(answer) if matches!(answer.status.as_u16(), 429 | 503) => {
                let (status, retry_after) = (answer.status.as_u16(), answer.retry_after);
                self.log.note(Record::Refused {
                    key: message.key,
                    status,
                    retry_after: retry_after.is_some(),
                });
                let wait = retry_after.map_or(Duration::from_millis(20), Duration::from_secs);
                Ok(Came::Later(wait.min(LONGEST_WAIT)))
            }
            Ok(answer) => self.reject(message, &answer).await,
            Err(Failure::Unreached(_)) => Ok(Came::Later(self.millis(3..15))),
            Err(Failure::Lost(_)) => {
                self.log.note(Record::Lost { key: message.key });
                Ok(Came::Later(self.millis(1..6)))
            }
        }
    }

    async fn reject(&self, message: Message, answer: &Answer) -> anyhow::Result<Came> {
        self.log
            .write(Record::Rejected {
                key: message.key,
                detail: answer.excerpt(),
            })
            .await?;
        Ok(Came::Rejected)
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
