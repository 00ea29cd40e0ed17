//! One exchange: a request out, an event stream or our own failure back.
//!
//! async-openai's mapping loses the status of answers that are not its kind of
//! JSON and every header, `Retry-After` among them. Here nothing of a bad answer
//! is kept but status, delay, type and code.

use std::future::Future;
use std::time::Duration;

use async_openai::middleware::HttpRequestFactory;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Body, Response, Url, redirect, retry};
use tokio::time::timeout;
use tower::Service;

use crate::config::OpenAiConfig;
use crate::error::Failure;
use crate::fault::{Fault, word};
use crate::retry_after;
use crate::watch::Watch;

/// How much of a bad answer is read to find its type and code.
const PREFIX_BYTES: usize = 4 << 10;
/// And for how long: the status alone says most.
const PREFIX_WAIT: Duration = Duration::from_secs(1);

/// What a server said instead of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HttpFailure {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) fault: Fault,
}

/// The connections of one model.
pub(crate) fn client(config: &OpenAiConfig, base_url: &Url) -> reqwest::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("zupa/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(config.connect_timeout)
        // A redirect would carry a conversation to a host nobody configured.
        .redirect(redirect::Policy::none())
        // The proxy variables are the environment's; only the binary reads it.
        .no_proxy()
        .retry(retry::never());
    if base_url.scheme() == "http" {
        // No TLS ever happens, so a machine without root certificates is fine.
        builder = builder.tls_certs_only([]);
    }
    builder.build()
}

/// The service that replaces async-openai's own, retries included.
pub(crate) fn service(
    client: reqwest::Client,
    watch: Watch,
) -> impl Service<
    HttpRequestFactory,
    Response = Response,
    Error = Failure,
    Future = impl Future<Output = Result<Response, Failure>> + Send + 'static,
> + Clone
+ Send
+ Sync
+ 'static {
    tower::service_fn(move |factory| exchange(client.clone(), factory, watch.clone()))
}

async fn exchange(
    client: reqwest::Client,
    factory: HttpRequestFactory,
    watch: Watch,
) -> Result<Response, Failure> {
    let request = factory.build().await.map_err(|_| Failure::Request)?;
    let response = client.execute(request).await.map_err(Failure::sending)?;
    if !response.status().is_success() {
        return Err(Failure::Answer(read_failure(response).await));
    }
    if let Some(content_type) = other_than_events(response.headers()) {
        let failure = read_failure(response).await;
        return Err(match failure.fault.is_empty() {
            true => Failure::NotEvents(content_type),
            // Some gateways answer 200 and put the error into the body.
            false => Failure::Answer(failure.fault.into_failure()),
        });
    }
    let body = Body::wrap_stream(watch.over(response.bytes_stream()));
    Ok(http::Response::new(body).into())
}

/// The media type, if there is one and it is no event stream. Small servers
/// that send none are believed.
fn other_than_events(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("text/event-stream") {
        return None;
    }
    Some(word(media_type).unwrap_or_else(|| "unreadable".to_owned()))
}

async fn read_failure(mut response: Response) -> HttpFailure {
    let status = response.status().as_u16();
    let retry_after = retry_after::read(response.headers());
    let mut prefix = Vec::new();
    // Whatever has come by then will do, so neither time nor a break matters.
    let _ = timeout(PREFIX_WAIT, async {
        while let Ok(Some(piece)) = response.chunk().await {
            let room = PREFIX_BYTES - prefix.len();
            prefix.extend_from_slice(&piece[..piece.len().min(room)]);
            if prefix.len() == PREFIX_BYTES {
                return;
            }
        }
    })
    .await;
    HttpFailure {
        status,
        retry_after,
        fault: Fault::of_body(&prefix),
    }
}
