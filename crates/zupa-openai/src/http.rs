//! One exchange: a request out, an event stream or our own failure back.
//!
//! async-openai's mapping loses the status of answers that are not its kind of
//! JSON and every header, `Retry-After` among them. Here nothing of a bad answer
//! is kept but status, delay, type and code.

use std::future::Future;
use std::time::Duration;

use async_openai::middleware::HttpRequestFactory;
use futures_util::stream::{self, StreamExt};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Body, Response, Url, redirect, retry};
use tokio::time::timeout;
use tower::Service;

use crate::error::Failure;
use crate::fault::{Fault, word};
use crate::retry_after;
use crate::watch::Watch;
use crate::whole;

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
pub(crate) fn client(
    connect_timeout: Duration,
    base_url: &Url,
) -> reqwest::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("zupa/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect_timeout)
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
    let bytes = match other_than_events(response.headers()) {
        None => response.bytes_stream().left_stream(),
        // The server did not want to stream.
        Some(media_type) if media_type == whole::MEDIA_TYPE => {
            let events = whole::read(response).await?;
            stream::once(async { Ok(events.into()) }).right_stream()
        }
        Some(media_type) => {
            let fault = read_failure(response).await.fault;
            return Err(fault.with_success(media_type));
        }
    };
    let body = Body::wrap_stream(watch.over(bytes));
    Ok(http::Response::new(body).into())
}

/// The media type, if there is one and it is no event stream. Small servers
/// that send none are believed.
fn other_than_events(headers: &HeaderMap) -> Option<String> {
    media_type(headers).filter(|media_type| media_type != "text/event-stream")
}

/// The media type, if there is one, in lower case and without parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim();
    Some(word(&media_type.to_ascii_lowercase()).unwrap_or_else(|| "unreadable".to_owned()))
}

pub(crate) async fn read_failure(mut response: Response) -> HttpFailure {
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
