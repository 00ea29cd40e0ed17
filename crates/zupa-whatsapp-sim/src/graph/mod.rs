//! The Graph API: connections, routes, tokens and answers.

mod check;
mod media;
mod multipart;
mod refusal;
mod send;

use std::fmt;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};

pub(crate) use self::media::Media;
use self::refusal::Refusal;
use crate::options::Number;
use crate::page;
use crate::shared::Shared;

/// As much as Meta takes of a document.
const MAX_BODY_BYTES: usize = 100 << 20;

/// What a request is answered.
#[derive(Debug)]
pub(crate) enum Answer {
    Json(u16, Value),
    /// A status and nothing else.
    Empty(u16),
    Bytes {
        mime: String,
        bytes: Bytes,
    },
    /// The connection ends.
    HangUp,
}

impl Answer {
    fn refused(refusal: &Refusal) -> Self {
        Self::Json(refusal.status(), refusal.body())
    }
}

/// Ends a connection without an answer.
#[derive(Debug)]
struct HungUp;

impl fmt::Display for HungUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("hung up")
    }
}

impl std::error::Error for HungUp {}

/// Takes connections, to the end of the simulator.
pub(crate) async fn serve(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        // Out of files, most likely: the next one may work.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        shared.spawn(connection(shared.clone(), stream));
    }
}

async fn connection(shared: Arc<Shared>, stream: TcpStream) {
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { written(answer(&shared, request).await) }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A client that hangs up is a client that hung up.
    let _ = connection.await;
}

fn written(answer: Answer) -> Result<Response<Full<Bytes>>, HungUp> {
    let (status, mime, bytes) = match answer {
        Answer::HangUp => return Err(HungUp),
        Answer::Empty(status) => (status, None, Bytes::new()),
        Answer::Json(status, value) => {
            let mime = "application/json; charset=UTF-8".to_owned();
            (status, Some(mime), value.to_string().into())
        }
        Answer::Bytes { mime, bytes } => (200, Some(mime), bytes),
    };
    let mut response = Response::builder().status(status);
    if let Some(mime) = mime {
        response = response
            .header(header::CONTENT_TYPE, mime)
            .header(header::CONTENT_SECURITY_POLICY, page::POLICY)
            .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    }
    response.body(Full::new(bytes)).map_err(|_| HungUp)
}

async fn answer(shared: &Arc<Shared>, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Answer::Empty(413),
    };
    if shared.page
        && let Some(answer) = page::answer(shared, &head, &body).await
    {
        return answer;
    }
    let path: Vec<&str> = head.uri.path().trim_matches('/').split('/').collect();
    let bearer = head.headers.get(header::AUTHORIZATION);
    let bearer = bearer.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let content_type = head.headers.get(header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok());
    match (&head.method, &path[..]) {
        (&Method::GET, ["media", token]) => match may(shared, bearer, |_| true) {
            Some(_) => media::download(shared, token),
            None => no_token(shared),
        },
        (method, [version, rest @ ..]) if is_version(version) => {
            if may(shared, bearer, |_| true).is_none() {
                return no_token(shared);
            }
            let named = rest.first().copied().unwrap_or_default();
            let line = may(shared, bearer, |number| number.phone_number_id == named);
            match (method, rest, line) {
                (&Method::POST, [_, "messages"], Some(line)) => {
                    send::answer(shared, line, &body).await
                }
                (&Method::POST, [_, "media"], Some(_)) => {
                    media::upload(shared, content_type, &body)
                }
                (&Method::GET, [_], Some(line)) => number(shared, line),
                (&Method::GET, [id], None) => media::look(shared, id),
                _ => nobody(),
            }
        }
        _ => nobody(),
    }
}

fn is_version(part: &str) -> bool {
    let digits = part.strip_prefix('v').unwrap_or_default();
    !digits.is_empty()
        && digits
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// The first such number that this token may use.
fn may(shared: &Shared, bearer: Option<&str>, is_it: impl Fn(&Number) -> bool) -> Option<usize> {
    let bearer = bearer?;
    let world = shared.world();
    let mut numbers = world.lines.iter().map(|line| &line.number);
    numbers.position(|number| number.access_token == bearer && is_it(number))
}

fn no_token(shared: &Shared) -> Answer {
    shared.world().record.unauthorized += 1;
    Answer::refused(&Refusal::new(190, "the access token is not valid"))
}

fn nobody() -> Answer {
    Answer::refused(&Refusal::new(
        100,
        "the object does not exist, or the token may not see it",
    ))
}

fn number(shared: &Shared, line: usize) -> Answer {
    let world = shared.world();
    let number = &world.lines[line].number;
    Answer::Json(
        200,
        serde_json::json!({
            "id": number.phone_number_id,
            "display_phone_number": number.display_phone_number,
            "verified_name": "Simulated",
            "quality_rating": "GREEN",
        }),
    )
}
