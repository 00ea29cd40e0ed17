//! `zupa reviews`: what turns wait for operators to decide.

mod claims;

use std::net::SocketAddr;

use hyper::StatusCode;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use zupa::config::Config;
use zupa_core::{Clock, Digest, ErrorKind, WaitId, WaitState};
use zupa_http::{
    Listed, Patience, Question, Review, Reviews, Settled, Verdict, Wanted, decide, reviews as read,
};
use zupa_runtime::SystemClock;

use super::arguments::{Decide, Global, ListReviews, ReviewId, ReviewsCommand};
use super::failure::{Code, Failure};
use super::source::Source;
use super::{assemble, check, operator, print};

/// Runs `zupa reviews …`.
pub async fn reviews(global: &Global, command: &ReviewsCommand) -> Result<Code, Failure> {
    let config = check::load(global, &[])?;
    match command {
        ReviewsCommand::Ls(wanted) => list(&config, wanted).await,
        ReviewsCommand::Show(wanted) => show(&config, wanted).await,
        ReviewsCommand::Claim(wanted) => claims::claim(&config, wanted).await,
        ReviewsCommand::Release(wanted) => claims::release(&config, wanted).await,
        ReviewsCommand::Approve(wanted) => settle(&config, wanted, true).await,
        ReviewsCommand::Reject(wanted) => settle(&config, wanted, false).await,
    }
}

async fn list(config: &Config, asked: &ListReviews) -> Result<Code, Failure> {
    let after = asked.after.as_deref().map(parse).transpose()?;
    let state = if asked.all { "all" } else { &asked.state };
    let wanted = Wanted {
        // What is no state is `all`: the arguments were checked when they were read.
        state: WaitState::parse(state),
        kind: asked.kind.as_deref().and_then(Question::parse),
        after,
        limit: usize::from(asked.limit),
    };
    let found = match Source::open(config).await? {
        Source::Store(opened) => {
            let patience = Patience {
                now: SystemClock::default().wall(),
                overdue_after: assemble::overdue_after(config),
            };
            read(opened.desk.as_ref(), wanted, patience)
                .await
                .map_err(|error| match (error.kind(), after) {
                    (ErrorKind::NotFound, Some(after)) => unknown(&after.to_string()),
                    _ => error.into(),
                })?
        }
        Source::Server(server) => from_server(&server, state, wanted).await?,
    };
    if asked.output.json {
        versioned(&found)?;
        return Ok(Code::Ok);
    }
    for listed in &found.reviews {
        print::line(format_args!("{}", line(listed)));
    }
    if found.reviews.is_empty() {
        eprintln!("nothing to decide");
    }
    if found.overdue > 0 {
        eprintln!("{} of these overdue", found.overdue);
    }
    match found.next {
        Some(next) => eprintln!("there are more: --after {next}"),
        None if found.more => eprintln!("there are more, behind those that were looked through"),
        None => {}
    }
    Ok(Code::Ok)
}

async fn from_server(
    server: &(SocketAddr, String),
    state: &str,
    wanted: Wanted,
) -> Result<Reviews, Failure> {
    let mut path = format!("/api/v1/reviews?state={state}&limit={}", wanted.limit);
    if let Some(kind) = wanted.kind {
        path.push_str(&format!("&kind={}", kind.as_str()));
    }
    if let Some(after) = wanted.after {
        path.push_str(&format!("&after={after}"));
        let known: Option<Review> =
            operator::get(server, &format!("/api/v1/reviews/{after}")).await?;
        known.ok_or_else(|| unknown(&after.to_string()))?;
    }
    operator::get::<Reviews>(server, &path)
        .await?
        .ok_or_else(|| Failure::new(Code::Failed, "the server knows no reviews"))
}

fn line(listed: &Listed) -> String {
    let review = &listed.review;
    let (id, conversation) = (review.id, review.conversation);
    let (what, since) = (about(review), &review.since);
    let age = span(listed.age_seconds);
    let until = match (&review.settled_at, &review.until, listed.expires_in_seconds) {
        (Some(at), _, _) => format!("{} {at}", ended(review)),
        (None, Some(until), Some(left)) => format!("until {until} (in {})", span(left)),
        (None, _, _) => "without end".to_owned(),
    };
    let overdue = if listed.overdue { "  overdue" } else { "" };
    let claim = review.claim.as_ref();
    let claim = claim.map_or_else(String::new, |claim| format!("  {}", claims::told(claim)));
    format!(
        "{id}  {what}  conversation {conversation}  since {since} (for {age})  {until}{overdue}{claim}"
    )
}

/// A time in its two largest units.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

async fn show(config: &Config, wanted: &ReviewId) -> Result<Code, Failure> {
    let id = parse(&wanted.id)?;
    let review = match Source::open(config).await? {
        Source::Store(opened) => {
            let wait = opened.desk.wait(id).await?;
            let now = SystemClock::default().wall();
            wait.as_ref().and_then(|wait| Review::whole(wait, now))
        }
        Source::Server(server) => operator::get(&server, &format!("/api/v1/reviews/{id}")).await?,
    };
    let review = review.ok_or_else(|| unknown(&wanted.id))?;
    if wanted.output.json {
        versioned(&review)?;
        return Ok(Code::Ok);
    }
    print::line(format_args!("review       {}", review.id));
    print::line(format_args!("what         {}", about(&review)));
    print::line(format_args!("conversation {}", review.conversation));
    print::line(format_args!("turn         {}", review.turn));
    print::line(format_args!("since        {}", review.since));
    if let Some(until) = &review.until {
        print::line(format_args!("until        {until}"));
    }
    print::line(format_args!("state        {}", ended(&review)));
    if let Some(claim) = &review.claim {
        print::line(format_args!("claim        {}", claims::told(claim)));
    }
    if let Some(note) = review
        .decision
        .iter()
        .find_map(|decision| decision.note.as_ref())
    {
        print::line(format_args!(
            "note         {}",
            plain(&note.as_str().into())
        ));
    }
    let subject = review.subject.unwrap_or_default();
    for (name, value) in subject.as_object().into_iter().flatten() {
        if !matches!(
            name.as_str(),
            "approve" | "review" | "tool" | "digest" | "call"
        ) {
            print::line(format_args!("{name:<12} {}", plain(value)));
        }
    }
    Ok(Code::Ok)
}

async fn settle(config: &Config, wanted: &Decide, approved: bool) -> Result<Code, Failure> {
    let id = parse(&wanted.review.id)?;
    let verdict = Verdict {
        approved,
        note: wanted.note.clone(),
        by: wanted.by.clone(),
    };
    if let Some((name, _, detail)) = verdict.faults().into_iter().next() {
        let what = format!("--{name} cannot be taken");
        return Err(Failure::new(Code::Usage, what).because(detail));
    }
    let settled = match Source::open(config).await? {
        Source::Store(opened) => {
            let at = SystemClock::default().wall();
            let config = Digest(config.hash());
            decide(opened.desk.as_ref(), id, verdict, at, config).await?
        }
        Source::Server(server) => {
            let path = format!("/api/v1/reviews/{id}");
            let before: Option<Review> = operator::get(&server, &path).await?;
            let before = before.ok_or_else(|| unknown(&wanted.review.id))?;
            let body = json!({ "approved": approved, "note": verdict.note, "by": verdict.by });
            let answer = operator::post(&server, &format!("{path}/decision"), &body).await?;
            understood(answer, before.state == WaitState::Open)?
        }
    };
    let (review, before) = match settled {
        Settled::Now { review, .. } => (review, false),
        Settled::Before(review) => (review, true),
        Settled::Otherwise(review) => return Err(too_late(&review)),
        Settled::Claimed(review) => return Err(claims::taken(&review)),
        Settled::NotFound => return Err(unknown(&wanted.review.id)),
    };
    if wanted.review.output.json {
        versioned(&review)?;
    } else if before {
        print::line(format_args!(
            "{} was {} before",
            about(&review),
            ended(&review)
        ));
    } else {
        print::line(format_args!("{}: {}", about(&review), ended(&review)));
    }
    Ok(Code::Ok)
}

/// What the server's answer to a decision means. It answers the same to the first
/// and to each further try, so the first is known by the review having been open.
fn understood((status, answer): (StatusCode, Value), open: bool) -> Result<Settled, Failure> {
    match status {
        StatusCode::OK if open => Ok(Settled::Now {
            review: Box::new(sense(answer)?),
            due: None,
        }),
        StatusCode::OK => Ok(Settled::Before(Box::new(sense(answer)?))),
        StatusCode::CONFLICT => {
            let review = answer.get("review").cloned().unwrap_or_default();
            let review = Box::new(sense(review)?);
            Ok(match claims::is_claimed(&answer) {
                true => Settled::Claimed(review),
                false => Settled::Otherwise(review),
            })
        }
        StatusCode::NOT_FOUND => Ok(Settled::NotFound),
        other => Err(refused(other, &answer)),
    }
}

fn refused(status: StatusCode, answer: &Value) -> Failure {
    let failure = Failure::new(Code::Failed, format!("the server answered {status}"));
    match answer.get("detail").and_then(Value::as_str) {
        Some(detail) => failure.because(detail),
        None => failure,
    }
}

pub(super) fn sense<T: DeserializeOwned>(answer: Value) -> Result<T, Failure> {
    serde_json::from_value(answer).map_err(|error| {
        Failure::new(Code::Failed, "the server's answer makes no sense").because(error)
    })
}

fn too_late(review: &Review) -> Failure {
    let failure = Failure::new(
        Code::Difference,
        format!("the review {} is {} already", review.id, ended(review)),
    );
    match &review.decision {
        Some(_) => failure
            .because("the first decision counts, with the note that came with it")
            .try_this(format!("`zupa reviews show {}`", review.id)),
        None => failure
            .because("its time is over, and its turn has gone on without a decision")
            .try_this(format!("`zupa turn why {}`", review.turn)),
    }
}

fn unknown(id: &str) -> Failure {
    Failure::new(Code::NotFound, format!("no review is called {id}"))
        .try_this("`zupa reviews ls --all` lists them")
}

fn parse(id: &str) -> Result<WaitId, Failure> {
    WaitId::parse(id).map_err(|_| unknown(id))
}

fn about(review: &Review) -> String {
    match (review.kind, review.what.as_deref()) {
        (Question::Approval, Some(tool)) => format!("call of {tool}"),
        (Question::UnknownEffect, Some(tool)) => {
            format!("call of {tool}, unknown if it took place")
        }
        (Question::Takeover, _) => "takeover".to_owned(),
        _ => "question".to_owned(),
    }
}

fn ended(review: &Review) -> String {
    match &review.decision {
        Some(decision) if decision.approved => format!("approved by {}", decision.by),
        Some(decision) => format!("rejected by {}", decision.by),
        None => review.state.as_str().to_owned(),
    }
}

/// A terminal obeys control characters, and a person may have said them.
pub(super) fn plain(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => shown.extend(c.escape_default()),
            false => shown.push(c),
        }
    }
    shown
}

pub(super) fn versioned<T: Serialize>(value: &T) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Versioned<'a, T> {
        version: u8,
        #[serde(flatten)]
        value: &'a T,
    }
    print::json(&Versioned { version: 1, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_its_two_largest_units() {
        let told = [59, 60, 3_599, 3_600, 86_399, 86_400, 176_400].map(span);
        let wanted = [
            "59 s",
            "1 min",
            "59 min",
            "1 h 0 min",
            "23 h 59 min",
            "1 d 0 h",
            "2 d 1 h",
        ];
        assert_eq!(told, wanted);
    }

    #[test]
    fn what_a_person_said_cannot_move_the_cursor() {
        let subject = json!({ "why": "a\u{1b}[2J\u{9b}b", "n": 1 });
        for value in [&subject, &subject["why"]] {
            let shown = plain(value);
            assert!(!shown.chars().any(char::is_control), "{shown:?}");
            assert!(shown.contains("[2J"), "{shown}");
        }
    }
}
