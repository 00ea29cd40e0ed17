//! How many requests a client may make: by where it connects from, and by the bearer
//! token that it shows.
//!
//! Whoever connects from this machine is not limited by address: a proxy in front
//! brings everybody from there, and has limits of its own. Each process counts for
//! itself. An event stream counts once, when it begins.

mod buckets;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::HeaderMap;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use zupa_core::bus::{Draft, names};
use zupa_core::{Clock, Digest};

use crate::operator::bearer;
use crate::parts::Shared;
use crate::problem::Problem;
use buckets::{Buckets, Standing, Taken};

/// Addresses, and tokens, that have a bucket of their own; some 4 MB of each.
const KEYS: usize = 50_000;

/// Requests to `/chat` and `/api` that are answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Of one address a minute; 0 sets no limit. Of IPv6 it is the network of 64 bits.
    pub per_minute_per_ip: u32,
    /// With one bearer token a minute; 0 sets no limit.
    pub per_minute_per_token: u32,
    /// Whether tokens count also for who connects from this machine.
    pub local_tokens: LocalTokens,
}

/// Whether tokens count for who connects from this machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LocalTokens {
    /// As from anywhere.
    #[default]
    Limited,
    /// They do not, so that whoever develops may measure.
    Free,
}

/// The buckets.
#[derive(Debug)]
pub(crate) struct Limits {
    by_ip: Option<Buckets<IpAddr>>,
    by_token: Option<Buckets<Digest>>,
    local_tokens: LocalTokens,
}

impl Limits {
    pub(crate) fn new(rates: Rates, clock: &Arc<dyn Clock>) -> Self {
        let per_minute = NonZeroU32::new;
        Self {
            by_ip: per_minute(rates.per_minute_per_ip)
                .map(|rate| Buckets::new(rate, KEYS, clock.clone())),
            by_token: per_minute(rates.per_minute_per_token)
                .map(|rate| Buckets::new(rate, KEYS, clock.clone())),
            local_tokens: rates.local_tokens,
        }
    }

    /// Takes from each bucket that the request belongs to, up to the first empty one.
    /// Answers the one that stands worst.
    fn take(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<Taken> {
        let is_local = peer.is_some_and(|peer| peer.is_loopback());
        let ip = peer.filter(|_| !is_local);
        let is_free = is_local && self.local_tokens == LocalTokens::Free;
        let token = bearer(headers).filter(|_| !is_free);

        let by_ip = ip
            .zip(self.by_ip.as_ref())
            .map(|(ip, buckets)| buckets.take(&network(ip)));
        let Some(Taken::Yes(one)) = by_ip else {
            return by_ip.or_else(|| self.take_token(token));
        };
        Some(match self.take_token(token) {
            Some(Taken::Yes(other)) if other.remaining >= one.remaining => Taken::Yes(one),
            Some(by_token) => by_token,
            None => Taken::Yes(one),
        })
    }

    fn take_token(&self, token: Option<&str>) -> Option<Taken> {
        let (token, buckets) = token.zip(self.by_token.as_ref())?;
        // Kept in memory, it must not be one that opens anything.
        Some(buckets.take(&Digest::of(token.as_bytes())))
    }
}

/// Lets a request pass if its buckets are not empty, and tells how they stand.
pub(crate) async fn limit(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if !is_limited(request.uri().path()) {
        return Ok(next.run(request).await);
    }
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|peer| peer.0.ip().to_canonical());
    let standing = match shared.limits.take(peer, request.headers()) {
        None => return Ok(next.run(request).await),
        Some(Taken::Yes(standing)) => standing,
        Some(Taken::No(standing, wait)) => {
            shared.bus.emit(Draft::of(names::REQUEST_LIMITED));
            let refused = Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                "too many requests; wait as long as Retry-After says",
            );
            let told = headers(standing).into_iter();
            return Err(
                told.fold(refused.retry_after(wait), |problem, (name, value)| {
                    problem.with_header(name, value)
                }),
            );
        }
    };
    let mut response = next.run(request).await;
    response.headers_mut().extend(headers(standing));
    Ok(response)
}

fn is_limited(path: &str) -> bool {
    path.starts_with("/chat/") || path.starts_with("/api/")
}

/// The names of draft-ietf-httpapi-ratelimit-headers that clients know.
fn headers(standing: Standing) -> [(HeaderName, HeaderValue); 3] {
    [
        ("ratelimit-limit", u64::from(standing.limit)),
        ("ratelimit-remaining", u64::from(standing.remaining)),
        ("ratelimit-reset", standing.reset()),
    ]
    .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from(value)))
}

/// Whoever has one IPv6 address has all 64 bits behind it.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}
