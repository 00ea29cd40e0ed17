//! The `Idempotency-Key` layer: routes behind it do an act once, however often it is sent,
//! and answer each time the same.
//!
//! *Arrives*: a request with an `Idempotency-Key`, from somebody who is known.
//! *Leaves*: what the route answered, now or the first time; a 2xx is on disk before it
//! is sent. Where it cannot be written it is sent all the same, since the act is done; the
//! next try then acts anew, once the lease is over.
//! *If the process dies here*: the try ends with its lease, after [`LEASE`]; the next one
//! begins the act anew. See [`zupa_core::idempotency`] for what that promises.
//!
//! It stands on its own: any axum router can use it, with any [`IdempotencyKeys`].
//! `crates/zupa/examples/idempotency.rs` does, with a SQLite file and nothing else of Zupa.
//!
//! | request | answer |
//! |---|---|
//! | without a [`Principal`] | 401 `unauthorized` |
//! | without a key | 400 `missing_idempotency_key` |
//! | with a key that is not 16 to 255 printable characters | 400 `invalid_idempotency_key` |
//! | a new key | the route's; kept if it is a 2xx, else the key is free again |
//! | a new key, and a 2xx whose body is too large, breaks off, or takes too long | its status with an empty body, which is kept: the act is done |
//! | a kept key | the kept one, byte for byte, with `Idempotent-Replayed: true` |
//! | the same key, another path, query or body | 422 `idempotency_key_reused` |
//! | the same key, while the first is at work | 409 `idempotency_key_in_use`, `Retry-After` |
//! | when keys cannot be looked up | 503; the route is not asked |
//!
//! Keys are scoped by principal, tenant and operation, which is the method and the route.
//! Requests that change nothing (GET, HEAD, OPTIONS) pass. Bodies of requests have at most
//! 1 MiB of UTF-8, answers at most 4 MiB; both are held in memory whole. An act, the body of
//! its answer included, has 55 seconds. A client that goes away does not stop it: its answer
//! is there for the next try.
//!
//! A key whose time is over is free, but stays written until [`IdempotencyKeys::forget`]
//! takes it away. The runtime does so each minute (`Builder::idempotency_keys`); whoever
//! uses the layer alone calls it now and then, or the keys grow for ever.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{Instrument, debug, warn};
use uuid::Uuid;
use zupa_core::bus::{Draft, names};
use zupa_core::idempotency::{Begin, Begun, Keep, KeptAnswer, Scope};
use zupa_core::{
    Clock, Digest, Error, ErrorKind, EventBus, IdempotencyKey, IdempotencyKeys, Ids, Outcome,
};

use crate::body;
use crate::problem::{Fault, Problem};

/// How long a try may be at work, from the moment in which it asks for its key. An act that
/// is not cut short by a crash has always ended before, and its answer is kept.
pub const LEASE: Duration = Duration::from_secs(60);

/// How long a look at the keys may take, as any call of a store.
const PATIENCE: Duration = Duration::from_secs(5);

/// What of its lease a try may act: the rest is for its answer to be kept.
const ACT: Duration = Duration::from_secs(55);

/// How long an answer is kept, unless it is said otherwise.
const KEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// The largest body of a request.
const REQUEST_BYTES: usize = 1024 * 1024;

/// The largest body of an answer.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// When whoever comes too early should come again: most acts take milliseconds.
const SOON: Duration = Duration::from_secs(1);

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Who asks, as whoever has authenticated the request found out; put into the request's
/// extensions, outside of the layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Who.
    pub name: String,
    /// For which tenant; empty for acts on the whole installation.
    pub tenant: String,
}

/// The layer: `axum::middleware::from_fn_with_state(idempotency, idempotent)`.
#[derive(Debug, Clone)]
pub struct Idempotency {
    keys: Arc<dyn IdempotencyKeys>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    bus: EventBus,
    keep: Duration,
}

impl Idempotency {
    /// Over these keys. Answers are kept for 24 hours, and nobody is told of hits.
    pub fn new(keys: Arc<dyn IdempotencyKeys>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self {
            keys,
            clock,
            ids,
            bus: EventBus::default(),
            keep: KEEP,
        }
    }

    /// Keeps answers for so long.
    pub fn keep(mut self, keep: Duration) -> Self {
        self.keep = keep;
        self
    }

    /// Tells hits, misses and errors to this bus.
    pub fn bus(mut self, bus: EventBus) -> Self {
        self.bus = bus;
        self
    }

    /// Looks the request's key up, and asks the route only if it is new.
    async fn answer(self, request: Request, next: Next) -> Result<Response, Problem> {
        let principal = request.extensions().get::<Principal>().cloned();
        let principal = principal.ok_or_else(unknown_principal)?;
        let operation = operation(&request);
        let scope = Scope {
            principal: &principal.name,
            tenant: &principal.tenant,
            operation: &operation,
        };
        let key = key(request.headers(), scope).inspect_err(|refused| {
            self.failed(match refused.code() {
                MISSING => "missing",
                _ => "invalid",
            });
        })?;
        let (request, digest) = whole(request).await?;
        let holder = self.ids.fresh();
        let (until, now) = (Instant::now() + ACT, self.clock.wall());
        let begin = Begin {
            key,
            request: digest,
            holder,
            now,
            lease_until: now.plus(LEASE),
        };
        match in_time(self.keys.begin(begin)).await {
            Ok(Begun::Fresh) => {
                self.bus.emit(Draft::of(names::IDEMPOTENCY_MISS));
                // Not dropped with the connection: half an act helps nobody.
                let acting = self.act(request, next, key, holder, until);
                let acting = acting.in_current_span();
                let acted = tokio::spawn(acting).await;
                acted.unwrap_or_else(|_ended| Err(Problem::internal("an act ended early")))
            }
            Ok(Begun::Answered(answer)) => {
                self.bus.emit(Draft::of(names::IDEMPOTENCY_HIT));
                debug!(idempotency.key = %key, "answered as before");
                replayed(answer)
            }
            Ok(Begun::Running) => {
                self.failed("running");
                Err(in_use())
            }
            Ok(Begun::OtherRequest) => {
                self.failed("other_request");
                Err(reused())
            }
            Err(error) => {
                self.failed("store");
                if error.outcome() == Outcome::Unknown {
                    // What was begun without a word would be at work until its lease ends.
                    let freeing = async move { self.free(key, holder).await };
                    tokio::spawn(freeing.in_current_span());
                }
                Err(Problem::from_error(&error))
            }
        }
    }

    /// Has the route act, keeps its answer if it went well, and else frees the key. Once the
    /// route has said that it went well the key is never freed: the act is done.
    async fn act(
        self,
        request: Request,
        next: Next,
        key: IdempotencyKey,
        holder: Uuid,
        until: Instant,
    ) -> Result<Response, Problem> {
        // A panic frees the key, too.
        let acting = AssertUnwindSafe(next.run(request)).catch_unwind();
        let failed = match timeout_at(until, acting).await {
            Ok(Ok(response)) if response.status().is_success() => {
                let (response, answer) = taken(response, until).await;
                self.kept(key, holder, answer).await;
                return Ok(response);
            }
            Ok(Ok(response)) => Ok(response),
            Ok(Err(_panicked)) => Err(Problem::internal("a handler panicked")),
            Err(_elapsed) => Err(Problem::later("timeout", "no answer in time", SOON)),
        };
        self.free(key, holder).await;
        failed
    }

    /// Keeps an answer. The act is done whether that works or not, so its caller hears so;
    /// without it a later try acts again.
    async fn kept(&self, key: IdempotencyKey, holder: Uuid, answer: KeptAnswer) {
        let now = self.clock.wall();
        let keep = Keep {
            key,
            holder,
            answer,
            now,
            until: now.plus(self.keep),
        };
        match in_time(self.keys.keep(keep)).await {
            Ok(true) => {}
            Ok(false) => {
                self.failed("store");
                warn!(idempotency.key = %key, "an answer came too late to be kept");
            }
            Err(error) => {
                self.failed("store");
                warn!(idempotency.key = %key, %error, "an answer could not be kept");
            }
        }
    }

    async fn free(&self, key: IdempotencyKey, holder: Uuid) {
        if let Err(error) = in_time(self.keys.free(key, holder)).await {
            self.failed("store");
            warn!(idempotency.key = %key, %error, "a key stays taken until its lease is over");
        }
    }

    fn failed(&self, reason: &'static str) {
        self.bus
            .emit(Draft::of(names::IDEMPOTENCY_ERROR).with("reason", reason));
    }
}

/// The middleware of an [`Idempotency`].
pub async fn idempotent(
    State(layer): State<Idempotency>,
    request: Request,
    next: Next,
) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let path = request.uri().path().to_owned();
    let answered = layer.answer(request, next).await;
    answered.unwrap_or_else(|problem| problem.into_document(&path))
}

async fn in_time<T>(call: impl Future<Output = zupa_core::Result<T>>) -> zupa_core::Result<T> {
    timeout(PATIENCE, call).await.unwrap_or_else(|_elapsed| {
        let late = "the idempotency keys did not answer in time";
        Err(Error::new(ErrorKind::Timeout, late).with_outcome(Outcome::Unknown))
    })
}

/// The method and the route, or the path where no route is known.
fn operation(request: &Request) -> String {
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or(request.uri().path(), MatchedPath::as_str);
    format!("{} {route}", request.method())
}

const MISSING: &str = "missing_idempotency_key";

/// The key that the headers hold, once.
fn key(headers: &HeaderMap, scope: Scope<'_>) -> Result<IdempotencyKey, Problem> {
    let mut keys = headers.get_all("idempotency-key").iter();
    let (code, detail) = match (keys.next(), keys.next()) {
        (None, _) => (
            MISSING,
            "send an Idempotency-Key: the same for each try of one act",
        ),
        (Some(given), more) => {
            let key = given.to_str().ok().filter(|_| more.is_none());
            if let Some(Ok(key)) = key.map(|key| IdempotencyKey::parse(scope, key)) {
                return Ok(key);
            }
            (
                "invalid_idempotency_key",
                "an Idempotency-Key has 16 to 255 printable ASCII characters",
            )
        }
    };
    let fault = fault(code, detail);
    Err(Problem::new(StatusCode::BAD_REQUEST, code, detail).with_errors(vec![fault]))
}

fn fault(code: &'static str, detail: &str) -> Fault {
    Fault {
        pointer: "/idempotency-key".to_owned(),
        place: "header",
        code,
        detail: detail.to_owned(),
    }
}

/// The request with its body read, and a digest of all that it asks for.
async fn whole(request: Request) -> Result<(Request, Digest), Problem> {
    let (head, body) = request.into_parts();
    let reading = Request::from_parts(head.clone(), body);
    let body = body::read(reading, REQUEST_BYTES).await?;
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let digest = Digest::of_json(&(head.method.as_str(), path, &body));
    Ok((Request::from_parts(head, Body::from(body)), digest))
}

/// The answer to an act that went well, as it leaves and as it is kept. Of one whose body
/// cannot be had the status is left.
async fn taken(response: Response, until: Instant) -> (Response, KeptAnswer) {
    let (head, body) = response.into_parts();
    let status = head.status;
    let reading = AssertUnwindSafe(to_bytes(body, ANSWER_BYTES)).catch_unwind();
    let Ok(Ok(Ok(body))) = timeout_at(until, reading).await else {
        warn!(%status, "the body of an answer was too large, broke off or took too long");
        let mut bare = Response::new(Body::empty());
        *bare.status_mut() = status;
        return (bare, kept_answer(status, None, Vec::new()));
    };
    let content_type = head.headers.get(CONTENT_TYPE);
    let content_type = content_type.and_then(|kind| kind.to_str().ok().map(str::to_owned));
    let answer = kept_answer(status, content_type, body.to_vec());
    (Response::from_parts(head, Body::from(body)), answer)
}

fn kept_answer(status: StatusCode, content_type: Option<String>, body: Vec<u8>) -> KeptAnswer {
    KeptAnswer {
        status: status.as_u16(),
        content_type,
        body,
    }
}

fn replayed(answer: KeptAnswer) -> Result<Response, Problem> {
    let broken = |what: &str| Problem::internal(format!("a kept answer has no {what} of HTTP"));
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).map_err(|_| broken("status"))?;
    let headers = response.headers_mut();
    if let Some(kind) = answer.content_type {
        let kind = HeaderValue::from_str(&kind).map_err(|_| broken("media type"))?;
        headers.insert(CONTENT_TYPE, kind);
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

fn unknown_principal() -> Problem {
    let detail = "nobody has said who asks";
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
}

fn in_use() -> Problem {
    let detail = "the first try with this Idempotency-Key is still at work";
    Problem::new(StatusCode::CONFLICT, "idempotency_key_in_use", detail).retry_after(SOON)
}

fn reused() -> Problem {
    let code = "idempotency_key_reused";
    let detail = "this Idempotency-Key came before with another request";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail).with_errors(vec![fault(
        code,
        "give each act a key of its own, and each try of it the same",
    )])
}
