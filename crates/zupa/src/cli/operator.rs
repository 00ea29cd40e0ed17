//! Asking the serving process, when it holds the store.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::environment;
use super::failure::{Code, Failure};

/// Longest wait for the whole answer.
const DEADLINE: Duration = Duration::from_secs(10);
/// Longest answer.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Reads one resource; `None` when it is not there.
pub async fn get<T: DeserializeOwned>(
    server: &(SocketAddr, String),
    path: &str,
) -> Result<Option<T>, Failure> {
    match ask(server, Method::GET, path, None).await? {
        (StatusCode::OK, body) => sense(&body).map(Some),
        (StatusCode::NOT_FOUND, _) => Ok(None),
        (other, _) => Err(Failure::new(
            Code::Failed,
            format!("the server answered {other}"),
        )),
    }
}

/// Sends a change, under a key of its own; status and answer.
pub async fn post(
    server: &(SocketAddr, String),
    path: &str,
    body: &Value,
) -> Result<(StatusCode, Value), Failure> {
    let (status, answer) = ask(server, Method::POST, path, Some(body)).await?;
    Ok((status, sense(&answer)?))
}

/// What a reader without a token is told.
pub async fn get_as_stranger(address: SocketAddr, path: &str) -> Result<StatusCode, Failure> {
    let fetching = fetch(address, "", Method::GET, path, None);
    let answer = tokio::time::timeout(DEADLINE, fetching)
        .await
        .map_err(|_| unreachable(address, "it did not answer in 10 seconds"))?;
    let (status, _) = answer.map_err(|error| unreachable(address, error))?;
    Ok(status)
}

async fn ask(
    (address, token): &(SocketAddr, String),
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<(StatusCode, Bytes), Failure> {
    let answer = tokio::time::timeout(DEADLINE, fetch(*address, token, method, path, body))
        .await
        .map_err(|_| unreachable(*address, "it did not answer in 10 seconds"))?;
    let (status, body) = answer.map_err(|error| unreachable(*address, error))?;
    match status {
        StatusCode::UNAUTHORIZED => Err(Failure::new(
            Code::Permission,
            "the server refused the token",
        )
        .try_this("run this as the user that runs the server")),
        status => Ok((status, body)),
    }
}

fn sense<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        Failure::new(Code::Failed, "the server's answer makes no sense").because(error)
    })
}

async fn fetch(
    address: SocketAddr,
    token: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let stream = tokio::net::TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        // Its own name for itself, which it knows whatever it listens on.
        .header(header::HOST, format!("localhost:{}", address.port()))
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    let body = match body {
        Some(body) => {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .header("idempotency-key", environment::random_token());
            Full::new(Bytes::from(body.to_string()))
        }
        None => Full::default(),
    };
    let response = sender.send_request(request.body(body)?).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES)
        .collect()
        .await?
        .to_bytes();
    Ok((status, body))
}

fn unreachable(address: SocketAddr, why: impl std::fmt::Display) -> Failure {
    Failure::new(
        Code::Unreachable,
        format!("the server at {address} cannot be reached"),
    )
    .because(why)
    .try_this("is it still running? `curl` its /livez")
}
