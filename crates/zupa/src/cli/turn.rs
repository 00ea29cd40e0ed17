//! `zupa turn`: what became of a message.

use serde::Serialize;
use zupa_core::desk::{FailureView, TurnView};
use zupa_core::{DeadAttempt, EffectClass};
use zupa_http::{Why, why};

use super::arguments::{Global, Id, TurnCommand};
use super::failure::{Code, Failure};
use super::reviews::plain;
use super::source::Source;
use super::{check, operator, print};

/// Runs `zupa turn …`.
pub async fn turn(global: &Global, command: &TurnCommand) -> Result<Code, Failure> {
    let (TurnCommand::Show(wanted) | TurnCommand::Why(wanted)) = command;
    let config = check::load(global, &[])?;
    let view = match Source::open(&config).await? {
        Source::Store(opened) => opened.desk.turn(&wanted.id).await?,
        Source::Server(server) => {
            let path = format!("/api/v1/turns/{}", encode(&wanted.id));
            operator::get::<TurnView>(&server, &path).await?
        }
    };
    let view = view.ok_or_else(|| {
        Failure::new(
            Code::NotFound,
            format!("no turn and no message is called {}", wanted.id),
        )
        .try_this("the id in the answer to the POST, or in the simulated phone's panel")
    })?;
    match command {
        TurnCommand::Show(_) => show(&view, wanted),
        TurnCommand::Why(_) => explain(&why(&view), wanted),
    }
}

fn explain(why: &Why, wanted: &Id) -> Result<Code, Failure> {
    if wanted.output.json {
        print::json(&serde_json::json!({
            "version": 1, "id": wanted.id, "code": why.code, "why": why.sentence,
        }))?;
    } else {
        print::line(format_args!("{}: {}", why.code, why.sentence));
    }
    Ok(Code::Ok)
}

fn show(view: &TurnView, wanted: &Id) -> Result<Code, Failure> {
    if wanted.output.json {
        #[derive(Serialize)]
        struct Versioned<'a> {
            version: u8,
            #[serde(flatten)]
            view: &'a TurnView,
        }
        print::json(&Versioned { version: 1, view })?;
        return Ok(Code::Ok);
    }
    if view.turn.is_some() || view.inbounds.len() == 1 {
        print::line(format_args!("conversation {}", view.conversation));
    }
    if let Some(turn) = &view.turn {
        print::line(format_args!(
            "turn         {} {:?}, inbounds {} to {}, {} starts, {} failures",
            turn.id, turn.state, turn.first, turn.last, turn.runs, turn.failures
        ));
        print::line(format_args!("  claimed    {}", turn.claimed_at));
        if let Some(ended_at) = turn.ended_at {
            print::line(format_args!("  ended      {ended_at}"));
        }
        if let Some(not_before) = turn.not_before {
            print::line(format_args!("  again      {not_before}"));
        }
    }
    for inbound in &view.inbounds {
        print::line(format_args!(
            "inbound      #{} {} {:?}, accepted {}, {} duplicates",
            inbound.number, inbound.event, inbound.state, inbound.accepted_at, inbound.duplicates
        ));
    }
    for step in &view.steps {
        let doubt = match (step.has_result, step.class) {
            (true, _) => "",
            (false, EffectClass::Pure) => ", no result",
            (false, _) => ", may have happened",
        };
        let class = step.class.as_str();
        print::line(format_args!("step         {} ({class}){doubt}", step.key));
    }
    for wait in &view.waits {
        let until = wait
            .expires_at
            .map_or_else(String::new, |at| format!(", until {at}"));
        let by = wait
            .decided_by
            .as_ref()
            .map_or_else(String::new, |by| format!(" by {by}"));
        let (kind, state) = (wait.kind.as_str(), wait.state.as_str());
        print::line(format_args!(
            "wait         {} {kind} {state}{by}{until}",
            wait.id
        ));
    }
    for delivery in &view.deliveries {
        print::line(format_args!(
            "delivery     #{} {} {:?}, {} attempts",
            delivery.number, delivery.id, delivery.state, delivery.attempts
        ));
    }
    for failure in &view.failures {
        print::line(format_args!("failure      {}", told(failure)));
    }
    for entry in &view.audit {
        print::line(format_args!(
            "audit        {} {} by {} {}",
            entry.at, entry.action, entry.actor, entry.reason
        ));
    }
    print::line(format_args!("why          {}", why(view).sentence));
    Ok(Code::Ok)
}

/// One failure, and the wait that followed it.
fn told(failure: &FailureView) -> String {
    let DeadAttempt {
        at,
        turn,
        run,
        class,
        message,
        not_before,
        counted,
    } = &failure.attempt;
    let of = match failure.delivery {
        Some(delivery) => format!("delivery {delivery}, attempt {run}"),
        None => format!("turn {turn}, run {run}"),
    };
    let again = match not_before {
        Some(not_before) => format!(", again after {:.1} s", not_before.since(*at).as_secs_f64()),
        None => String::new(),
    };
    let blame = if *counted { "" } else { ", not counted" };
    let message = plain(&message.as_str().into());
    format!("{at}  {of}  {class}: {message}{again}{blame}")
}

/// An id as part of a path: everything but letters, digits and `-_.` escaped.
fn encode(id: &str) -> String {
    id.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
