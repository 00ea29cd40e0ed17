//! One request to `POST {graph_url}/{phone_number_id}/messages`, and its answer; of what is
//! heard, its file goes before.

mod failure;
#[cfg(test)]
mod kinds;
mod look;
mod request;
#[cfg(test)]
mod tests;
mod upload;

use std::fmt;

use reqwest::{Client, Response, Url};
use serde_json::Value;
use zupa_core::{ChannelId, Content, Error, Outgoing, PlatformId, Result, SendReceipt};

use self::failure::Failure;
pub(crate) use self::request::{CHOICES, MAX_CAPTION_CHARS, MAX_TEMPLATE_CHARS, MAX_TEXT_CHARS};
use crate::config::WhatsAppCloudConfig;
use crate::http;
use crate::signs::DEADLINE;

/// More than any answer of the Graph API to a send.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// The number's way to the Graph API.
pub(crate) struct Graph {
    channel: ChannelId,
    client: Client,
    messages: Url,
    media: Url,
}

impl Graph {
    pub(crate) fn new(config: &WhatsAppCloudConfig, graph_url: &Url) -> Result<Self> {
        let base = graph_url.as_str().trim_end_matches('/');
        let of_number = |what: &str| {
            let url = format!("{base}/{}/{what}", config.phone_number_id);
            Url::parse(&url)
                .map_err(|source| Error::invalid("the addresses of a number").with_source(source))
        };
        let (messages, media) = (of_number("messages")?, of_number("media")?);
        Ok(Self {
            channel: config.channel.clone(),
            client: http::of_graph(config, graph_url)?,
            messages,
            media,
        })
    }

    /// Shows a passing sign. What becomes of it is nobody's concern.
    pub(crate) async fn show(&self, sign: &Value) {
        let shown = self.client.post(self.messages.clone()).timeout(DEADLINE);
        if let Ok(response) = shown.json(sign).send().await {
            // Read, so that the connection can be used again.
            let _ = read(response).await;
        }
    }

    /// As [`zupa_core::Channel::send`].
    pub(crate) async fn send(&self, message: Outgoing) -> Result<SendReceipt> {
        let message = upload::in_words_unless_heard(message);
        let (uploaded, timeout) = match &message.content {
            Content::Voice { audio, .. } => {
                // The other half is left for the message.
                let half = message.timeout / 2;
                let uploaded = self.upload(audio, half, message.attempt).await?;
                (Some(uploaded), half)
            }
            _ => (None, message.timeout),
        };
        let body = request::body(&message, uploaded.as_deref())
            .map_err(|error| error.with("channel", &self.channel))?;
        let sent = self
            .client
            .post(self.messages.clone())
            .timeout(timeout)
            .json(&body)
            .send()
            .await;
        let answered = match sent {
            Ok(response) => read(response).await.and_then(receipt),
            Err(error) => Err(Failure::sending(error)),
        };
        answered.map_err(|failure| failure.into_error(&self.channel, message.attempt))
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Graph({})", self.channel)
    }
}

/// What the Graph API says, if it is no refusal.
async fn read(mut response: Response) -> Result<Said, Failure> {
    let status = response.status().as_u16();
    let mut bytes = Vec::new();
    let whole = loop {
        match response.chunk().await {
            Ok(Some(piece)) if bytes.len() + piece.len() > MAX_ANSWER_BYTES => break false,
            Ok(Some(piece)) => bytes.extend_from_slice(&piece),
            Ok(None) => break true,
            Err(_) => break false,
        }
    };
    // Half a refusal does not say what became of the message.
    if !whole {
        return Err(Failure::NoAnswer { status });
    }
    let answer: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    if !(200..300).contains(&status) {
        return Err(Failure::answer(status, &answer));
    }
    Ok(Said { status, answer })
}

struct Said {
    status: u16,
    answer: Value,
}

fn receipt(Said { status, answer }: Said) -> Result<SendReceipt, Failure> {
    let taken = answer.get("messages").and_then(Value::as_array);
    let taken = taken.ok_or(Failure::NoAnswer { status })?;
    let id = taken.first().and_then(|message| message.get("id"));
    Ok(SendReceipt {
        // A receipt without its id is one all the same.
        platform_id: id
            .and_then(Value::as_str)
            .and_then(|id| PlatformId::parse(id).ok()),
    })
}
