//! The last act: the server is asked to stop, and everything that was seen is
//! put before the checkers.

use std::time::Duration;

use super::check::{self, Check, Violation};
use super::heal::Healed;
use super::marks::Mark;
use super::oracle::handle::Oracle;
use super::oracle::log;
use super::oracle::truth::Truth;
use super::replies::{self, Replies};
use super::stage::Stage;

const STOP: Duration = Duration::from_secs(15);

/// What the checkers said, and what they could look at.
#[derive(Debug)]
pub struct Judgement {
    pub truth: Truth,
    pub violations: Vec<Violation>,
    pub replies: u64,
    /// Turns whose model calls could be compared from outside.
    pub compared: u64,
    /// Whether the marks told what each turn took.
    pub claims_named: bool,
    /// Whether there was an `sqlite3` to ask.
    pub integrity: bool,
}

pub async fn judge(
    stage: &Stage,
    healed: Healed,
    history: Vec<Mark>,
    oracle: Oracle,
) -> anyhow::Result<Judgement> {
    let mut violations = Vec::new();
    let known = Truth::fold(log::read(&stage.oracle_log())?);
    let replies = replies::read(stage.port, known.expected())
        .await
        .unwrap_or_else(|error| {
            violations.push(Violation::new(Check::Server, format!("{error:#}")));
            Replies::new()
        });
    let history = stop(healed.life, history, &mut violations).await?;
    // Only now is it sure that the model is asked no more.
    let truth = Truth::fold(oracle.end().await?);

    violations.extend(check::acks::check(&truth));
    violations.extend(check::coverage::check(&truth, &replies));
    violations.extend(check::order::check(&replies));
    violations.extend(check::duplicates::check(&replies));
    let model = check::model::check(&history, &truth, &replies);
    violations.extend(model.violations);
    let turns = check::turns::check(&history, &replies, truth.poisons());
    let claims_named = turns.is_some();
    violations.extend(turns.into_iter().flatten());
    violations.extend(
        healed
            .accounting
            .iter()
            .flat_map(|accounting| check::conservation::check(accounting, &truth)),
    );
    let integrity = check::integrity::check(&stage.database())?;
    let asked = integrity.is_some();
    violations.extend(integrity.into_iter().flatten());

    let replies = replies.values().map(|replies| replies.len() as u64).sum();
    Ok(Judgement {
        truth,
        violations,
        replies,
        compared: model.compared,
        claims_named,
        integrity: asked,
    })
}

/// A graceful end: exit code 0 within the deadline.
async fn stop(
    mut life: super::life::Life,
    mut history: Vec<Mark>,
    violations: &mut Vec<Violation>,
) -> anyhow::Result<Vec<Mark>> {
    life.look()?;
    let super::life::Life { server, marks, .. } = life;
    match server.stop(STOP).await {
        Ok(status) if status.success() => {}
        Ok(status) => violations.push(Violation::new(
            Check::Server,
            format!("after SIGTERM: {status}"),
        )),
        Err(error) => violations.push(Violation::new(Check::Server, format!("{error:#}"))),
    }
    history.extend(marks);
    Ok(history)
}
