//! `zupa reviews claim` and `zupa reviews release`: who works on a review.

use hyper::StatusCode;
use serde_json::{Value, json};
use zupa::config::Config;
use zupa_core::{Clock, Digest, operator as who};
use zupa_http::{ClaimDone, Claimed, Claiming, Review};
use zupa_runtime::SystemClock;

use super::super::arguments::ClaimReview;
use super::super::failure::{Code, Failure};
use super::super::source::Source;
use super::super::{operator, print};
use super::{about, parse, plain, refused, sense, too_late, unknown, versioned};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Claim,
    Release,
}

pub(super) async fn claim(config: &Config, wanted: &ClaimReview) -> Result<Code, Failure> {
    put(config, wanted, Wish::Claim).await
}

pub(super) async fn release(config: &Config, wanted: &ClaimReview) -> Result<Code, Failure> {
    put(config, wanted, Wish::Release).await
}

async fn put(config: &Config, wanted: &ClaimReview, wish: Wish) -> Result<Code, Failure> {
    let id = parse(&wanted.review.id)?;
    let by = wanted.by.as_deref();
    if let Some((name, _, detail)) = who::faults(by).into_iter().next() {
        let what = format!("--{name} cannot be taken");
        return Err(Failure::new(Code::Usage, what).because(detail));
    }
    let claiming = match Source::open(config).await? {
        Source::Store(opened) => {
            let (desk, at) = (opened.desk.as_ref(), SystemClock::default().wall());
            let config = Digest(config.hash());
            match wish {
                Wish::Claim => zupa_http::claim(desk, id, by, at, config).await?,
                Wish::Release => zupa_http::release(desk, id, by, at, config).await?,
            }
        }
        Source::Server(server) => {
            let word = match wish {
                Wish::Claim => "claim",
                Wish::Release => "release",
            };
            let path = format!("/api/v1/reviews/{id}/{word}");
            understood(operator::post(&server, &path, &json!({ "by": by })).await?)?
        }
    };
    let (review, changed) = match claiming {
        Claiming::Done(review) => (*review, true),
        Claiming::Unchanged(review) => (*review, false),
        Claiming::Taken(review) => return Err(taken(&review)),
        Claiming::Over(review) => return Err(too_late(&review)),
        Claiming::NotFound => return Err(unknown(&wanted.review.id)),
    };
    if wanted.review.output.json {
        versioned(&ClaimDone { review, changed })?;
        return Ok(Code::Ok);
    }
    let what = about(&review);
    let claim = review.claim.as_ref();
    let theirs = claim.map_or_else(|| "claimed".to_owned(), told);
    match (wish, changed) {
        (Wish::Claim, true) => print::line(format_args!("{what}: {theirs}")),
        (Wish::Claim, false) => print::line(format_args!("{what}: {theirs} before")),
        (Wish::Release, true) => print::line(format_args!("{what}: given back")),
        (Wish::Release, false) => print::line(format_args!("{what} was nobody's before")),
    }
    Ok(Code::Ok)
}

fn understood((status, answer): (StatusCode, Value)) -> Result<Claiming, Failure> {
    match status {
        StatusCode::OK => {
            let done: ClaimDone = sense(answer)?;
            let review = Box::new(done.review);
            Ok(match done.changed {
                true => Claiming::Done(review),
                false => Claiming::Unchanged(review),
            })
        }
        StatusCode::CONFLICT if answer.get("review").is_some() => {
            let is_claimed = is_claimed(&answer);
            let review = sense(answer.get("review").cloned().unwrap_or_default())?;
            Ok(match is_claimed {
                true => Claiming::Taken(review),
                false => Claiming::Over(review),
            })
        }
        StatusCode::NOT_FOUND => Ok(Claiming::NotFound),
        other => Err(refused(other, &answer)),
    }
}

/// True for the answer that somebody else has the review.
pub(super) fn is_claimed(answer: &Value) -> bool {
    answer.get("code").and_then(Value::as_str) == Some("review_claimed")
}

/// Who has it, and until when.
pub(super) fn told(claim: &Claimed) -> String {
    let by = plain(&claim.by.as_str().into());
    format!("claimed by {by} until {}", claim.until)
}

/// Somebody else has it.
pub(super) fn taken(review: &Review) -> Failure {
    let who = match &review.claim {
        Some(claim) => format!(
            "{} has claimed it at {}, until {}",
            plain(&claim.by.as_str().into()),
            claim.since,
            claim.until
        ),
        None => "somebody else had claimed it".to_owned(),
    };
    let what = format!(
        "the review {} is not yours to take or decide now",
        review.id
    );
    Failure::new(Code::Difference, what)
        .because(who)
        .try_this("ask them to give it back, or wait until the claim is over")
}
