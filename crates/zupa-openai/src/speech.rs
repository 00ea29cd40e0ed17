//! One exchange about speech: a request out, a whole body or our own failure back.
//!
//! Without async-openai: its client for audio brings retries, loses `Retry-After` and
//! reads bodies without bounds, and the two calls are plain HTTP.

use std::fmt;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{RequestBuilder, Response, Url};
use secrecy::SecretString;
use tokio::time::timeout;
use zupa_core::{Error, Result};

use crate::endpoint::bearer;
use crate::error::{Failure, into_error};
use crate::fault::Fault;
use crate::http::{self, media_type, read_failure};
use crate::watch::Silence;

/// A model behind a server, and the connections to it.
pub(crate) struct Server {
    base_url: Url,
    model: String,
    key: Option<HeaderValue>,
    http: reqwest::Client,
}

/// What came back.
pub(crate) struct Body {
    /// In lower case and without parameters; none where the server said none.
    pub(crate) media_type: Option<String>,
    pub(crate) bytes: Vec<u8>,
}

impl Server {
    /// Prepares the connections; opens none.
    pub(crate) fn new(
        base_url: Url,
        model: String,
        key: Option<SecretString>,
        connect_timeout: Duration,
    ) -> Result<Self> {
        // As in `model`: reqwest panics without a provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = http::client(connect_timeout, &base_url).map_err(|source| {
            Error::internal("prepare the speech model's http client").with_source(source)
        })?;
        Ok(Self {
            key: key.as_ref().map(bearer).transpose()?,
            base_url,
            model,
            http,
        })
    }

    pub(crate) fn model(&self) -> &str {
        &self.model
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        let base = self.base_url.as_str().trim_end_matches('/');
        let request = self.http.post(format!("{base}{path}"));
        match &self.key {
            Some(key) => request.header(AUTHORIZATION, key.clone()),
            None => request,
        }
    }

    /// Sends, and reads the answer to its end.
    pub(crate) async fn exchange(
        &self,
        request: RequestBuilder,
        max_bytes: usize,
        time: Duration,
    ) -> std::result::Result<Body, Failure> {
        // Cancelling is safe: dropping the exchange closes its connection.
        timeout(time, exchange(request, max_bytes))
            .await
            .unwrap_or(Err(Failure::Silence(Silence::Total(time))))
    }

    pub(crate) fn error(&self, failure: Failure) -> Error {
        into_error(failure, &self.model)
    }
}

impl Body {
    /// The body is not what was asked for. Some gateways put an error there.
    pub(crate) fn unexpected(self) -> Failure {
        let fault = Fault::of_body(&self.bytes);
        if fault.is_empty() {
            let unnamed = || "none".to_owned();
            return Failure::Unexpected(self.media_type.unwrap_or_else(unnamed));
        }
        Failure::Answer(fault.into_failure())
    }
}

async fn exchange(request: RequestBuilder, max_bytes: usize) -> std::result::Result<Body, Failure> {
    let mut response = request.send().await.map_err(sending)?;
    if !response.status().is_success() {
        return Err(Failure::Answer(read_failure(response).await));
    }
    let media_type = media_type(response.headers());
    let bytes = read(&mut response, max_bytes).await?;
    Ok(Body { media_type, bytes })
}

fn sending(error: reqwest::Error) -> Failure {
    if error.is_builder() {
        return Failure::Request;
    }
    Failure::sending(error)
}

async fn read(response: &mut Response, max_bytes: usize) -> std::result::Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let announced = response.content_length().unwrap_or_default();
    if announced > max_bytes as u64 {
        return Err(Failure::TooLarge(max_bytes));
    }
    while let Some(piece) = response.chunk().await.map_err(Failure::broken)? {
        if bytes.len() + piece.len() > max_bytes {
            return Err(Failure::TooLarge(max_bytes));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.model, self.base_url)
    }
}
