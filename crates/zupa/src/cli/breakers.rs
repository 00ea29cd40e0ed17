//! `zupa breaker`: the breakers of the process that serves. They are in its memory
//! alone, so there has to be one.

use hyper::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use zupa_http::{Breaker, Breakers, Position};
use zupa_runtime::resilience;

use super::arguments::{BreakerCommand, Global, TurnBreaker};
use super::failure::{Code, Failure};
use super::{check, operator, print, store, token};

/// What the routes are given.
pub fn of(list: impl Fn() -> Vec<resilience::Breaker> + Clone + Send + Sync + 'static) -> Breakers {
    let all = list.clone();
    Breakers::new(
        move || all().iter().map(shown).collect(),
        move |name, position| {
            let breakers = list();
            let breaker = breakers.iter().find(|breaker| breaker.name() == name);
            if let Some(breaker) = breaker {
                match position {
                    Position::Open => breaker.open(),
                    Position::Closed => breaker.close(),
                }
            }
            breaker.is_some()
        },
    )
}

fn shown(breaker: &resilience::Breaker) -> Breaker {
    let seen = breaker.metrics();
    Breaker {
        name: breaker.name().to_owned(),
        state: seen.state.as_str().to_owned(),
        failure_percent: seen.failure_percent,
        recent_calls: seen.recent_calls,
        succeeded: seen.totals.succeeded,
        failed: seen.totals.failed,
        refused: seen.totals.refused,
        opened: seen.totals.opened,
        next_probe_in_seconds: seen.next_probe_in.map(|left| left.as_secs_f64()),
    }
}

#[derive(Deserialize)]
struct All {
    breakers: Vec<Breaker>,
}

#[derive(Deserialize)]
struct One {
    breaker: Option<Breaker>,
}

/// Runs `zupa breaker …`.
pub async fn breakers(global: &Global, command: &BreakerCommand) -> Result<Code, Failure> {
    let config = check::load(global, &[])?;
    let server = token::read(&store::marks(&config)).map_err(|failure| {
        failure.try_this("start one: a breaker is in the memory of a process")
    })?;
    match command {
        BreakerCommand::Ls(output) => {
            let all: Option<All> = operator::get(&server, "/api/v1/breakers").await?;
            let breakers = all.map(|all| all.breakers).unwrap_or_default();
            if output.json {
                print::json(&json!({ "version": 1, "breakers": breakers }))?;
                return Ok(Code::Ok);
            }
            for breaker in &breakers {
                print::line(format_args!("{}", line(breaker)));
            }
            if breakers.is_empty() {
                eprintln!("there are no breakers");
            }
            Ok(Code::Ok)
        }
        BreakerCommand::Open(wanted) => turn(&server, "open", wanted).await,
        BreakerCommand::Close(wanted) => turn(&server, "close", wanted).await,
    }
}

async fn turn(
    server: &(std::net::SocketAddr, String),
    word: &str,
    wanted: &TurnBreaker,
) -> Result<Code, Failure> {
    let TurnBreaker {
        name, reason, by, ..
    } = wanted;
    let body = json!({ "name": name, "reason": reason, "by": by });
    let path = format!("/api/v1/breakers/{word}");
    let (status, answer) = operator::post(server, &path, &body).await?;
    match status {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => {
            let unknown = format!("there is no breaker named {name}");
            return Err(Failure::new(Code::NotFound, unknown).try_this("zupa breaker ls"));
        }
        other => {
            let failure = Failure::new(Code::Failed, format!("the server answered {other}"));
            let detail = answer.get("detail").and_then(Value::as_str);
            return Err(match detail {
                Some(detail) => failure.because(detail),
                None => failure,
            });
        }
    }
    let one: One = serde_json::from_value(answer).map_err(|error| {
        Failure::new(Code::Failed, "the server's answer makes no sense").because(error)
    })?;
    if wanted.output.json {
        print::json(&json!({ "version": 1, "breaker": one.breaker }))?;
    } else if let Some(breaker) = &one.breaker {
        print::line(format_args!("{}", line(breaker)));
    }
    Ok(Code::Ok)
}

fn line(breaker: &Breaker) -> String {
    let rate = match breaker.failure_percent {
        Some(percent) => format!("{percent:.0} % of {} calls failed", breaker.recent_calls),
        None => "no calls lately".to_owned(),
    };
    let next = match (breaker.state.as_str(), breaker.next_probe_in_seconds) {
        ("closed", _) => String::new(),
        (_, Some(left)) => format!("  next probe in {left:.0} s"),
        (_, None) => "  until it is closed by hand".to_owned(),
    };
    let (name, state) = (&breaker.name, &breaker.state);
    let (opened, refused) = (breaker.opened, breaker.refused);
    format!("{name}  {state}  {rate}  opened {opened} times, refused {refused} calls{next}")
}
