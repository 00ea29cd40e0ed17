//! Whether the Graph API is there, takes the token and knows the number.

use std::time::Duration;

use serde_json::Value;
use zupa_core::Result;

use super::failure::Failure;
use super::{Graph, MAX_ANSWER_BYTES};
use crate::door::WhatsAppCloud;

impl WhatsAppCloud {
    /// Asks the Graph API for the number. Nobody is sent anything.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Unavailable`] or `Timeout` when nobody answers,
    /// [`zupa_core::ErrorKind::Unauthorized`] when the token is refused,
    /// [`zupa_core::ErrorKind::Invalid`] when there is no such number for it.
    pub async fn look(&self, timeout: Duration) -> Result<()> {
        self.0.graph.look(timeout).await
    }
}

impl Graph {
    async fn look(&self, timeout: Duration) -> Result<()> {
        let mut number = self.messages.clone();
        if let Ok(mut path) = number.path_segments_mut() {
            path.pop();
        }
        let asked = self.client.get(number).timeout(timeout).send().await;
        let answered = match asked {
            Ok(response) => judge(response).await,
            Err(error) => Err(Failure::sending(error)),
        };
        answered.map_err(|failure| failure.into_error(&self.channel, 1))
    }
}

async fn judge(mut response: reqwest::Response) -> Result<(), Failure> {
    let status = response.status().as_u16();
    let mut bytes = Vec::new();
    while let Ok(Some(piece)) = response.chunk().await {
        if bytes.len() + piece.len() > MAX_ANSWER_BYTES {
            return Err(Failure::NoAnswer { status });
        }
        bytes.extend_from_slice(&piece);
    }
    let answer: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    match status {
        200 if answer.get("id").is_some() => Ok(()),
        200..=299 => Err(Failure::NoAnswer { status }),
        _ => Err(Failure::answer(status, &answer)),
    }
}
