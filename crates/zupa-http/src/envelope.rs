//! What surrounds every request: an id that ties answer, rows and log
//! together, problem documents, and the headers that no answer goes without.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tracing::{error, warn};
use zupa_core::Ids;

use crate::parts::Shared;
use crate::problem::{PROBLEM_JSON, Problem};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest request id that we take from a client.
const MAX_REQUEST_ID_BYTES: usize = 64;

/// On every answer, so that no route can forget one. Nothing is loaded from
/// elsewhere, nothing runs inline, nobody frames the page.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
             img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'",
        ),
    ),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// The id of one request.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

/// Wraps every route. It is the outermost layer: what it does not see has no
/// request id.
pub(crate) async fn envelope(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = request_id(request.headers(), shared.ids.as_ref());
    let uri = request.uri().clone();
    request.extensions_mut().insert(RequestId(id.clone()));

    let mut response = next.run(request).await;
    if let Some(problem) = problem_of(&mut response) {
        tell(&problem, &id);
        let document = problem.document(uri.path(), &id);
        *response.body_mut() = Body::from(document);
        response.headers_mut().remove(CONTENT_LENGTH);
        response.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
    }

    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    // Always a header: it is a UUID of ours, or printable ASCII.
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(X_REQUEST_ID, value);
    }
    response
}

/// The problem that a handler left, or one made from a bare error status of
/// some layer (405, deadlines), whose headers stay.
fn problem_of(response: &mut Response) -> Option<Problem> {
    let status = response.status();
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => Some(problem),
        None if status.is_client_error() || status.is_server_error() => {
            let problem = Problem::from_status(status);
            problem.add_headers(response.headers_mut());
            Some(problem)
        }
        None => None,
    }
}

fn tell(problem: &Problem, id: &str) {
    if problem.status() == StatusCode::INTERNAL_SERVER_ERROR {
        error!(request.id = %id, cause = problem.cause(), "failed a request");
    } else if problem.status().is_server_error() {
        warn!(
            request.id = %id,
            code = problem.code(),
            cause = problem.cause(),
            "put a request off"
        );
    }
}

/// The client's id if it is a short printable token, or a fresh one: it goes
/// into rows, logs and headers, where anything else could forge lines.
fn request_id(headers: &HeaderMap, ids: &dyn Ids) -> Arc<str> {
    headers
        .get(X_REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| is_token(id))
        .map_or_else(|| ids.fresh().to_string().into(), Arc::from)
}

fn is_token(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= MAX_REQUEST_ID_BYTES
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_printable_tokens_are_taken_as_request_ids() {
        assert!(is_token("0196f3b2-7c1a-7d10-9e55-1f7a3d0c2b11"));
        for bad in ["", "a b", "a\tb", "ä", &"a".repeat(65)] {
            assert!(!is_token(bad), "{bad:?}");
        }
    }
}
