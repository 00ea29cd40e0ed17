//! HTTP from the outside: one connection per request, no pool and no retry of
//! its own, because the oracle must know exactly what it delivered how often.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Why a request has no answer. The difference decides what an oracle may claim.
#[derive(Debug)]
pub enum Failure {
    /// No connection: the server never saw a byte.
    Unreached(anyhow::Error),
    /// The connection ended first: the server may have done it all.
    Lost(anyhow::Error),
}

impl From<Failure> for anyhow::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unreached(error) => error.context("no connection"),
            Failure::Lost(error) => error.context("the connection ended before the answer"),
        }
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub retry_after: Option<u64>,
    pub body: Bytes,
}

impl Answer {
    /// The start of the body, for a report.
    pub fn excerpt(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        format!(
            "{} {}",
            self.status.as_u16(),
            text.chars().take(160).collect::<String>()
        )
    }
}

pub async fn post(
    to: SocketAddr,
    path: &str,
    body: Vec<u8>,
    deadline: Duration,
) -> Result<Answer, Failure> {
    let request = request(to, Method::POST, path).header(header::CONTENT_TYPE, "application/json");
    answered(to, request.body(Full::new(body.into())), deadline).await
}

pub async fn get(
    to: SocketAddr,
    path: &str,
    bearer: Option<&str>,
    deadline: Duration,
) -> Result<Answer, Failure> {
    let mut request = request(to, Method::GET, path);
    if let Some(token) = bearer {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    answered(to, request.body(Full::default()), deadline).await
}

pub async fn get_json<T: DeserializeOwned>(
    to: SocketAddr,
    path: &str,
    bearer: &str,
    deadline: Duration,
) -> anyhow::Result<T> {
    let answer = get(to, path, Some(bearer), deadline).await?;
    ensure!(
        answer.status == StatusCode::OK,
        "{path} answered {}",
        answer.excerpt()
    );
    serde_json::from_slice(&answer.body)
        .with_context(|| format!("{path} answered {}", answer.excerpt()))
}

/// Opens an event stream behind the event with this number.
pub async fn events(
    to: SocketAddr,
    path: &str,
    after: u64,
    deadline: Duration,
) -> anyhow::Result<Incoming> {
    let request = request(to, Method::GET, path)
        .header(header::ACCEPT, "text/event-stream")
        .header("last-event-id", after.to_string())
        .body(Full::default());
    let response = timeout(deadline, send(to, request))
        .await
        .context("no answer in time")??;
    ensure!(
        response.status() == StatusCode::OK,
        "{path} answered {}",
        response.status()
    );
    Ok(response.into_body())
}

/// Every replica answers to the local name, in a namespace of its own, too.
fn request(to: SocketAddr, method: Method, path: &str) -> hyper::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, format!("127.0.0.1:{}", to.port()))
}

type Outgoing = Result<Request<Full<Bytes>>, hyper::http::Error>;

async fn answered(
    to: SocketAddr,
    request: Outgoing,
    deadline: Duration,
) -> Result<Answer, Failure> {
    let whole = async {
        let response = send(to, request).await?;
        let status = response.status();
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response
            .into_body()
            .collect()
            .await
            .map_err(|error| Failure::Lost(error.into()))?;
        Ok(Answer {
            status,
            retry_after,
            body: body.to_bytes(),
        })
    };
    timeout(deadline, whole)
        .await
        .unwrap_or_else(|_| Err(Failure::Lost(anyhow!("no answer within {deadline:?}"))))
}

async fn send(to: SocketAddr, request: Outgoing) -> Result<Response<Incoming>, Failure> {
    let request = request.map_err(|error| Failure::Unreached(error.into()))?;
    let stream = TcpStream::connect(to)
        .await
        .map_err(|error| Failure::Unreached(error.into()))?;
    let _ = stream.set_nodelay(true);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| Failure::Lost(error.into()))?;
    // Ends by itself: with the body, or when the caller drops it.
    tokio::spawn(connection);
    sender
        .send_request(request)
        .await
        .map_err(|error| Failure::Lost(error.into()))
}
