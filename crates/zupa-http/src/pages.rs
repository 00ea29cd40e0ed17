//! Files of pages: without a build step, embedded in the binary.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use crate::problem::Problem;

/// A file of a page's folder, if it is there.
pub(crate) fn file<Folder: RustEmbed>(name: &str, headers: &HeaderMap) -> Response {
    let (Some(file), Some(kind)) = (Folder::get(name), media_type(name)) else {
        return Problem::not_found("there is no such file").into_response();
    };
    let etag = etag(&file.metadata.sha256_hash());
    // Asked for each time, sent when changed: a new build shows at once.
    let mut response = if headers.get(IF_NONE_MATCH) == Some(&etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Body::from(file.data).into_response();
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ETAG, etag);
    response
}

fn etag(hash: &[u8; 32]) -> HeaderValue {
    let hex: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    // Hexadecimal between quotes is always a header.
    HeaderValue::from_str(&format!("\"{hex}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

fn media_type(name: &str) -> Option<HeaderValue> {
    Some(HeaderValue::from_static(match name.rsplit_once('.')?.1 {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "png" => "image/png",
        _ => return None,
    }))
}
