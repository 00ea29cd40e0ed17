//! What is done with dead letters: tried again, edited, tagged, put away.

use std::io::{BufRead, IsTerminal, Write};

use hyper::StatusCode;
use serde_json::{Value, json};
use zupa::config::Config;
use zupa_core::{Clock, DeadLetterAct, DeadLetterId, Digest};
use zupa_http::conversations::Act;
use zupa_http::dead_letters::{self as shared, Dealt, Outcome, Retried, Run};
use zupa_runtime::SystemClock;

use super::{page, parse, unknown, unusable, wanted_of};
use crate::cli::arguments::{EditDeadLetter, PutAway, RetryDeadLetters, TagDeadLetters};
use crate::cli::failure::{Code, Failure};
use crate::cli::reviews::{plain, sense, versioned};
use crate::cli::source::Source;
use crate::cli::{operator, print};

pub(super) async fn retry(config: &Config, wanted: &RetryDeadLetters) -> Result<Code, Failure> {
    let Some(id) = &wanted.id else {
        return retry_all(config, wanted).await;
    };
    if wanted.dry_run {
        return would(config, id, "try again").await;
    }
    let confirmed = wanted.confirm;
    let what = DeadLetterAct::Retry { confirmed };
    one(config, id, what, &wanted.by, wanted.output.json).await
}

pub(super) async fn edit(config: &Config, wanted: &EditDeadLetter) -> Result<Code, Failure> {
    let what = DeadLetterAct::Edit {
        text: wanted.text.clone(),
        confirmed: wanted.confirm,
    };
    one(config, &wanted.id, what, &wanted.by, wanted.output.json).await
}

pub(super) async fn discard(config: &Config, wanted: &PutAway) -> Result<Code, Failure> {
    let reason = wanted.reason.clone();
    put_away(config, wanted, DeadLetterAct::Discard { reason }, "discard").await
}

pub(super) async fn poison(config: &Config, wanted: &PutAway) -> Result<Code, Failure> {
    let reason = wanted.reason.clone();
    put_away(config, wanted, DeadLetterAct::Poison { reason }, "poison").await
}

/// One after the other; what cannot be tagged ends it, and those before it are.
pub(super) async fn tag(config: &Config, wanted: &TagDeadLetters) -> Result<Code, Failure> {
    let ids = wanted.ids.iter();
    let ids: Vec<_> = ids.map(|id| parse(id)).collect::<Result<_, _>>()?;
    // None: `--remove`, since one of the two has to be there.
    let tag = DeadLetterAct::Tag(wanted.add.clone());
    if let Some((_, code, detail)) = shared::faults(&tag).into_iter().next() {
        return Err(unusable(("add", code, detail)));
    }
    let mut tagged = Vec::new();
    for id in ids {
        tagged.push(deal(config, id, tag.clone(), &wanted.by).await?);
    }
    if wanted.output.json {
        versioned(&json!({ "dead_letters": tagged }))?;
        return Ok(Code::Ok);
    }
    for dealt in &tagged {
        let id = dealt.letter.id;
        match &dealt.letter.tag {
            Some(tag) => print::line(format_args!("{id}: tag {}", plain(&tag.as_str().into()))),
            None => print::line(format_args!("{id}: no tag")),
        }
    }
    Ok(Code::Ok)
}

async fn put_away(
    config: &Config,
    wanted: &PutAway,
    what: DeadLetterAct,
    verb: &str,
) -> Result<Code, Failure> {
    if wanted.dry_run {
        return would(config, &wanted.id, verb).await;
    }
    agree(&format!("{verb} 1 dead letter"), wanted.yes)?;
    one(config, &wanted.id, what, &wanted.by, wanted.output.json).await
}

/// Says what an act would be about.
async fn would(config: &Config, id: &str, verb: &str) -> Result<Code, Failure> {
    let source = Source::open(config).await?;
    let shown = super::read(&source, parse(id)?, super::words(false)).await?;
    let shown = shown.ok_or_else(|| unknown(id))?;
    let state = super::state(&shown.letter);
    print::line(format_args!("would {verb} 1 dead letter, which is {state}"));
    Ok(Code::Ok)
}

async fn retry_all(config: &Config, wanted: &RetryDeadLetters) -> Result<Code, Failure> {
    let who = who(config, &wanted.by)?;
    let source = Source::open(config).await?;
    let filter = wanted_of(&wanted.filter, Some("pending"));
    let meant = page(&source, &filter, None, wanted.limit).await?;
    let count = meant.dead_letters.len();
    let retried = if wanted.dry_run || count == 0 {
        Retried {
            matched: count as u64,
            ..Retried::default()
        }
    } else {
        agree(&format!("try {count} dead letters again"), wanted.yes)?;
        until_the_limit(&source, wanted, &who).await?
    };
    if wanted.output.json {
        versioned(&retried)?;
        return Ok(Code::Ok);
    }
    let Retried {
        matched,
        retried: again,
        skipped,
        next: _,
    } = &retried;
    if wanted.dry_run {
        print::line(format_args!("would try {matched} dead letters again"));
    } else {
        print::line(format_args!(
            "{again} of {matched} dead letters are tried again"
        ));
    }
    for id in skipped {
        eprintln!("left out: {id}; see `zupa dlq retry {id}`");
    }
    Ok(Code::Ok)
}

/// Page by page, until as many are tried again as were asked for: those that are left out
/// keep none of the others from it.
async fn until_the_limit(
    source: &Source,
    wanted: &RetryDeadLetters,
    who: &Act,
) -> Result<Retried, Failure> {
    let mut all = Retried::default();
    loop {
        let left = u64::from(wanted.limit).saturating_sub(all.retried);
        let page = retry_page(source, wanted, who, (all.next, left)).await?;
        all.matched += page.matched;
        all.retried += page.retried;
        all.skipped.extend(page.skipped);
        all.next = page.next;
        if all.next.is_none() || all.retried >= u64::from(wanted.limit) {
            return Ok(all);
        }
    }
}

async fn retry_page(
    source: &Source,
    wanted: &RetryDeadLetters,
    who: &Act,
    (after, limit): (Option<DeadLetterId>, u64),
) -> Result<Retried, Failure> {
    match source {
        Source::Store(opened) => {
            let filter = wanted_of(&wanted.filter, Some("pending"));
            let filter = filter.filter(who.at).map_err(unusable)?;
            let (desk, page) = (opened.desk.as_ref(), (after, limit as usize));
            let retried = shared::retry_all(desk, &filter, page, Run::Real, who).await?;
            Ok(retried.0)
        }
        Source::Server(server) => {
            let filter = json!(wanted_of(&wanted.filter, None));
            let mut body = json!({ "filter": filter, "limit": limit, "by": who.by });
            if let Some(after) = after {
                body["after"] = json!(after);
            }
            let answer = operator::post(server, "/api/v1/dead-letters/retry", &body).await?;
            understood(answer)
        }
    }
}

/// Does something with one, and tells what has become of it.
async fn one(
    config: &Config,
    text: &str,
    what: DeadLetterAct,
    by: &Option<String>,
    as_json: bool,
) -> Result<Code, Failure> {
    let id = parse(text)?;
    let dealt = deal(config, id, what, by).await?;
    if as_json {
        versioned(&dealt)?;
        return Ok(Code::Ok);
    }
    let state = super::state(&dealt.letter);
    match dealt.changed {
        true => print::line(format_args!("{id}: {state}")),
        false => print::line(format_args!("{id} was {state} before")),
    }
    Ok(Code::Ok)
}

/// Does something with one, in the store or through the server.
async fn deal(
    config: &Config,
    id: DeadLetterId,
    what: DeadLetterAct,
    by: &Option<String>,
) -> Result<Dealt, Failure> {
    if let Some(fault) = shared::faults(&what).into_iter().next() {
        return Err(unusable(fault));
    }
    let who = who(config, by)?;
    let outcome = match Source::open(config).await? {
        Source::Store(opened) => shared::deal(opened.desk.as_ref(), id, what, &who).await?,
        Source::Server(server) => ask(&server, id, &what, &who).await?,
    };
    match outcome {
        Outcome::Done(dealt) => Ok(*dealt),
        Outcome::Refused(code, detail) => {
            let refused = Failure::new(Code::Difference, format!("{id} stays as it is"));
            let refused = refused.because(detail);
            Err(match code {
                "unconfirmed" => refused.try_this("look at its turn, then add --confirm"),
                _ => refused.try_this(format!("`zupa dlq show {id}`")),
            })
        }
        Outcome::NotFound => Err(unknown(&id.to_string())),
    }
}

async fn ask(
    server: &(std::net::SocketAddr, String),
    id: DeadLetterId,
    what: &DeadLetterAct,
    who: &Act,
) -> Result<Outcome, Failure> {
    let by = &who.by;
    let (verb, body) = match what {
        DeadLetterAct::Retry { confirmed } => ("retry", json!({ "confirm": confirmed, "by": by })),
        DeadLetterAct::Edit { text, confirmed } => (
            "edit",
            json!({ "text": text, "confirm": confirmed, "by": by }),
        ),
        DeadLetterAct::Discard { reason } => ("discard", json!({ "reason": reason, "by": by })),
        DeadLetterAct::Poison { reason } => ("poison", json!({ "reason": reason, "by": by })),
        DeadLetterAct::Tag(tag) => ("tag", json!({ "tag": tag, "by": by })),
        DeadLetterAct::Forget => {
            let by_itself = "dead letters are forgotten when their time is over";
            return Err(Failure::new(Code::Usage, by_itself));
        }
    };
    let path = format!("/api/v1/dead-letters/{id}/{verb}");
    let (status, answer) = operator::post(server, &path, &body).await?;
    match status {
        StatusCode::NOT_FOUND => Ok(Outcome::NotFound),
        StatusCode::CONFLICT => {
            let detail = answer.get("detail").and_then(Value::as_str);
            let code = match answer.get("code").and_then(Value::as_str) {
                Some("unconfirmed") => "unconfirmed",
                _ => "refused",
            };
            let detail = detail.unwrap_or_default().to_owned();
            Ok(Outcome::Refused(code, detail))
        }
        _ => {
            let dealt: Dealt = understood((status, answer))?;
            Ok(Outcome::Done(Box::new(dealt)))
        }
    }
}

fn understood<T: serde::de::DeserializeOwned>(
    (status, answer): (StatusCode, Value),
) -> Result<T, Failure> {
    if status == StatusCode::OK {
        return sense(answer);
    }
    let failure = Failure::new(Code::Failed, format!("the server answered {status}"));
    Err(match answer.get("detail").and_then(Value::as_str) {
        Some(detail) => failure.because(detail),
        None => failure,
    })
}

fn who(config: &Config, by: &Option<String>) -> Result<Act, Failure> {
    let act = Act {
        by: by.clone(),
        at: SystemClock::default().wall(),
        config: Digest(config.hash()),
    };
    match act.faults().into_iter().next() {
        Some(fault) => Err(unusable(fault)),
        None => Ok(act),
    }
}

/// Asks whoever sits there; where nobody does, `--yes` has to be given.
fn agree(what: &str, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    let refused = Failure::new(Code::Usage, format!("this would {what}; nothing was done"));
    if !std::io::stdin().is_terminal() {
        return Err(refused.try_this("look with --dry-run, then add --yes"));
    }
    eprint!("{what}? [y/N] ");
    let _ = std::io::stderr().flush();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    match read {
        Ok(_) if matches!(answer.trim(), "y" | "yes") => Ok(()),
        _ => Err(refused),
    }
}
