//! How carefully messages leave. WhatsApp bans accounts that behave like machines.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use zupa_core::{Alias, DeliveryId};

use crate::config::WwebjsConfig;

const HOUR: Duration = Duration::from_secs(60 * 60);
/// People who are remembered as having written.
const MAX_HEARD: usize = 100_000;
/// A gap is longer than the configured one by up to this share of it.
const SPREAD: f64 = 0.8;

/// When the next message may leave. Times are of a clock that does not jump.
#[derive(Debug)]
pub(crate) struct Pace {
    per_hour: usize,
    gap: Duration,
    first_per_hour: usize,
    /// Places of the last hour and of the time to come, in order.
    places: VecDeque<Duration>,
    /// Whose the places to come are: who is turned away comes back to one of its own, or
    /// many that wait for one moment would lose an attempt each, all but one.
    kept: HashMap<DeliveryId, Duration>,
    first: VecDeque<Duration>,
    next: Duration,
    last: Option<Duration>,
    heard: HashSet<Alias>,
}

/// Whether somebody who has never written may be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// Has written, or may be written to first.
    Allow,
    /// Only if the chat shows that they have written.
    Refuse,
}

impl Pace {
    pub(crate) fn new(config: &WwebjsConfig) -> Self {
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        Self {
            per_hour: count(config.sends_per_hour),
            gap: config.send_gap,
            first_per_hour: count(config.first_contacts_per_hour),
            places: VecDeque::new(),
            kept: HashMap::new(),
            first: VecDeque::new(),
            next: Duration::ZERO,
            last: None,
            heard: HashSet::new(),
        }
    }

    /// Somebody has written.
    pub(crate) fn heard(&mut self, alias: &Alias) {
        if self.heard.len() >= MAX_HEARD {
            self.heard.clear();
        }
        self.heard.insert(alias.clone());
    }

    /// Takes the place of one message; or keeps one for it and says how long until then.
    pub(crate) fn take(
        &mut self,
        now: Duration,
        delivery: DeliveryId,
        to: &Alias,
        random: u64,
    ) -> Result<First, Duration> {
        let place = match self.kept.get(&delivery) {
            Some(place) => *place,
            None => self.reserve(now, random),
        };
        // Who comes back late must not stand too close to who is in time.
        let apart = self.last.map_or(place, |last| place.max(last + self.gap));
        if now < apart {
            self.kept.insert(delivery, place);
            return Err(apart - now);
        }
        self.kept.remove(&delivery);
        self.last = Some(now);
        forget(&mut self.first, now);
        Ok(match self.heard.contains(to) {
            true => First::Allow,
            false if self.first.len() < self.first_per_hour => {
                self.first.push_back(now);
                First::Allow
            }
            false => First::Refuse,
        })
    }

    /// The next place that nobody has.
    fn reserve(&mut self, now: Duration, random: u64) -> Duration {
        forget(&mut self.places, now);
        // Whoever has not come for an hour does not come.
        self.kept.retain(|_, place| *place + HOUR > now);
        let mut place = self.next.max(now);
        if let Some(before) = self.places.len().checked_sub(self.per_hour) {
            place = place.max(self.places[before] + HOUR);
        }
        self.places.push_back(place);
        // The low bits are random in every kind of id.
        let chance = f64::from(random as u32) / f64::from(u32::MAX);
        self.next = place + self.gap.mul_f64(1.0 + SPREAD * chance);
        place
    }
}

fn forget(times: &mut VecDeque<Duration>, now: Duration) {
    while times.front().is_some_and(|at| *at + HOUR <= now) {
        times.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use zupa_core::{ChannelId, Ids, TenantId, TurnId};
    use zupa_testkit::SeqIds;

    use super::*;

    fn pace(change: impl FnOnce(&mut WwebjsConfig)) -> Pace {
        let channel = ChannelId::parse("phone").unwrap();
        let mut config = WwebjsConfig::new(channel, TenantId::default_tenant(), "/s");
        config.send_gap = Duration::ZERO;
        change(&mut config);
        Pace::new(&config)
    }

    fn ana() -> Alias {
        Alias::parse("15550001111@c.us").unwrap()
    }

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn delivery(number: u128) -> DeliveryId {
        DeliveryId {
            turn: TurnId(Uuid::from_u128(number)),
            ordinal: 0,
        }
    }

    #[test]
    fn an_hour_has_so_many_messages_and_not_one_more() {
        let mut pace = pace(|config| config.sends_per_hour = 3);
        for at in [0, 10, 20] {
            assert!(
                pace.take(seconds(at), delivery(at.into()), &ana(), 0)
                    .is_ok()
            );
        }
        let mut take = |at, number| pace.take(seconds(at), delivery(number), &ana(), 0);
        assert_eq!(take(30, 100), Err(seconds(3_570)));
        assert_eq!(take(3_599, 100), Err(seconds(1)));
        assert!(take(3_600, 100).is_ok());
        assert_eq!(take(3_600, 101), Err(seconds(10)));
    }

    #[test]
    fn many_that_come_at_once_each_come_back_once() {
        let mut pace = pace(|config| {
            config.send_gap = seconds(2);
            config.sends_per_hour = 1_000;
        });
        let ids = SeqIds::seeded(7);
        let turned_away: Vec<_> = (0..30)
            .filter_map(|number| {
                let refused = pace.take(seconds(0), delivery(number), &ana(), ids.random());
                refused.err().map(|wait| (number, wait))
            })
            .collect();
        assert_eq!(turned_away.len(), 29);
        let mut gaps: Vec<_> = turned_away
            .windows(2)
            .map(|pair| pair[1].1 - pair[0].1)
            .collect();
        for (number, wait) in turned_away {
            assert!(
                pace.take(wait, delivery(number), &ana(), 0).is_ok(),
                "{number}"
            );
        }
        gaps.sort();
        assert!(gaps[0] >= seconds(2) && gaps[28 - 1] <= Duration::from_millis(3_600));
        assert!(
            gaps[27].as_secs_f64() / gaps[0].as_secs_f64() >= 1.3,
            "{gaps:?}"
        );
    }

    #[test]
    fn who_comes_back_late_keeps_its_distance() {
        let mut pace = pace(|config| config.send_gap = seconds(10));
        let mut take = |at, number| pace.take(seconds(at), delivery(number), &ana(), 0);
        assert!(take(0, 0).is_ok());
        assert_eq!(take(0, 1), Err(seconds(10)));
        assert_eq!(take(0, 2), Err(seconds(20)));
        assert!(take(19, 1).is_ok());
        assert_eq!(take(20, 2), Err(seconds(9)));
        assert!(take(29, 2).is_ok());
    }

    #[test]
    fn who_has_not_written_is_not_written_to_unless_that_is_wanted() {
        let mut careful = pace(|_| {});
        let taken =
            |pace: &mut Pace, at: u64| pace.take(seconds(at), delivery(at.into()), &ana(), 0);
        assert_eq!(taken(&mut careful, 0), Ok(First::Refuse));
        careful.heard(&ana());
        assert_eq!(taken(&mut careful, 1), Ok(First::Allow));

        let mut bold = pace(|config| config.first_contacts_per_hour = 1);
        assert_eq!(taken(&mut bold, 0), Ok(First::Allow));
        assert_eq!(taken(&mut bold, 1), Ok(First::Refuse));
        assert_eq!(taken(&mut bold, 3_600), Ok(First::Allow));
    }
}
