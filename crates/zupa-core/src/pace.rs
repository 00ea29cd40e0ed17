//! How fast a channel may be sent to. Pure: a store keeps the burst of each conversation
//! with it, and asks here whether one more message may leave.

use std::time::Duration;

use crate::time::Timestamp;

/// How fast a channel may be sent to: what its platform allows, or what is wise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The least time between two messages. Each process keeps it for itself.
    pub gap: Duration,
    /// How much longer than `gap` one may be, in percent of it: each is drawn anew. 0 for
    /// even gaps.
    pub spread: u32,
    /// Most messages within any hour, at least 1; each process counts its own, from its
    /// start. None: as many as the gaps let through.
    pub per_hour: Option<u32>,
    /// Messages to one conversation; kept in its row, by all processes together. None: as
    /// those to all.
    pub pair: Option<PairPace>,
}

/// What is kept back of a platform's limit, for messages that overtake each other on their
/// way, in percent.
const KEPT_BACK: u32 = 10;

impl Pace {
    /// Even gaps for a platform that counts the messages of a second; 0 counts as 1.
    pub fn per_second(messages: u32) -> Self {
        let gap = Duration::from_secs(1) / messages.max(1);
        Self {
            gap: gap * (100 + KEPT_BACK) / 100,
            spread: 0,
            per_hour: None,
            pair: None,
        }
    }
}

/// How fast one conversation may be sent to: one message in `every`, or a burst of messages
/// within that time, which borrows from the time that follows: after `n` of them the next
/// may leave `n` times `every` after the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairPace {
    /// The time that belongs to one message.
    pub every: Duration,
    /// Most messages of one burst; at least 1.
    pub burst: u32,
    /// How much later than another one a message may arrive there. Bursts end so much
    /// earlier, and pauses so much later. Less than `every`.
    pub slack: Duration,
}

/// The burst that a conversation is in, or was in last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paced {
    /// The attempt that began it.
    pub from: Timestamp,
    /// Attempts of it so far.
    pub count: u32,
}

impl PairPace {
    /// The reason of a delivery that waits for its time.
    pub const REASON: &'static str = "paced";

    /// The burst with one more attempt in it, `now`.
    ///
    /// *Errors*: the time at which there may be one.
    pub fn next(&self, last: Option<Paced>, now: Timestamp) -> Result<Paced, Timestamp> {
        let anew = Paced {
            from: now,
            count: 1,
        };
        // From the future: the clock was set back, and nobody waits for that.
        let Some(burst) = last.filter(|burst| burst.from <= now) else {
            return Ok(anew);
        };
        let over = burst
            .from
            .plus(self.every.saturating_mul(burst.count))
            .plus(self.slack);
        let closes = burst.from.plus(self.every.saturating_sub(self.slack));
        if now >= over {
            Ok(anew)
        } else if now < closes && burst.count < self.burst {
            Ok(Paced {
                count: burst.count + 1,
                ..burst
            })
        } else {
            Err(over)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: PairPace = PairPace {
        every: Duration::from_secs(6),
        burst: 3,
        slack: Duration::from_secs(1),
    };

    fn at(millis: i64) -> Timestamp {
        Timestamp(millis * 1_000)
    }

    #[track_caller]
    fn check(count: u32, now: i64, expected: Result<(i64, u32), i64>) {
        let last = Paced { from: at(0), count };
        let expected = expected.map(|(from, count)| Paced {
            from: at(from),
            count,
        });
        assert_eq!(PACE.next(Some(last), at(now)), expected.map_err(at));
    }

    #[test]
    fn a_burst_is_paid_for_by_the_time_that_follows() {
        assert_eq!(
            PACE.next(None, at(5)),
            Ok(Paced {
                from: at(5),
                count: 1
            })
        );
        check(1, 0, Ok((0, 2)));
        check(2, 4_999, Ok((0, 3)));
        // It is over, and its time is not.
        check(1, 5_000, Err(7_000));
        check(2, 5_000, Err(13_000));
        check(2, 12_999, Err(13_000));
        check(2, 13_000, Ok((13_000, 1)));
        // No more than the burst.
        check(3, 0, Err(19_000));
    }

    #[test]
    fn a_clock_that_was_set_back_holds_nobody_up() {
        check(3, -1, Ok((-1, 1)));
    }
}
