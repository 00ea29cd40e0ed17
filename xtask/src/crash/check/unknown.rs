//! U: what is given up as unknown has a reason: the platform never said what became of its
//! last attempt, or that attempt was open when a process was killed. So the list is no longer
//! than both together.

use super::{Check, Violation};
use crate::crash::book::Departure;
use crate::crash::oracle::log::Left;
use crate::crash::screens::Delivery;

/// The longest that an attempt is open, in microseconds: its timeout, and then some for the
/// machine.
const OPEN: u64 = 2_500_000;

/// Why deliveries are unknown.
#[derive(Debug, Default)]
pub struct Reasons {
    pub by_platform: u64,
    pub by_kills: u64,
    pub violations: Vec<Violation>,
}

pub fn check(deliveries: &[Delivery], left: &[Left], kills: &[Departure]) -> Reasons {
    let mut reasons = Reasons::default();
    for delivery in deliveries.iter().filter(|delivery| delivery.is_unknown()) {
        let key = &delivery.row.key;
        let last = left.iter().rfind(|left| left.key == *key);
        let tried_at = last.map_or(delivery.tried_at, |last| last.came);
        let was_open = kills
            .iter()
            .any(|kill| (tried_at..tried_at + OPEN).contains(&kill.at));
        let wrong = match last {
            Some(last) if last.seen && last.tells => Some("the platform told of it"),
            Some(last) if !last.answered => {
                reasons.by_platform += 1;
                None
            }
            _ if was_open => {
                reasons.by_kills += 1;
                None
            }
            Some(_) => Some("it was answered, and no kill came soon after it"),
            None => Some("it never reached the platform, and no kill came soon after it"),
        };
        reasons.violations.extend(wrong.map(|wrong| {
            let detail = format!("{key}: is unknown, but {wrong}");
            Violation::new(Check::Sends, detail)
        }));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::super::planted::{conversation, details};
    use super::*;

    /// An unknown delivery that was tried at the third second.
    fn found(last: Option<(bool, bool, bool)>, killed_at: u64) -> anyhow::Result<Vec<String>> {
        let line = "x|2|t1.0|unknown|1|3000000|3000000|hi";
        let left = last.map(|(seen, answered, tells)| Left {
            conversation: conversation("c1"),
            key: "t1.0".to_owned(),
            came: 3_000_000,
            seen,
            answered,
            tells,
            tokens: Vec::new(),
        });
        let kill = Departure {
            incarnation: 1,
            at: killed_at,
            turns: Vec::new(),
        };
        let left: Vec<Left> = left.into_iter().collect();
        let found = check(&[Delivery::parse(line)?], &left, &[kill]);
        assert_eq!(
            found.by_kills + found.by_platform + found.violations.len() as u64,
            1
        );
        let details = details(&found.violations).into_iter();
        Ok(details.map(str::to_owned).collect())
    }

    #[test]
    fn a_kill_or_a_silent_platform_is_a_reason() -> anyhow::Result<()> {
        for (last, killed_at) in [
            (None, 3_000_100),
            (Some((true, true, false)), 3_100_000),
            (Some((true, false, false)), 0),
            (Some((false, false, false)), 0),
        ] {
            assert!(found(last, killed_at)?.is_empty(), "{last:?}");
        }
        Ok(())
    }

    #[test]
    fn nothing_else_is() -> anyhow::Result<()> {
        for (last, killed_at, why) in [
            (None, 2_999_999, "it never reached"),
            (None, 5_500_001, "it never reached"),
            (Some((true, true, false)), 0, "it was answered"),
            (Some((true, false, true)), 3_000_100, "the platform told"),
        ] {
            let found = found(last, killed_at)?;
            assert!(found[0].contains(why), "{found:?}");
        }
        Ok(())
    }
}
