//! The admin token. No token configured means no operator routes, not open
//! ones.

use std::fmt;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{AUTHORIZATION, HeaderMap, WWW_AUTHENTICATE};
use axum::http::request::Parts as RequestParts;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zupa_core::operator::OPERATOR;

use crate::idempotency::Principal;
use crate::parts::Shared;
use crate::problem::Problem;

/// The token's digest; none when no token opens the routes.
pub(crate) struct AdminToken(Option<[u8; 32]>);

impl AdminToken {
    pub(crate) fn new(token: &SecretString) -> Self {
        let token = token.expose_secret();
        Self((!token.is_empty()).then(|| Sha256::digest(token).into()))
    }

    /// Compares digests, all bytes of them: how long it takes says nothing of
    /// the token, nor of its length.
    fn opens(&self, offered: &str) -> bool {
        let offered: [u8; 32] = Sha256::digest(offered).into();
        self.0.is_some_and(|wanted| {
            let difference = wanted
                .iter()
                .zip(offered)
                .fold(0, |sum, (a, b)| sum | (a ^ b));
            std::hint::black_box(difference) == 0
        })
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(***)")
    }
}

/// Proof that a request carried the token.
#[derive(Debug)]
pub(crate) struct Admin;

impl FromRequestParts<Arc<Shared>> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut RequestParts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Problem> {
        Self::of(&parts.headers, shared)
    }
}

impl Admin {
    fn of(headers: &HeaderMap, shared: &Shared) -> Result<Self, Problem> {
        match bearer(headers) {
            Some(token) if shared.admin.opens(token) => Ok(Self),
            _ => Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "this route needs the admin token as a bearer token",
            )
            .with_header(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"zupa\""),
            )),
        }
    }
}

/// Says who asks for a change, before anything of it is read. There is one token without a
/// name, for the whole installation, which is another after each start: keys of before are
/// still the operator's.
pub(crate) async fn identify(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    Admin::of(request.headers(), &shared)?;
    request.extensions_mut().insert(Principal {
        name: OPERATOR.to_owned(),
        tenant: String::new(),
    });
    Ok(next.run(request).await)
}

/// The bearer token that a request shows, whether it opens anything or not.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_token_opens_nothing() {
        assert!(!AdminToken::new(&String::new().into()).opens(""));
        let token = AdminToken::new(&"secret".to_owned().into());
        assert!(token.opens("secret"));
        assert!(!token.opens("secret ") && !token.opens("") && !token.opens("secre"));
        assert!(!format!("{token:?}").contains("secret"));
    }
}
