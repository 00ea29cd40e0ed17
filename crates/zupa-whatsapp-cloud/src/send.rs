//! One request to `POST {graph_url}/{phone_number_id}/messages`, and its answer.

mod failure;
mod request;
#[cfg(test)]
mod tests;

use std::fmt;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Response, Url, redirect, retry};
use secrecy::ExposeSecret;
use serde_json::Value;
use zupa_core::{ChannelId, Error, Outgoing, PlatformId, Result, SendReceipt};

use self::failure::Failure;
use crate::config::WhatsAppCloudConfig;

/// More than any answer of the Graph API to a send.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// The number's way to the Graph API.
pub(crate) struct Graph {
    channel: ChannelId,
    client: Client,
    messages: Url,
}

impl Graph {
    pub(crate) fn new(config: &WhatsAppCloudConfig, graph_url: &Url) -> Result<Self> {
        let base = graph_url.as_str().trim_end_matches('/');
        let messages = format!("{base}/{}/messages", config.phone_number_id);
        let messages = Url::parse(&messages).map_err(|source| {
            Error::invalid("the address of a number's messages").with_source(source)
        })?;
        // reqwest panics without a provider. The composition root installs one too;
        // whoever came first is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("zupa/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.connect_timeout)
            .default_headers(headers(config)?)
            // A redirect would carry the token and a message to a host nobody configured.
            .redirect(redirect::Policy::none())
            // The proxy variables are the environment's; only the binary reads it.
            .no_proxy()
            .retry(retry::never());
        if messages.scheme() == "http" {
            // No TLS ever happens, so a machine without root certificates is fine.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|source| {
            Error::internal("prepare the http client of a WhatsApp number").with_source(source)
        })?;
        Ok(Self {
            channel: config.channel.clone(),
            client,
            messages,
        })
    }

    /// As [`zupa_core::Channel::send`].
    pub(crate) async fn send(&self, message: Outgoing) -> Result<SendReceipt> {
        let body = request::body(&message).map_err(|error| error.with("channel", &self.channel))?;
        let sent = self
            .client
            .post(self.messages.clone())
            .timeout(message.timeout)
            .json(&body)
            .send()
            .await;
        let answered = match sent {
            Ok(response) => read(response).await,
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

fn headers(config: &WhatsAppCloudConfig) -> Result<HeaderMap> {
    let bearer = format!("Bearer {}", config.access_token.expose_secret());
    let mut bearer = HeaderValue::try_from(bearer).map_err(|_| {
        Error::invalid("access_token holds a line end or another character that no header takes")
            .with("channel", &config.channel)
    })?;
    bearer.set_sensitive(true);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
}

async fn read(mut response: Response) -> Result<SendReceipt, Failure> {
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
    let answer: Value = match serde_json::from_slice(&bytes) {
        Ok(answer) if whole => answer,
        _ => Value::Null,
    };
    if !(200..300).contains(&status) {
        return Err(Failure::answer(status, &answer));
    }
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
