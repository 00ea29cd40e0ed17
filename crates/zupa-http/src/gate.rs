//! Who a request may say it is for, and from. A page of another site that has
//! had its name point at this machine sends its own name as `Host`; a page
//! that posts across sites sends its own `Origin`. Both are turned away.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{HOST, HeaderMap, ORIGIN};
use axum::http::uri::{Authority, Uri};
use axum::middleware::Next;
use axum::response::Response;
use tracing::warn;

use crate::parts::Shared;
use crate::problem::Problem;

/// Names of this machine for itself, on any port.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The hosts that requests may name.
#[derive(Debug)]
pub(crate) struct AllowedHosts(Vec<(String, Option<u16>)>);

impl AllowedHosts {
    /// The local names and those of the config. One that cannot be read matches
    /// nothing.
    pub(crate) fn parse(configured: &[String]) -> Self {
        let mut hosts: Vec<_> = LOCAL.map(|host| (host.to_owned(), None)).into();
        for entry in configured {
            match split(entry) {
                Some(host) => hosts.push(host),
                None => warn!(host = %entry, "an allowed host cannot be read and is ignored"),
            }
        }
        Self(hosts)
    }

    fn allow(&self, authority: &str) -> bool {
        split(authority).is_some_and(|(host, port)| {
            self.0
                .iter()
                .any(|(allowed, on)| *allowed == host && (on.is_none() || *on == port))
        })
    }
}

/// Lets a request pass whose `Host` is ours, and whose `Origin`, if any, is
/// too.
pub(crate) async fn gate(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    check_host(request.uri(), request.headers(), &shared.hosts)?;
    check_origin(request.headers(), &shared.hosts)?;
    Ok(next.run(request).await)
}

/// An absolute-form target names a host beside the header; both must pass.
fn check_host(uri: &Uri, headers: &HeaderMap, hosts: &AllowedHosts) -> Result<(), Problem> {
    let header = only(headers, &HOST).is_some_and(|host| hosts.allow(host));
    let target = uri
        .authority()
        .is_none_or(|authority| hosts.allow(authority.as_str()));
    if header && target {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::MISDIRECTED_REQUEST,
        "misdirected",
        "this host is not served here; add it to the allowed hosts if it should be",
    ))
}

fn check_origin(headers: &HeaderMap, hosts: &AllowedHosts) -> Result<(), Problem> {
    if !headers.contains_key(ORIGIN) {
        return Ok(());
    }
    let ours = only(headers, &ORIGIN)
        .and_then(|origin| {
            origin
                .strip_prefix("http://")
                .or_else(|| origin.strip_prefix("https://"))
        })
        .is_some_and(|authority| hosts.allow(authority));
    if ours {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "foreign_origin",
        "pages of another origin may not talk to this server",
    ))
}

/// The header's text, if it stands there once.
fn only<'h>(headers: &'h HeaderMap, name: &axum::http::HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// Host in lower case, and port. No user, no path, no half port.
fn split(text: &str) -> Option<(String, Option<u16>)> {
    if text.contains('@') {
        return None;
    }
    let authority: Authority = text.parse().ok()?;
    let host = authority.host();
    let port = authority.port_u16();
    if host.is_empty() || (port.is_none() && host.len() != text.len()) {
        return None;
    }
    Some((host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_names_pass_on_any_port_and_others_only_when_configured() {
        let hosts = AllowedHosts::parse(&["chat.example:8443".into(), "any.example".into()]);
        for good in [
            "localhost",
            "LocalHost:7700",
            "127.0.0.1:1",
            "[::1]:7700",
            "[::1]",
            "chat.example:8443",
            "any.example:9",
            "Any.Example",
        ] {
            assert!(hosts.allow(good), "{good}");
        }
        for bad in [
            "",
            "evil.test",
            "localhost.evil.test",
            "127.0.0.1.nip.io",
            "localhost@evil.test",
            "evil.test@localhost",
            "localhost:",
            "localhost:x",
            "localhost/",
            "localhost.",
            "chat.example",
            "chat.example:443",
            "[::1]x",
            "0.0.0.0",
        ] {
            assert!(!hosts.allow(bad), "{bad}");
        }
    }
}
