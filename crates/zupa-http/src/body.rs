//! Reads a body that may be too large, too slow or not text.
//!
//! What arrives: bytes from anybody. On leaving: at most `cap` bytes, as UTF-8 or as they
//! came, never more than that held in memory.

use std::time::Duration;

use axum::body::BodyDataStream;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderMap};
use futures_util::StreamExt;
use tokio::time::timeout;

use crate::problem::Problem;

/// How long a sender may take over a body.
const DEADLINE: Duration = Duration::from_secs(10);

/// How much of a refused body is read and thrown away, and for how long.
/// Closing at once would reset the connection while the sender still writes,
/// and most clients then never see the 413.
const DRAIN_BYTES: usize = 16 * 1024 * 1024;
const DRAIN_TIME: Duration = Duration::from_secs(2);

/// Demands `application/json` in UTF-8, not compressed.
pub(crate) fn demand_json(headers: &HeaderMap) -> Result<(), Problem> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let is_json = match (types.next(), types.next()) {
        (Some(one), None) => one.to_str().is_ok_and(is_json),
        _ => false,
    };
    let is_plain = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"));
    if is_json && is_plain {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "send the body as content-type: application/json, in UTF-8, not compressed",
    ))
}

fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"))
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

/// Reads the whole body as text. Cancel safe: nothing is kept.
pub(crate) async fn read(request: Request, cap: usize) -> Result<String, Problem> {
    let bytes = read_bytes(request, cap).await?;
    String::from_utf8(bytes).map_err(|_| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "invalid_encoding",
            "the body is not UTF-8",
        )
    })
}

/// Reads the whole body. Cancel safe: nothing is kept.
pub(crate) async fn read_bytes(request: Request, cap: usize) -> Result<Vec<u8>, Problem> {
    let (head, body) = request.into_parts();
    let mut chunks = body.into_data_stream();
    let read = if declared(&head.headers).is_some_and(|bytes| bytes > cap as u64) {
        Err(too_large(cap))
    } else {
        collect(&mut chunks, cap).await
    };
    if let Err(problem) = &read {
        // Somebody who waits for `100 Continue` has not begun to write.
        if problem.status() == StatusCode::PAYLOAD_TOO_LARGE && !head.headers.contains_key(EXPECT) {
            drain(chunks).await;
        }
    }
    read
}

/// Counts while it reads: a chunked body declares nothing, and a declared
/// length may lie.
async fn collect(chunks: &mut BodyDataStream, cap: usize) -> Result<Vec<u8>, Problem> {
    let reading = async {
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| {
                Problem::new(
                    StatusCode::BAD_REQUEST,
                    "incomplete_body",
                    "the body broke off",
                )
            })?;
            if bytes.len() + chunk.len() > cap {
                return Err(too_large(cap));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    };
    timeout(DEADLINE, reading).await.unwrap_or_else(|_| {
        Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "the body did not come in time",
        ))
    })
}

async fn drain(mut chunks: BodyDataStream) {
    let draining = async {
        let mut left = DRAIN_BYTES;
        while let Some(Ok(chunk)) = chunks.next().await {
            match left.checked_sub(chunk.len()) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    // Whether it ended or not, the answer is the same.
    let _ = timeout(DRAIN_TIME, draining).await;
}

fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(cap: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        format!("the body may have at most {cap} bytes"),
    )
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn only_json_in_utf_8_is_json() {
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
        ] {
            assert!(is_json(good), "{good}");
        }
        for bad in [
            "",
            "text/plain",
            "application/jsonp",
            "application/json; charset=latin1",
            "multipart/form-data; boundary=application/json",
        ] {
            assert!(!is_json(bad), "{bad}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let body = Body::from_stream(futures_util::stream::pending::<
            Result<Vec<u8>, std::io::Error>,
        >());
        let refused = read(Request::new(body), 10).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::REQUEST_TIMEOUT);
    }
}
