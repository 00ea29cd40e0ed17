//! Who may be written to. WhatsApp bans accounts that write to strangers.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use zupa_core::Alias;

const HOUR: Duration = Duration::from_secs(60 * 60);
/// People who are remembered as having written.
const MAX_HEARD: usize = 100_000;

/// Who has written, and how many strangers were written to. Times are of a clock that does
/// not jump.
#[derive(Debug)]
pub(crate) struct Contacts {
    heard: HashSet<Alias>,
    /// Strangers of the last hour, in order.
    strangers: VecDeque<Duration>,
    strangers_per_hour: usize,
}

/// Whether somebody who has never written may be written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// Has written, or may be written to first.
    Allow,
    /// Only if the chat shows that they have written.
    Refuse,
}

impl Contacts {
    pub(crate) fn new(strangers_per_hour: u32) -> Self {
        Self {
            heard: HashSet::new(),
            strangers: VecDeque::new(),
            strangers_per_hour: usize::try_from(strangers_per_hour).unwrap_or(usize::MAX),
        }
    }

    /// Somebody has written.
    pub(crate) fn heard(&mut self, alias: &Alias) {
        if self.heard.len() >= MAX_HEARD {
            self.heard.clear();
        }
        self.heard.insert(alias.clone());
    }

    /// Counts a message to somebody of whom nothing has been heard, if one more may leave.
    pub(crate) fn first(&mut self, now: Duration, to: &Alias) -> First {
        if self.heard.contains(to) {
            return First::Allow;
        }
        self.forget(now);
        if self.strangers.len() >= self.strangers_per_hour {
            return First::Refuse;
        }
        self.strangers.push_back(now);
        First::Allow
    }

    /// How long until one more stranger may be written to; none if that is never wanted.
    pub(crate) fn next_first(&mut self, now: Duration) -> Option<Duration> {
        if self.strangers_per_hour == 0 {
            return None;
        }
        self.forget(now);
        let full = self.strangers.len() >= self.strangers_per_hour;
        let oldest = self.strangers.front().filter(|_| full);
        Some(oldest.map_or(Duration::ZERO, |oldest| *oldest + HOUR - now))
    }

    fn forget(&mut self, now: Duration) {
        while self.strangers.front().is_some_and(|at| *at + HOUR <= now) {
            self.strangers.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn who_has_not_written_is_not_written_to_unless_that_is_wanted() {
        let ana = Alias::parse("15550001111@c.us").unwrap();
        let mut careful = Contacts::new(0);
        assert_eq!(careful.first(seconds(0), &ana), First::Refuse);
        assert_eq!(careful.next_first(seconds(0)), None);
        careful.heard(&ana);
        assert_eq!(careful.first(seconds(1), &ana), First::Allow);

        let mut bold = Contacts::new(1);
        assert_eq!(bold.next_first(seconds(0)), Some(Duration::ZERO));
        assert_eq!(bold.first(seconds(0), &ana), First::Allow);
        assert_eq!(bold.first(seconds(1), &ana), First::Refuse);
        assert_eq!(bold.next_first(seconds(1)), Some(seconds(3_599)));
        assert_eq!(bold.first(seconds(3_600), &ana), First::Allow);
    }
}
