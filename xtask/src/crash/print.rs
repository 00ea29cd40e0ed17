//! The report as a person reads it.

use std::fmt::{self, Display, Formatter};

use super::check::Check;
use super::check::sends::Sends;
use super::recovery::Recovery;
use super::replicated::{Replicated, Spread};
use super::report::{PhaseRow, Report, Verdict, millis};
use super::stats::{Stats, Terminations, percentile};

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let options = serde_json::to_string(&self.options).map_err(|_| fmt::Error)?;
        writeln!(f, "seed       {}", self.options.seed)?;
        writeln!(f, "options    {options}")?;
        writeln!(f, "commit     {}", self.commit)?;
        self.messages(f)?;
        if let Some(stats) = &self.stats {
            self.kills(f, stats)?;
        }
        if let Some(recovery) = &self.recovery {
            let Recovery {
                messages,
                ready_ms,
                first_finished_ms,
                all_finished_ms,
                resumed_ms,
            } = recovery;
            writeln!(
                f,
                "recovery   {messages} pending: ready after {ready_ms} ms, first finished after {first_finished_ms} ms, all after {all_finished_ms} ms"
            )?;
            if let Some(resumed_ms) = resumed_ms {
                writeln!(
                    f,
                    "in flight  all {messages} turns asked the model again within {resumed_ms} ms of the start"
                )?;
            }
        }
        if let Some(replicated) = &self.replicated {
            write!(f, "{replicated}")?;
        }
        if let Some(sends) = &self.sends {
            write!(f, "{sends}")?;
        }
        if let Some(soak) = &self.soak {
            write!(f, "{soak}")?;
        }
        for skipped in &self.skipped {
            writeln!(f, "skipped    {skipped}")?;
        }
        for violation in &self.violations {
            writeln!(f, "VIOLATED   {violation}")?;
        }
        if self.violations_total > self.violations.len() {
            let counts = self.violations_by_check.iter();
            let counts: Vec<String> = counts
                .map(|(check, count)| format!("{check} {count}"))
                .collect();
            writeln!(f, "           in all: {}", counts.join(", "))?;
        }
        let caught_by = self
            .caught_by
            .iter()
            .map(Check::to_string)
            .collect::<Vec<_>>()
            .join(", ");
        match self.verdict {
            Verdict::Ok => write!(f, "verdict    ok: nothing lost, doubled or reordered"),
            Verdict::Violated => {
                write!(f, "verdict    VIOLATED, {} findings", self.violations_total)
            }
            Verdict::Caught => write!(f, "verdict    caught, as expected, by: {caught_by}"),
            Verdict::NotCaught => write!(f, "verdict    NOT CAUGHT"),
        }
    }
}

impl Report {
    fn messages(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let counts = &self.counts;
        let percent = counts.redelivered * 100 / counts.messages.max(1);
        writeln!(
            f,
            "messages   {} acknowledged, {} of them sent again ({percent} %)",
            counts.messages, counts.redelivered
        )?;
        writeln!(
            f,
            "deliveries {} ended without an answer, {} were refused ({} without Retry-After)",
            counts.deliveries_without_answer, counts.refused, counts.refused_without_retry_after
        )?;
        writeln!(
            f,
            "model      {} calls ({} cut off), {} replies; {} turns compared with the calls",
            counts.model_calls,
            counts.model_calls_incomplete,
            counts.replies,
            counts.turns_compared_with_calls
        )
    }

    fn kills(&self, f: &mut Formatter<'_>, stats: &Stats) -> fmt::Result {
        writeln!(
            f,
            "kills      {}: {} at random, {} in a chosen phase, {} that missed it, {} at start-up; {} restarts",
            stats.kills(),
            stats.kills_at_random,
            stats.kills_in_phase,
            stats.kills_missed,
            stats.kills_at_startup,
            stats.starts.saturating_sub(1)
        )?;
        writeln!(
            f,
            "aborts     {} by poison {:?}; pauses {}",
            stats.aborts, stats.aborts_by_poison, stats.pauses
        )?;
        let shown = |time: Option<f64>| time.map_or("-".to_owned(), |time| format!("{time} ms"));
        let Terminations { once, twice } = &stats.terminations;
        for (how, endings) in [("one signal", once), ("several", twice)] {
            let took: Vec<_> = endings.iter().map(|ending| ending.took).collect();
            let in_flight: Vec<_> = endings.iter().map(|ending| ending.in_flight).collect();
            let at = |percent| shown(percentile(&took, percent).map(millis));
            if !took.is_empty() {
                let (count, p50, most) = (took.len(), at(50), at(100));
                writeln!(
                    f,
                    "terminated {count} by {how}: p50 {p50}, at most {most} to the end; \
                     turns in flight at each signal {in_flight:?}"
                )?;
            }
        }
        for PhaseRow {
            phase,
            died,
            required,
        } in &self.phases
        {
            writeln!(
                f,
                "phase      {:<11}{died:>6} turns at death (at least {required})",
                phase.name()
            )?;
        }
        let times = &self.times;
        writeln!(
            f,
            "ready      p50 {}, p99 {} after the start",
            shown(times.ready_p50_ms),
            shown(times.ready_p99_ms)
        )?;
        writeln!(
            f,
            "first ack  p50 {}, p99 {} after the start",
            shown(times.first_ack_p50_ms),
            shown(times.first_ack_p99_ms)
        )?;
        writeln!(
            f,
            "time       {} s in all, drained in {}",
            times.whole_run_s,
            shown(times.drain_ms)
        )
    }
}

impl Display for Spread {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let shown = |time: Option<f64>| time.map_or("-".to_owned(), |time| format!("{time} ms"));
        write!(
            f,
            "p50 {}, p99 {}, max {} of {}",
            shown(self.p50_ms),
            shown(self.p99_ms),
            shown(self.max_ms),
            self.count
        )
    }
}

impl Display for Sends {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            deliveries,
            sent,
            unknown,
            unknown_but_left,
            lines,
            repeats_dropped,
            doubles,
            held_up,
            in_doubt,
            not_taken,
            unknown_by_platform,
            unknown_by_kills,
            ..
        } = self;
        writeln!(
            f,
            "sends      {deliveries} deliveries: {sent} sent, {unknown} unknown ({unknown_but_left} of them left)"
        )?;
        writeln!(
            f,
            "platform   got {lines}, dropped {repeats_dropped} repeats, showed {doubles} twice; {held_up} were held up and did not leave, {in_doubt} doubts settled"
        )?;
        if not_taken + unknown_by_platform + unknown_by_kills > 0 {
            writeln!(
                f,
                "           did not take {not_taken}; never told of {unknown_by_platform} that are unknown, {unknown_by_kills} others were open at a kill"
            )?;
        }
        Ok(())
    }
}

impl Display for Replicated {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "replicas   {}, acknowledgements {:?}; {} repetitions at another one than the first",
            self.replicas, self.acks_by_replica, self.repeated_elsewhere
        )?;
        writeln!(
            f,
            "takeover   {} (at most {} ms); {} late by a second end in between",
            self.takeover, self.takeover_limit_ms, self.takeovers_overlapped
        )?;
        writeln!(
            f,
            "streams    {} followed over {} events, moved {} times",
            self.streams, self.stream_events, self.stream_moves
        )?;
        writeln!(
            f,
            "stale      {} pauses, {} commits refused (writes of lost claims: {}), {} model calls after waking",
            self.pauses,
            self.refusals,
            self.stale_writes
                .map_or("not told".to_owned(), |writes| writes.to_string()),
            self.stale_calls
        )?;
        writeln!(f, "ack beside {}", self.acks_beside)?;
        writeln!(f, "ack quiet  {}", self.acks_quiet)?;
        if self.restarts > 0 {
            writeln!(
                f,
                "restarts   {}, {} backends terminated; {} model answers lost unflushed; acknowledged again {}",
                self.restarts,
                self.backends_terminated,
                self.lost_records,
                self.reconnect_after_restart
            )?;
        }
        if !self.cuts.is_empty() {
            writeln!(
                f,
                "cuts       {:?}; acknowledged again {}",
                self.cuts, self.reconnect_after_cut
            )?;
        }
        Ok(())
    }
}
