//! The law of conservation: accepted = ended + open, plus what was purged.

use zupa_core::desk::Accounting;

use super::finding::Finding;
use crate::cli::failure::{Code, Failure};
use crate::cli::source::Source;
use crate::cli::{operator, print};

/// Counts every message, by whoever has the store.
pub async fn read(source: &Source) -> Result<Accounting, Failure> {
    match source {
        Source::Store(opened) => Ok(opened.desk.accounting().await?),
        Source::Server(server) => operator::get(server, "/api/v1/accounting")
            .await?
            .ok_or_else(|| Failure::new(Code::Failed, "the server is of another version")),
    }
}

/// Prints the sum; an error code where it does not hold.
pub fn print(counts: &Accounting, as_json: bool) -> Result<Code, Failure> {
    let missing = counts.missing();
    if as_json {
        print::json(&serde_json::json!({
            "version": 1, "accounting": counts, "balanced": missing == 0, "difference": missing,
        }))?;
    } else {
        print::line(format_args!("{}", sum(counts)));
        for (side, states) in [("open", &counts.open), ("ended", &counts.ended)] {
            for (state, count) in states {
                print::line(format_args!("  {side:<5}  {state:<18} {count}"));
            }
        }
        print::line(format_args!("difference  {missing}"));
    }
    Ok(match missing {
        0 => Code::Ok,
        _ => Code::IntegrityViolated,
    })
}

/// The same as one check among others.
pub fn finding(counts: &Accounting) -> Finding {
    match counts.missing() {
        0 => Finding::ok("accounting", sum(counts)),
        missing => Finding::fail(
            "accounting",
            format!("{}, difference {missing}", sum(counts)),
            "every accepted message is in exactly one state, and these are not",
            "keep a copy of the store, then `zupa db restore --drill` with the newest backup",
        )
        .violated(),
    }
}

fn sum(counts: &Accounting) -> String {
    let (ended, open): (u64, u64) = (counts.ended.values().sum(), counts.open.values().sum());
    let Accounting {
        accepted, purged, ..
    } = counts;
    let sign = if counts.is_balanced() { "=" } else { "≠" };
    format!("{accepted} accepted {sign} {ended} ended + {open} open + {purged} purged")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_difference_has_a_sign() {
        let mut counts = Accounting {
            accepted: 3,
            purged: 1,
            ..Accounting::default()
        };
        counts.ended.insert("answered".into(), 1);
        counts.open.insert("queued".into(), 1);
        assert_eq!(counts.missing(), 0);
        assert_eq!(sum(&counts), "3 accepted = 1 ended + 1 open + 1 purged");
        counts.purged = 0;
        assert_eq!(counts.missing(), 1);
        counts.accepted = 0;
        assert_eq!(counts.missing(), -2);
        assert!(sum(&counts).contains('≠'));
    }
}
