//! Asking the serving process, when it holds the store.

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::net::SocketAddr;
use std::time::Duration;

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
    let (address, token) = server;
    let answer = tokio::time::timeout(DEADLINE, fetch(*address, token, path))
        .await
        .map_err(|_| unreachable(*address, "it did not answer in 10 seconds"))?;
    let (status, body) = answer.map_err(|error| unreachable(*address, error))?;
    match status {
        StatusCode::OK => serde_json::from_slice(&body).map(Some).map_err(|error| {
            Failure::new(Code::Failed, "the server's answer makes no sense").because(error)
        }),
        StatusCode::NOT_FOUND => Ok(None),
        StatusCode::UNAUTHORIZED => Err(Failure::new(
            Code::Permission,
            "the server refused the token",
        )
        .try_this("run this as the user that runs the server")),
        other => Err(Failure::new(
            Code::Failed,
            format!("the server answered {other}"),
        )),
    }
}

async fn fetch(
    address: SocketAddr,
    token: &str,
    path: &str,
) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let stream = tokio::net::TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get(path)
        .header(header::HOST, address.to_string())
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
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
