//! Dead letters over HTTP: list them, look at one, try them again, put them away.
//!
//! What arrives: a wish, perhaps for the second time. On leaving with 200 it is durable
//! and in the audit. If the process dies here the sender has no answer and asks again.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use tracing::info;
use zupa_core::{
    DeadLetter, DeadLetterAct, DeadLetterId, DeadLetterKind, DeadLetterStats, ErrorKind, Nudge,
};

use super::Admin;
use super::reviews::{bad_query, limit};
use crate::body;
use crate::conversations::{Act, Fault as Wrong};
use crate::dead_letters::{self, DeadLetters, Dealt, Outcome, Retried, Run, Shown, Wanted, Words};
use crate::fields::fault;
use crate::parts::Shared;
use crate::problem::Problem;

/// The largest body: an edit of 65,536 characters, however escaped.
const BODY_BYTES: usize = 1024 * 1024;

/// A filter and a page. What has no filter of its own is read here, because a flattened
/// struct knows no strange fields.
#[derive(Deserialize)]
pub(crate) struct Asked {
    kind: Option<String>,
    #[serde(rename = "type")]
    content: Option<String>,
    class: Option<String>,
    tag: Option<String>,
    state: Option<String>,
    tenant: Option<String>,
    older_than: Option<String>,
    newer_than: Option<String>,
    after: Option<String>,
    limit: Option<String>,
}

/// `GET /api/v1/dead-letters`: those that gave up first first, without what they say.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<DeadLetters>, Problem> {
    let Query(asked) =
        asked.map_err(|_| bad_query("query", "malformed", "the query cannot be read"))?;
    let limit = limit(asked.limit.as_deref())?;
    let no_such_cursor = || bad_query("after", "unknown", "the id of a dead letter, as in `next`");
    let after = asked.after.as_deref().map(DeadLetterId::parse);
    let after = after.transpose().map_err(|_| no_such_cursor())?;
    let wanted = Wanted {
        kind: asked.kind,
        content: asked.content,
        class: asked.class,
        tag: asked.tag,
        state: asked.state,
        tenant: asked.tenant,
        older_than: asked.older_than,
        newer_than: asked.newer_than,
    };
    let filter = wanted.filter(shared.clock.wall());
    let filter = filter.map_err(|(name, code, detail)| bad_query(name, code, &detail))?;
    dead_letters::list(shared.desk.as_ref(), &filter, after, limit)
        .await
        .map(Json)
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => no_such_cursor(),
            _ => Problem::from_error(&error),
        })
}

/// `GET /api/v1/dead-letters/stats`.
pub(crate) async fn stats(
    State(shared): State<Arc<Shared>>,
    _: Admin,
) -> Result<Json<DeadLetterStats>, Problem> {
    let stats = shared.desk.dead_letter_stats().await;
    stats.map(Json).map_err(|error| Problem::from_error(&error))
}

/// What to show of one.
#[derive(Deserialize)]
pub(crate) struct Show {
    content: Option<String>,
}

/// `GET /api/v1/dead-letters/{id}`: what it says only with `?content=true`.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    id: Result<Path<String>, PathRejection>,
    wanted: Result<Query<Show>, QueryRejection>,
) -> Result<Json<Shown>, Problem> {
    let Path(id) = id.map_err(|_| unknown())?;
    let id = DeadLetterId::parse(&id).map_err(|_| unknown())?;
    let Query(wanted) =
        wanted.map_err(|_| bad_query("query", "malformed", "the query cannot be read"))?;
    let words = match wanted.content.as_deref() {
        None | Some("false") => Words::Hidden,
        Some("true") => Words::Shown,
        Some(_) => return Err(bad_query("content", "not_allowed", "`true` or `false`")),
    };
    let view = shared.desk.dead_letter(id).await;
    let view = view.map_err(|error| Problem::from_error(&error))?;
    view.map(|view| Json(Shown::of(view, words)))
        .ok_or_else(unknown)
}

/// `POST /api/v1/dead-letters/{id}/{act}`: `retry`, `edit`, `discard`, `poison`, `tag`.
///
/// What stands already as it should stays so and is answered the same, under whichever
/// key.
pub(crate) async fn act(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    place: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<Json<Dealt>, Problem> {
    body::demand_json(request.headers())?;
    let Path((id, act)) = place.map_err(|_| unknown())?;
    let id = DeadLetterId::parse(&id).map_err(|_| unknown())?;
    let body = body::read(request, BODY_BYTES).await?;
    let (what, by) = match act.as_str() {
        "retry" => {
            let said: Retry = said(&body, "{ \"confirm\"?, \"by\"? }")?;
            let confirmed = said.confirm;
            (DeadLetterAct::Retry { confirmed }, said.by)
        }
        "edit" => {
            let said: Edit = said(&body, "{ \"text\", \"confirm\"?, \"by\"? }")?;
            let (text, confirmed) = (said.text, said.confirm);
            (DeadLetterAct::Edit { text, confirmed }, said.by)
        }
        "discard" | "poison" => {
            let said: PutAway = said(&body, "{ \"reason\", \"by\"? }")?;
            let reason = said.reason;
            let what = match act.as_str() {
                "discard" => DeadLetterAct::Discard { reason },
                _ => DeadLetterAct::Poison { reason },
            };
            (what, said.by)
        }
        "tag" => {
            let said: Tag = said(&body, "{ \"tag\": text | null, \"by\"? }")?;
            (DeadLetterAct::Tag(said.tag), said.by)
        }
        _ => return Err(Problem::not_found("there is nothing at this path")),
    };
    let who = who(&shared, by, dead_letters::faults(&what))?;
    let done = dead_letters::deal(shared.desk.as_ref(), id, what, &who).await;
    match done.map_err(|error| Problem::from_error(&error))? {
        Outcome::Done(dealt) => {
            if dealt.changed {
                let conversation = dealt.letter.conversation;
                info!(conversation.id = %conversation, %id, act, "an operator dealt with a dead letter");
                wake(&shared, &dealt.letter);
            }
            Ok(Json(*dealt))
        }
        Outcome::Refused(code, detail) => Err(Problem::new(StatusCode::CONFLICT, code, detail)),
        Outcome::NotFound => Err(unknown()),
    }
}

/// `POST /api/v1/dead-letters/retry`: all that a filter means behind `after`, at most
/// `limit`.
pub(crate) async fn retry_all(
    State(shared): State<Arc<Shared>>,
    _: Admin,
    request: Request,
) -> Result<Json<Retried>, Problem> {
    body::demand_json(request.headers())?;
    let body = body::read(request, BODY_BYTES).await?;
    let form = "{ \"filter\"?: { \"kind\"?, \"type\"?, \"class\"?, \"tag\"?, \"tenant\"?, \
                \"older_than\"?, \"newer_than\"? }, \"after\"?, \"limit\"?, \"dry_run\"?, \"by\"? }";
    let said: RetryAll = said(&body, form)?;
    let limit = limit(said.limit.map(|limit| limit.to_string()).as_deref())?;
    let filter = said.filter.filter(shared.clock.wall());
    let (filter, wrong) = match filter {
        Ok(filter) => (filter, Vec::new()),
        Err(fault) => (Default::default(), vec![fault]),
    };
    let who = who(&shared, said.by, wrong)?;
    let run = match said.dry_run {
        true => Run::Dry,
        false => Run::Real,
    };
    let desk = shared.desk.as_ref();
    let page = (said.after, limit);
    let done = dead_letters::retry_all(desk, &filter, page, run, &who).await;
    let (retried, moved) = done.map_err(|error| Problem::from_error(&error))?;
    for letter in &moved {
        wake(&shared, letter);
    }
    if run == Run::Real {
        let (matched, count) = (retried.matched, retried.retried);
        info!(matched, count, "an operator tries dead letters again");
    }
    Ok(Json(retried))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Retry {
    #[serde(default)]
    confirm: bool,
    by: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    text: String,
    #[serde(default)]
    confirm: bool,
    by: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PutAway {
    reason: String,
    by: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tag {
    tag: Option<String>,
    by: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetryAll {
    #[serde(default)]
    filter: Wanted,
    after: Option<DeadLetterId>,
    limit: Option<u64>,
    #[serde(default)]
    dry_run: bool,
    by: Option<String>,
}

/// Reads a body of this form. What was in it is not repeated: it may be what a person said.
pub(super) fn said<T: for<'de> Deserialize<'de>>(body: &str, form: &str) -> Result<T, Problem> {
    let value: Value = serde_json::from_str(body).map_err(|error| {
        let detail = format!("the body is not JSON: {error}");
        Problem::new(StatusCode::BAD_REQUEST, "malformed_json", detail)
    })?;
    serde_json::from_value(value).map_err(|_| {
        let detail = format!("the body is a JSON object: {form}");
        Problem::new(StatusCode::BAD_REQUEST, "invalid_body", detail)
    })
}

/// Who acts, unless something is wrong with that or with what is said.
pub(super) fn who(
    shared: &Shared,
    by: Option<String>,
    mut wrong: Vec<Wrong>,
) -> Result<Act, Problem> {
    let act = Act {
        by,
        at: shared.clock.wall(),
        config: shared.config,
    };
    wrong.extend(act.faults());
    if wrong.is_empty() {
        return Ok(act);
    }
    let wrong = wrong.iter();
    let wrong = wrong.map(|(name, code, detail)| fault(name, code, detail));
    Err(Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_act",
        "this cannot be done as it is said",
    )
    .with_errors(wrong.collect()))
}

/// Deliveries are found by the poll.
fn wake(shared: &Shared, letter: &DeadLetter) {
    if letter.id.kind() == DeadLetterKind::Inbound {
        shared.wakeup.wake(Nudge::Due(letter.conversation));
    }
}

fn unknown() -> Problem {
    Problem::not_found("there is no dead letter with this id")
}
