//! A tool that is one HTTP request of the configuration.
//!
//! Arrives: arguments and a deadline. Guaranteed on leaving: the arguments
//! fitted the schema, the request went to the configured host and nowhere else,
//! and either it was answered or the error says what became of it. If the
//! process dies here, the call is lost; the runtime's journal decides by the
//! tool's class.

use std::fmt;

use async_trait::async_trait;
use reqwest::{Client, Request};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use zupa_core::{
    Effect, EffectClass, Error, ErrorKind, Outcome, Probe, Result, Retry, Tool, ToolContext,
    ToolOutput, ToolSpec,
};

use self::config::Checked;
use crate::{client, status};

mod answer;
mod config;
mod request;
mod template;

pub use self::config::{HttpMethod, HttpToolConfig};

/// A tool that is one HTTP request.
pub struct HttpTool {
    config: HttpToolConfig,
    spec: ToolSpec,
    checked: Checked,
    client: Client,
}

impl HttpTool {
    /// Checks the configuration and prepares the connections; opens none.
    ///
    /// *Errors*: [`ErrorKind::Invalid`] names every problem of the
    /// configuration; [`ErrorKind::Internal`] when TLS cannot be set up.
    pub fn new(config: HttpToolConfig) -> Result<Self> {
        let checked = config.check()?;
        let client = client::new(checked.template.origin(), config.connect_timeout)?;
        let spec = ToolSpec {
            name: config.name.clone(),
            description: config.description.clone(),
            parameters: checked.parameters.clone(),
        };
        Ok(Self {
            config,
            spec,
            checked,
            client,
        })
    }

    fn request(&self, arguments: Value, cx: &ToolContext) -> Result<Request> {
        let fits = self.checked.schema.check(&arguments);
        fits.map_err(|reason| format!("the arguments do not fit: {reason}"))
            .and_then(|()| {
                let key = (self.config.effect.class == EffectClass::Idempotent).then_some(cx.key);
                request::build(&self.config, &self.checked, arguments, key)
            })
            .map_err(Error::invalid)
    }

    async fn exchange(&self, request: Request, deadline: Instant) -> Result<ToolOutput> {
        // Cancelling is safe: dropping the exchange closes its connection.
        let sent = timeout_at(deadline, self.client.execute(request)).await;
        let response = match sent {
            Err(_elapsed) => return Err(silent(Outcome::Unknown)),
            Ok(Err(source)) => return Err(broken(source)),
            Ok(Ok(response)) => response,
        };
        let code = response.status().as_u16();
        if !response.status().is_success() {
            return Err(status::into_error(
                code,
                status::retry_after(response.headers()),
            ));
        }
        // From here on it has happened, whatever becomes of the answer.
        let read = answer::read(response, self.config.response_limit_bytes);
        match timeout_at(deadline, read).await {
            Err(_elapsed) => Err(silent(Outcome::Applied)),
            Ok(Err(source)) => Err(broken(source).with_outcome(Outcome::Applied)),
            Ok(Ok(result)) => Ok(ToolOutput::of(result)),
        }
    }
}

/// The time was up. While the connection was still being made is counted as
/// after it: from here nobody can tell.
fn silent(outcome: Outcome) -> Error {
    Error::new(ErrorKind::Timeout, "the server did not answer in time")
        .with_retry(Retry::Now)
        .with_outcome(outcome)
}

/// Addresses go: they hold arguments.
fn broken(source: reqwest::Error) -> Error {
    let (message, outcome) = match source.is_connect() {
        true => ("the server cannot be reached", Outcome::NotApplied),
        false => ("the connection to the server broke", Outcome::Unknown),
    };
    Error::new(ErrorKind::Unavailable, message)
        .with_retry(Retry::Now)
        .with_outcome(outcome)
        .with_source(source.without_url())
}

#[async_trait]
impl Tool for HttpTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn effect(&self) -> Effect {
        self.config.effect
    }

    async fn call(&self, arguments: Value, cx: ToolContext) -> Result<ToolOutput> {
        let deadline = Instant::now() + client::time_to_answer(cx.timeout);
        let called = match self.request(arguments, &cx) {
            Ok(request) => self.exchange(request, deadline).await,
            Err(error) => Err(error),
        };
        called.map_err(|error| error.with("tool", &self.spec.name))
    }

    async fn probe(&self, _arguments: Value, _cx: ToolContext) -> Result<Probe> {
        // No tool of this kind is of class reconcile.
        Ok(Probe::Unknown)
    }
}

impl fmt::Debug for HttpTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpTool({:?})", self.config)
    }
}
