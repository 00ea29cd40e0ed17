//! W: what left is what was committed, in its order and not before its commit;
//! each attempt leaves once, and what may have left twice is listed.
//!
//! The harness plays the platform: where repeats are dropped by key, a repeated
//! line is counted and harms nobody; where they are not, somebody read it twice.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Check, Violation};
use crate::crash::operator::Accounting;
use crate::crash::sink::{Line, Row, Sink};

#[derive(Debug, Default, Serialize)]
pub struct Sends {
    pub deliveries: u64,
    pub sent: u64,
    /// Given up as unsettled, and listed as such.
    pub unknown: u64,
    /// Of these, the ones that did leave.
    pub unknown_but_left: u64,
    pub lines: u64,
    /// Lines that repeat a key, where the platform drops them.
    pub repeats_dropped: u64,
    /// Keys with several lines, where nobody drops them.
    pub doubles: u64,
    /// Sends that the platform did not take, and tried again or given up.
    pub not_taken: u64,
    /// Of the unknown ones, those of which the platform never told.
    pub unknown_by_platform: u64,
    /// Of the unknown ones, those that were open at a kill.
    pub unknown_by_kills: u64,
    /// Sends that a replica did not begin because it woke up too late.
    pub held_up: u64,
    /// Sends that a replica found in doubt.
    pub in_doubt: u64,
    #[serde(skip)]
    pub violations: Vec<Violation>,
}

/// The lines in the order of the file, the rows in the order of their numbers.
pub fn check(sink: Sink, lines: &[Line], rows: &[Row]) -> Sends {
    let mut wrong = Vec::new();
    let mut left: BTreeMap<&str, Vec<(usize, &Line)>> = BTreeMap::new();
    for (place, line) in lines.iter().enumerate() {
        left.entry(&line.key).or_default().push((place, line));
    }
    let mut known = BTreeSet::new();
    for row in rows {
        if !known.insert(row.key.as_str()) {
            wrong.push(format!("{}: two deliveries have this key", row.key));
        }
    }
    for key in left.keys().filter(|key| !known.contains(*key)) {
        wrong.push(format!("{key}: left, and was never committed"));
    }

    let mut sends = Sends {
        deliveries: rows.len() as u64,
        lines: lines.len() as u64,
        ..Sends::default()
    };
    for row in rows {
        let own = left.get(row.key.as_str()).map_or(&[][..], Vec::as_slice);
        let repeats = own.len().saturating_sub(1) as u64;
        let listed = row.state == "unknown";
        sends.sent += u64::from(row.state == "sent");
        sends.unknown += u64::from(listed);
        sends.unknown_but_left += u64::from(listed && !own.is_empty());
        match sink {
            Sink::ByKey => sends.repeats_dropped += repeats,
            Sink::Never => sends.doubles += u64::from(repeats > 0),
        }
        let found = state(sink, row, own.len()).into_iter();
        let found = found.chain(attempts(row, own));
        wrong.extend(found.map(|detail| format!("{}: {detail}", row.key)));
    }
    wrong.extend(order(rows, &left));
    let violation = |detail| Violation::new(Check::Sends, detail);
    sends.violations = wrong.into_iter().map(violation).collect();
    sends
}

/// What nobody knows the end of, the operator is shown. Evidence may have come
/// since, so that there are fewer by now.
pub fn listed(unknown: u64, books: Option<&Accounting>) -> Option<Violation> {
    let shown = books?.deliveries.get("unknown").copied().unwrap_or(0);
    (shown < unknown).then(|| {
        let detail = format!("{unknown} deliveries are unknown, and the books show {shown}");
        Violation::new(Check::Sends, detail)
    })
}

/// Where a delivery must have ended after all windows are over, given how often
/// it left. The sink refuses nothing, so nothing fails.
fn state(sink: Sink, row: &Row, times: usize) -> Option<String> {
    match (row.state.as_str(), sink) {
        ("sent", _) if times == 0 => Some("is sent, and never left".to_owned()),
        ("sent", Sink::Never) if times > 1 => {
            Some(format!("left {times} times, and is not listed as unknown"))
        }
        ("sent", _) | ("unknown", Sink::Never) => None,
        (state, _) => Some(format!("is left {state} after it left {times} times")),
    }
}

/// Each attempt is on record and leaves once, none of them after a later one,
/// and the first not before the commit.
fn attempts(row: &Row, own: &[(usize, &Line)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (_, line) in own {
        if line.attempt == 0 || line.attempt > row.attempts {
            wrong.push(format!(
                "attempt {} left, of {} on record",
                line.attempt, row.attempts
            ));
        }
        if line.at < row.committed_at {
            wrong.push(format!(
                "left {} µs before its commit",
                row.committed_at - line.at
            ));
        }
    }
    for pair in own.windows(2) {
        let ((_, before), (_, after)) = (pair[0], pair[1]);
        if after.attempt <= before.attempt {
            wrong.push(format!(
                "attempt {} of process {} left {} µs after attempt {} of process {}",
                after.attempt,
                after.process,
                after.at.saturating_sub(before.at),
                before.attempt,
                before.process
            ));
        }
    }
    wrong
}

/// Per conversation, first lines follow the numbers; whatever is listed as
/// unknown has left the order.
fn order(rows: &[Row], left: &BTreeMap<&str, Vec<(usize, &Line)>>) -> Vec<String> {
    let ordered = rows.iter().filter(|row| row.state != "unknown");
    let firsts: Vec<_> = ordered
        .filter_map(|row| Some((row, left.get(row.key.as_str())?.first()?.0)))
        .collect();
    let pairs = firsts.windows(2).map(|pair| (pair[0], pair[1]));
    pairs
        .filter(|((before, first), (after, second))| {
            before.conversation == after.conversation && second < first
        })
        .map(|((before, _), (after, _))| {
            format!(
                "{}: delivery {} left before delivery {}",
                after.conversation, after.number, before.number
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::planted::details;
    use super::*;

    fn sends(sink: Sink, lines: &[&str], rows: &[&str]) -> anyhow::Result<Sends> {
        let lines = lines.iter().map(|line| Line::parse(line));
        let rows = rows.iter().map(|row| Row::parse(row));
        let lines = lines.collect::<anyhow::Result<Vec<_>>>()?;
        Ok(check(
            sink,
            &lines,
            &rows.collect::<anyhow::Result<Vec<_>>>()?,
        ))
    }

    fn found(sink: Sink, lines: &[&str], rows: &[&str]) -> anyhow::Result<Vec<String>> {
        let sends = sends(sink, lines, rows)?;
        let details = details(&sends.violations).into_iter();
        Ok(details.map(str::to_owned).collect())
    }

    const ONE: &str = "c|2|t1.0|sent|1|10";

    #[test]
    fn one_line_for_each_passes_in_the_order_of_the_numbers() -> anyhow::Result<()> {
        let rows = [ONE, "c|4|t2.0|sent|1|20", "d|2|t3.0|sent|1|5"];
        let lines = ["t3.0 1 7 6", "t1.0 1 7 11", "t2.0 1 8 21"];
        for sink in [Sink::ByKey, Sink::Never] {
            let sends = sends(sink, &lines, &rows)?;
            assert!(sends.violations.is_empty(), "{:?}", sends.violations);
            assert_eq!((sends.sent, sends.lines), (3, 3));
        }
        let lines = ["t2.0 1 8 21", "t1.0 1 7 22", "t3.0 1 7 23"];
        assert_eq!(
            found(Sink::Never, &lines, &rows)?,
            ["c: delivery 4 left before delivery 2"]
        );
        Ok(())
    }

    #[test]
    fn what_never_left_and_what_was_never_committed_is_caught() -> anyhow::Result<()> {
        assert_eq!(
            found(Sink::ByKey, &["t9.0 1 7 11"], &[ONE])?,
            [
                "t9.0: left, and was never committed",
                "t1.0: is sent, and never left"
            ]
        );
        assert_eq!(
            found(Sink::ByKey, &["t1.0 1 7 9"], &[ONE])?,
            ["t1.0: left 1 µs before its commit"]
        );
        let twice = [ONE, "c|3|t1.0|sent|1|10"];
        assert_eq!(
            found(Sink::ByKey, &["t1.0 1 7 11"], &twice)?,
            ["t1.0: two deliveries have this key"]
        );
        Ok(())
    }

    #[test]
    fn a_platform_drops_repeats_of_later_attempts_alone() -> anyhow::Result<()> {
        let row = ["c|2|t1.0|sent|2|10"];
        let again = sends(Sink::ByKey, &["t1.0 1 7 11", "t1.0 2 8 12"], &row)?;
        assert!(again.violations.is_empty());
        assert_eq!((again.repeats_dropped, again.doubles), (1, 0));
        assert_eq!(
            found(Sink::ByKey, &["t1.0 2 8 11", "t1.0 1 7 13"], &row)?,
            ["t1.0: attempt 1 of process 7 left 2 µs after attempt 2 of process 8"]
        );
        assert_eq!(
            found(Sink::ByKey, &["t1.0 2 8 11", "t1.0 2 7 11"], &row)?.len(),
            1
        );
        assert_eq!(
            found(Sink::ByKey, &["t1.0 3 8 11"], &row)?,
            ["t1.0: attempt 3 left, of 2 on record"]
        );
        Ok(())
    }

    #[test]
    fn a_double_that_nobody_drops_must_be_listed() -> anyhow::Result<()> {
        let lines = ["t1.0 1 7 11", "t1.0 2 8 12"];
        assert_eq!(
            found(Sink::Never, &lines, &["c|2|t1.0|sent|2|10"])?,
            ["t1.0: left 2 times, and is not listed as unknown"]
        );
        let listed = sends(Sink::Never, &lines, &["c|2|t1.0|unknown|2|10"])?;
        assert!(listed.violations.is_empty());
        assert_eq!(
            (listed.doubles, listed.unknown, listed.unknown_but_left),
            (1, 1, 1)
        );
        Ok(())
    }

    #[test]
    fn the_books_show_what_is_unknown() {
        let mut books = Accounting::default();
        assert!(listed(0, Some(&books)).is_none());
        assert!(listed(2, None).is_none());
        books.deliveries.insert("unknown".to_owned(), 1);
        assert!(listed(2, Some(&books)).is_some());
        assert!(listed(1, Some(&books)).is_none());
    }

    #[test]
    fn what_is_listed_has_left_the_order_and_nothing_stays_open() -> anyhow::Result<()> {
        let lines = ["t2.0 1 7 21", "t1.0 1 8 22"];
        let rows = ["c|2|t1.0|unknown|1|10", "c|4|t2.0|sent|1|20"];
        assert!(found(Sink::Never, &lines, &rows)?.is_empty());
        assert_eq!(
            found(Sink::ByKey, &lines, &rows)?,
            ["t1.0: is left unknown after it left 1 times"]
        );
        for open in ["queued", "sending", "retry", "in_doubt", "failed"] {
            let row = format!("c|2|t1.0|{open}|1|10");
            assert_eq!(found(Sink::Never, &[], &[&row])?.len(), 1, "{open}");
        }
        Ok(())
    }
}
