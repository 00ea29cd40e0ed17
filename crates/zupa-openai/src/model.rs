//! The port: one call is one request and one stream.
//!
//! Arrives: a prompt and a deadline. Guaranteed on leaving: the server has
//! answered with an event stream, or the error says why not. If the process dies
//! here, the call is lost and may be charged; the runtime's journal decides
//! whether it is made again.

use std::fmt;
use std::sync::Arc;

use async_openai::Client;
use async_openai::config::Config;
use async_trait::async_trait;
use reqwest::Url;
use serde_json::Value;
use tokio::time::timeout_at;
use zupa_core::{Error, Model, ModelRequest, ModelStream, Result};

use crate::answer::{self, Form};
use crate::config::OpenAiConfig;
use crate::endpoint::Endpoint;
use crate::error::{Failure, into_error};
use crate::http;
use crate::request::{Request, TokenLimit};
use crate::watch::{Waits, Watch};

/// A model behind an OpenAI-compatible server.
pub struct OpenAiModel {
    config: OpenAiConfig,
    base_url: Url,
    token_limit: TokenLimit,
    http: reqwest::Client,
    client: Client<Arc<dyn Config>>,
}

impl OpenAiModel {
    /// Checks the configuration and prepares the connections; opens none.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`] names every problem of the
    /// configuration; [`zupa_core::ErrorKind::Internal`] when TLS cannot be set
    /// up, for want of root certificates on this machine for example.
    pub fn new(mut config: OpenAiConfig) -> Result<Self> {
        let base_url = config.check()?;
        // reqwest panics without a provider. The composition root installs one
        // too; whoever came first is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = http::client(config.connect_timeout, &base_url).map_err(|source| {
            Error::internal("prepare the model's http client").with_source(source)
        })?;
        let endpoint: Arc<dyn Config> = Arc::new(Endpoint::new(&base_url, config.api_key.take())?);
        Ok(Self {
            token_limit: TokenLimit::of(&base_url),
            client: Client::build(http.clone(), endpoint),
            http,
            base_url,
            config,
        })
    }
}

#[async_trait]
impl Model for OpenAiModel {
    fn name(&self) -> &str {
        &self.config.model
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream> {
        // Servers disagree on whether 0 means nothing or no limit.
        if request.max_tokens == Some(0) {
            return Err(Error::invalid("ask the model for an answer of no tokens")
                .with("model", self.name()));
        }
        let waits = Waits::start(&self.config, request.timeout);
        let watch = Watch::new(waits);
        // A client of its own per call (a few counters) carries the call's
        // watch. `with_http_service` must stay the last step: any other way to
        // make a client puts async-openai's three silent retries back.
        let client = self
            .client
            .clone()
            .with_http_service(http::service(self.http.clone(), watch.clone()));
        let body = Request::new(&self.config, self.token_limit, &request);
        let form = match request.reply {
            Some(_) => Form::Json,
            None => Form::Text,
        };
        let (deadline, silence) = waits.for_first_byte();
        let chat = client.chat();
        // Cancelling is safe: dropping the exchange closes its connection.
        let opened = timeout_at(deadline, chat.create_stream_byot::<_, Value>(body)).await;
        let failure = match opened {
            Ok(Ok(chunks)) => {
                let model = self.config.model.clone();
                return Ok(answer::read(chunks, watch, form, model));
            }
            Ok(Err(vendor)) => Failure::from_opening(vendor),
            Err(_) => Failure::Silence(silence),
        };
        Err(into_error(failure, &self.config.model))
    }
}

impl fmt::Debug for OpenAiModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenAiModel({} at {})", self.config.model, self.base_url)
    }
}
