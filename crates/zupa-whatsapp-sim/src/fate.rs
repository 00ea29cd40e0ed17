//! What becomes of a send that nothing is wrong with, and which statuses tell of it.

use std::time::Duration;

use rand::Rng;
use rand::rngs::SmallRng;

use crate::options::Faults;
use crate::person::Level;

/// What the Graph API does with one send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Takes it and says so.
    Take,
    /// Takes it and says so after this time.
    TakeLate(Duration),
    /// Takes it and hangs up.
    LoseAnswer,
    /// Does not take it and hangs up.
    HangUp,
    /// Takes it and answers with this status and nothing else.
    TakeAndFail(u16),
    /// Does not take it and answers with this status and nothing else.
    Fail(u16),
    /// Does not take it and answers with this code of Meta's.
    Refuse(i64),
}

impl Fate {
    pub(crate) fn draw(faults: &Faults, dice: &mut SmallRng) -> Self {
        let mut left = dice.random_range(0..1_000_u16);
        let code = match faults.error_codes.len() {
            0 => None,
            count => Some(faults.error_codes[dice.random_range(0..count)]),
        };
        let fates = [
            (faults.lost_answers, Some(Self::LoseAnswer)),
            (faults.hang_ups, Some(Self::HangUp)),
            (faults.empty_5xx, Some(Self::Fail(503))),
            (faults.taken_5xx, Some(Self::TakeAndFail(502))),
            (faults.errors, code.map(Self::Refuse)),
            (faults.late_answers, Some(Self::TakeLate(faults.late))),
        ];
        for (share, fate) in fates {
            match left.checked_sub(share) {
                Some(rest) => left = rest,
                None => return fate.unwrap_or(Self::Take),
            }
        }
        Self::Take
    }

    pub(crate) fn takes(self) -> bool {
        matches!(
            self,
            Self::Take | Self::TakeLate(_) | Self::LoseAnswer | Self::TakeAndFail(_)
        )
    }
}

/// The statuses of one message, in their order; posting shuffles them.
pub(crate) fn statuses(faults: &Faults, dice: &mut SmallRng) -> Vec<Level> {
    // All are drawn, whatever the first says: a fault that is switched on changes no other.
    let mut comes_up = |share| crate::dice::comes_up(dice, share);
    let (withheld, failed, skipped) = (
        comes_up(faults.withheld_statuses),
        comes_up(faults.failed_statuses),
        comes_up(faults.skipped_delivered),
    );
    if withheld {
        Vec::new()
    } else if failed {
        vec![Level::Sent, Level::Failed]
    } else if skipped {
        vec![Level::Sent, Level::Read]
    } else {
        vec![Level::Sent, Level::Delivered, Level::Read]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::dice;

    #[test]
    fn each_fate_has_its_share_and_one_seed_draws_the_same() {
        let faults = Faults {
            lost_answers: 100,
            hang_ups: 50,
            errors: 200,
            error_codes: vec![131_016],
            ..Faults::default()
        };
        let drawn = |seed| -> Vec<Fate> {
            let draw = |n| Fate::draw(&faults, &mut dice(seed, n));
            (0..4_000_u32).map(draw).collect()
        };
        let first = drawn(1);
        assert_eq!(first, drawn(1));
        assert_ne!(first, drawn(2));
        let share = |fate| first.iter().filter(|it| **it == fate).count();
        for (fate, least, most) in [
            (Fate::LoseAnswer, 340, 460),
            (Fate::HangUp, 150, 250),
            (Fate::Refuse(131_016), 720, 880),
            (Fate::Take, 2_480, 2_720),
        ] {
            let share = share(fate);
            assert!((least..most).contains(&share), "{share} of {fate:?}");
        }
    }
}
