//! The last act: the replicas are asked to stop, and everything that was seen is
//! put before the checkers.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::book::Book;
use super::check::{self, Check, Violation};
use super::heal::Healed;
use super::life::Life;
use super::marks::Mark;
use super::operator;
use super::options::Channel;
use super::oracle::handle::Oracle;
use super::oracle::log;
use super::oracle::truth::Truth;
use super::place::Place;
use super::replicated::{self, Replicated};
use super::replies::{self, Replies};
use super::screens::{self, Screens};
use super::stage::Stage;
use super::wire::{Order, Report};

const STOP: Duration = Duration::from_secs(15);
/// For the followed streams: some times as long as a stream waits between two looks.
const CATCH_UP: Duration = Duration::from_secs(10);

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
    /// Whether there was a file, and an `sqlite3` to ask.
    pub integrity: bool,
    pub replicated: Replicated,
    /// Where people have phones.
    pub screens: Option<Screens>,
}

pub async fn judge(
    stage: &Stage,
    healed: Healed,
    mut history: Vec<Mark>,
    book: &Book,
    mut oracle: Oracle,
) -> anyhow::Result<Judgement> {
    let mut violations = Vec::new();
    let mut replies = match stage.channel {
        Channel::WebChat => read(stage, &mut violations).await?,
        // They are on the screens, which are looked at in the end.
        Channel::WhatsappCloud => Replies::new(),
    };
    catch_up(&replies, &mut oracle).await?;
    let stale_writes = operator::stale_writes(&stage.places[0]).await;
    for life in healed.lives {
        history.extend(stop(life, &mut violations).await?);
    }
    // Each replica wrote its own; only the clock puts them in order.
    history.sort_by_key(|mark| mark.at);
    // Only now is it sure that the model is asked no more.
    let truth = Truth::fold(oracle.end().await?);
    let mut screens = None;
    if stage.channel == Channel::WhatsappCloud {
        let looked = screens::look(stage, &truth, book)?;
        replies = looked.replies.clone();
        screens = Some(looked);
    }

    violations.extend(check::acks::check(&truth));
    violations.extend(check::coverage::check(&truth, &replies));
    violations.extend(check::order::check(&replies));
    violations.extend(check::duplicates::check(&replies));
    let model = check::model::check(&history, &truth, &replies, book);
    violations.extend(model.violations);
    let turns = check::turns::check(&history, &replies, truth.poisons());
    let claims_named = turns.is_some();
    violations.extend(turns.into_iter().flatten());
    let places = &stage.places;
    let (mut replicated, found) = replicated::look(places, &history, book, &truth, &replies);
    replicated.stale_calls = model.by_woken;
    replicated.lost_records = model.lost_records;
    replicated.stale_writes = stale_writes;
    violations.extend(found);
    violations.extend(
        healed
            .accounting
            .iter()
            .flat_map(|accounting| check::conservation::check(accounting, &truth)),
    );
    let integrity = match places.first().and_then(Place::database) {
        Some(database) => check::integrity::check(database)?,
        None => None,
    };
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
        replicated,
        screens,
    })
}

/// What the other ends of the web chats can read.
async fn read(stage: &Stage, violations: &mut Vec<Violation>) -> anyhow::Result<Replies> {
    let known = Truth::fold(log::read(&stage.oracle_log())?);
    let replies = replies::read(&stage.doors(), known.expected()).await;
    Ok(replies.unwrap_or_else(|error| {
        violations.push(Violation::new(Check::Server, format!("{error:#}")));
        Replies::new()
    }))
}

/// Gives the followed streams time to show the last events. Whether they did is
/// for their checker to say.
async fn catch_up(replies: &Replies, oracle: &mut Oracle) -> anyhow::Result<()> {
    let last = replies.iter().filter_map(|(conversation, replies)| {
        let last = replies.last()?;
        Some((conversation.clone(), last.number))
    });
    let numbers = last.collect();
    oracle.tell(&Order::CatchUp { numbers }).await?;
    let begin = Instant::now();
    while begin.elapsed() < CATCH_UP {
        while let Some(report) = oracle.heard()? {
            if report == Report::CaughtUp {
                return Ok(());
            }
        }
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// A graceful end: exit code 0 within the deadline. Returns what it marked.
async fn stop(mut life: Life, violations: &mut Vec<Violation>) -> anyhow::Result<Vec<Mark>> {
    life.look()?;
    let Life { server, marks, .. } = life;
    let detail = match server.stop(None, STOP).await {
        Ok(Some(status)) if status.success() => None,
        Ok(Some(status)) => Some(format!("after SIGTERM: {status}")),
        Ok(None) => Some(format!(
            "the server does not stop within {STOP:?} of SIGTERM"
        )),
        Err(error) => Some(format!("{error:#}")),
    };
    violations.extend(detail.map(|detail| Violation::new(Check::Server, detail)));
    Ok(marks)
}
