//! A server behind streamable HTTP.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::BoxStream;
use reqwest::header::{HeaderName, HeaderValue};
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::ExponentialBackoff;
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpClientTransportConfig, StreamableHttpError,
    StreamableHttpPostResponse,
};
use secrecy::{ExposeSecret, SecretString};
use sse_stream::Sse;
use zupa_core::{Error, Result};

use crate::client;

/// How often a broken stream is taken up again before the call counts as lost.
const RESUMPTIONS: usize = 3;
/// The pause before the first of them; it doubles.
const RESUMPTION_PAUSE: Duration = Duration::from_millis(250);

/// Prepares the connections; opens none.
pub(crate) fn wire(
    url: &str,
    bearer: Option<&SecretString>,
    connect_timeout: Duration,
    message_limit: usize,
) -> Result<StreamableHttpClientTransport<Posts>> {
    let parsed = client::address(url).map_err(Error::invalid)?;
    let posts = Posts(client::new(&parsed, connect_timeout)?);
    let mut config = StreamableHttpClientTransportConfig::with_uri(url)
        .max_sse_event_size(message_limit)
        // A new session may come with other tools: it is begun by the caller,
        // who lists and checks them again.
        .reinit_on_expired_session(false);
    let mut pauses = ExponentialBackoff::default();
    pauses.max_times = Some(RESUMPTIONS);
    pauses.base_duration = RESUMPTION_PAUSE;
    config.retry_config = Arc::new(pauses);
    if let Some(bearer) = bearer {
        config = config.auth_header(bearer.expose_secret());
    }
    Ok(StreamableHttpClientTransport::with_client(posts, config))
}

/// rmcp's requests over our client, and one answer understood that rmcp drops.
#[derive(Clone)]
pub(crate) struct Posts(reqwest::Client);

impl StreamableHttpClient for Posts {
    type Error = reqwest::Error;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, StreamableHttpError<Self::Error>> {
        let posted = self
            .0
            .post_message(uri, message, session_id, auth_header, custom_headers);
        posted.await.and_then(related)
    }

    async fn post_message_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
        max_sse_event_size: usize,
    ) -> Result<StreamableHttpPostResponse, StreamableHttpError<Self::Error>> {
        let posted = self.0.post_message_with_max_sse_event_size(
            uri,
            message,
            session_id,
            auth_header,
            custom_headers,
            max_sse_event_size,
        );
        posted.await.and_then(related)
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), StreamableHttpError<Self::Error>> {
        self.0
            .delete_session(uri, session_id, auth_header, custom_headers)
            .await
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, StreamableHttpError<Self::Error>> {
        self.0
            .get_stream(uri, session_id, last_event_id, auth_header, custom_headers)
            .await
    }

    async fn get_stream_with_max_sse_event_size(
        &self,
        uri: Arc<str>,
        session_id: Option<Arc<str>>,
        last_event_id: Option<String>,
        auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
        max_sse_event_size: usize,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, StreamableHttpError<Self::Error>> {
        self.0
            .get_stream_with_max_sse_event_size(
                uri,
                session_id,
                last_event_id,
                auth_header,
                custom_headers,
                max_sse_event_size,
            )
            .await
    }
}

/// A server that was started again answers a session it does not know with an
/// error that names no request. rmcp drops such an error, and the call would
/// wait to its end. By JSON-RPC the request was not even read.
fn related(
    answer: StreamableHttpPostResponse,
) -> Result<StreamableHttpPostResponse, StreamableHttpError<reqwest::Error>> {
    match &answer {
        StreamableHttpPostResponse::Json(ServerJsonRpcMessage::Error(error), _)
            if error.id.is_none() =>
        {
            Err(StreamableHttpError::SessionExpired)
        }
        _ => Ok(answer),
    }
}
