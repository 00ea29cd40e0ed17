//! One run from its build to its report.

use std::fs;

use anyhow::{Context as _, ensure};
use tokio::time::Instant;

use super::check::{Violation, thresholds};
use super::judge::{Judgement, judge};
use super::nemesis::Nemesis;
use super::options::Options;
use super::oracle::handle::Oracle;
use super::place::Claims;
use super::report::{Counts, Report, Times, Verdict, phases};
use super::script::Script;
use super::sink;
use super::soak::Figures;
use super::stage::{Ground, Stage};
use super::{acts, build, network, recovery, terminate};
use crate::services::postgres::Postgres;

pub async fn run(options: Options) -> anyhow::Result<()> {
    options.check()?;
    if let Some(missing) = missing(&options) {
        ensure!(!(missing.fails_in_ci && in_ci()), "{}", missing.what);
        eprintln!("crash: skipped: {}", missing.what);
        return Ok(());
    }
    let binary = build::binary(&options)?;
    let (stage, ground) = Stage::set(&binary, &options)?;
    let place = stage.dir.clone();
    let report = perform(options, stage.clone(), ground)
        .await
        .with_context(|| format!("the run in {} was cut short", place.display()))?;
    if report.options.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    let all: Vec<String> = report.all.iter().map(Violation::to_string).collect();
    fs::write(place.join("violations"), all.join("\n"))?;
    if report.good() && !report.options.keep {
        stage.strike()?;
    } else {
        eprintln!("the logs and the database are in {}", place.display());
    }
    report.into_result()
}

async fn perform(options: Options, stage: Stage, ground: Ground) -> anyhow::Result<Report> {
    let begin = Instant::now();
    let acts = acts::acts(&options);
    let cycle = acts::mean(&acts, options.longest_cut);
    let (cycles, cycle_ms) = match &options.soak {
        Some(soak) => (soak.seconds, 1_000),
        None => (
            u32::try_from(acts.len())?,
            u64::try_from(cycle.as_millis())?,
        ),
    };
    let script = Script {
        seed: options.seed,
        channel: options.channel,
        messages: options.messages.unwrap_or(0),
        conversations: options.conversations.unwrap_or(1),
        cycles,
        cycle_ms,
        replicated: options.on_postgres() && !options.recovery,
        backlog: options.recovery,
        thinks_ms: terminate::thinks_ms(&options),
        stalls: options.in_flight,
        faults: options.soak.as_ref().map_or(0, |soak| soak.faults),
    };
    let oracle = Oracle::start(script.clone(), stage.oracle_log(), stage.model).await?;
    let claims = if options.on_postgres() || options.pauses.unwrap_or(0) > 0 {
        Claims::Short
    } else {
        Claims::AsDefault
    };
    for place in &stage.places {
        place.furnish(oracle.model, oracle.graph.as_deref(), claims)?;
    }
    let empty = Report {
        version: 1,
        commit: build::commit(),
        options: options.clone(),
        counts: Counts::default(),
        phases: Vec::new(),
        stats: None,
        times: Times::default(),
        recovery: None,
        replicated: None,
        sends: None,
        soak: None,
        skipped: Vec::new(),
        verdict: Verdict::NotCaught,
        caught_by: Default::default(),
        violations_total: 0,
        violations_by_check: Default::default(),
        violations: Vec::new(),
        all: Vec::new(),
    };

    if options.recovery {
        let (recovery, judgement) = recovery::run(&stage, &options, &script, oracle).await?;
        let report = Report {
            recovery: Some(recovery),
            ..empty
        };
        return Ok(seen(report, judgement, Vec::new()));
    }

    let mut nemesis = Nemesis::new(stage.clone(), ground, options, script, oracle);
    if let Err(error) = nemesis.haunt().await {
        // No report will follow: what is known so far is better than nothing.
        let found = &nemesis.violations;
        found
            .iter()
            .for_each(|found| eprintln!("VIOLATED   {found}"));
        return Err(error);
    }
    let healed = nemesis.heal().await?;
    let (enough, sender_done) = (nemesis.enough(), nemesis.finished);
    let Nemesis {
        oracle,
        mut tally,
        stats,
        mut violations,
        book,
        ground,
        samples,
        soaked_until,
        ..
    } = nemesis;
    let drained_in = healed.drained_in;
    let history = std::mem::take(&mut tally.history);
    // Books that were read while messages came tell of an earlier time.
    let books = healed.accounting.clone().filter(|_| sender_done);
    let mut judgement = judge(&stage, healed, history, &book, oracle).await?;
    let look = |kind| sink::look(kind, &stage, &ground, books.as_ref());
    let sends = match judgement.screens.take() {
        Some(screens) => Some(screens.sends(books.as_ref())),
        None => empty.options.sink.map(look).transpose()?,
    };
    fs::write(stage.dir.join("faults"), format!("{book:#?}"))?;
    // The replicas are gone, and nobody needs it any more.
    drop(ground);

    violations.extend(sends.iter().flat_map(|sends| sends.violations.clone()));
    violations.extend(thresholds::phases(&tally, enough));
    violations.extend(thresholds::redelivery(&judgement.truth));
    violations.extend(terminate::threshold(&stats.terminations));
    let soak = empty.options.soak.as_ref();
    let truth = &judgement.truth;
    let soak = soak.map(|soak| Figures::of(soak, &samples, soaked_until, truth));
    violations.extend(soak.iter().flat_map(Figures::violations));
    let times = Times::of(&stats, drained_in, begin.elapsed());
    let report = Report {
        phases: phases(&tally, enough),
        times,
        stats: Some(stats),
        sends,
        skipped: soak.iter().filter_map(Figures::skipped).collect(),
        soak,
        ..empty
    };
    Ok(seen(report, judgement, violations))
}

/// What this machine lacks for such a run.
struct Missing {
    what: String,
    /// False where nobody could have installed it.
    fails_in_ci: bool,
}

fn missing(options: &Options) -> Option<Missing> {
    if options.on_postgres() && Postgres::find().is_none() {
        return Some(Missing {
            what: "--store postgres: PostgreSQL is not installed".to_owned(),
            fails_in_ci: true,
        });
    }
    let cuts = options.partitions.unwrap_or(0) > 0;
    let why = cuts.then(network::missing).flatten()?;
    Some(Missing {
        what: format!("--partitions: {why}"),
        fails_in_ci: network::could_be_made(),
    })
}

fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true")
}

/// Puts what the judge and what the nemesis saw into the report.
fn seen(mut report: Report, judgement: Judgement, others: Vec<Violation>) -> Report {
    let truth = &judgement.truth;
    report.counts = Counts {
        messages: truth.acknowledged(),
        redelivered: truth.redelivered(),
        deliveries_without_answer: truth.sent.values().map(|sent| u64::from(sent.lost)).sum(),
        refused: truth.refused,
        refused_without_retry_after: truth.refused_without_retry_after,
        replies: judgement.replies,
        model_calls: truth.calls.len() as u64,
        model_calls_incomplete: truth.calls.values().filter(|call| !call.complete).count() as u64,
        turns_compared_with_calls: judgement.compared,
    };
    if !report.options.on_postgres() && !judgement.integrity {
        report
            .skipped
            .push("PRAGMA integrity_check: there is no sqlite3".to_owned());
    }
    if report.options.on_postgres() {
        report.replicated = Some(judgement.replicated);
    }
    if judgement.compared == 0 {
        report.skipped.push(
            "model calls compared from outside: no reply names a turn of the marks".to_owned(),
        );
    }
    if !judgement.claims_named {
        let skipped = "turns compared with their claims: the marks name no events";
        report.skipped.push(skipped.to_owned());
    }
    let mut violations = judgement.violations;
    violations.extend(others);
    report.judged(violations)
}
