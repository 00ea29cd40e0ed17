//! One run from its build to its report.

use std::fs;

use anyhow::Context as _;
use tokio::time::Instant;

use super::check::{Violation, thresholds};
use super::judge::{Judgement, judge};
use super::nemesis::Nemesis;
use super::options::Options;
use super::oracle::handle::Oracle;
use super::report::{Counts, Report, Times, Verdict, phases};
use super::script::Script;
use super::stage::{Claims, Stage};
use super::{build, recovery};

pub async fn run(options: Options) -> anyhow::Result<()> {
    let binary = build::binary(&options)?;
    let stage = Stage::set(binary, options.seed)?;
    let place = stage.dir.clone();
    let report = perform(options, stage.clone())
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

async fn perform(options: Options, stage: Stage) -> anyhow::Result<Report> {
    let begin = Instant::now();
    let script = Script {
        seed: options.seed,
        messages: options.messages.unwrap_or(0),
        conversations: options.conversations.unwrap_or(1),
        cycles: options.cycles,
        backlog: options.recovery,
    };
    let oracle = Oracle::start(script.clone(), stage.oracle_log()).await?;
    let claims = if options.pauses.unwrap_or(0) > 0 {
        Claims::Short
    } else {
        Claims::AsDefault
    };
    stage.write_config(oracle.model_port, claims)?;
    let empty = Report {
        version: 1,
        commit: build::commit(),
        options: options.clone(),
        counts: Counts::default(),
        phases: Vec::new(),
        stats: None,
        times: Times::default(),
        recovery: None,
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

    let mut nemesis = Nemesis::new(stage.clone(), options, script, oracle);
    if let Err(error) = nemesis.haunt().await {
        // No report will follow: what is known so far is better than nothing.
        let found = &nemesis.violations;
        found
            .iter()
            .for_each(|found| eprintln!("VIOLATED   {found}"));
        return Err(error);
    }
    let healed = nemesis.heal().await?;
    let enough = nemesis.enough();
    let Nemesis {
        oracle,
        mut tally,
        stats,
        mut violations,
        ..
    } = nemesis;
    let drained_in = healed.drained_in;
    let history = std::mem::take(&mut tally.history);
    let judgement = judge(&stage, healed, history, oracle).await?;

    violations.extend(thresholds::phases(&tally, enough));
    violations.extend(thresholds::redelivery(&judgement.truth));
    let times = Times::of(&stats, drained_in, begin.elapsed());
    let report = Report {
        phases: phases(&tally, enough),
        times,
        stats: Some(stats),
        ..empty
    };
    Ok(seen(report, judgement, violations))
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
    if !judgement.integrity {
        report
            .skipped
            .push("PRAGMA integrity_check: there is no sqlite3".to_owned());
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
