//! Who is next: conversations that wait for a worker.
//!
//! Each has a priority and a tenant. Priorities share the starts by weight, so that what
//! is urgent goes first and nothing is forgotten. Within a priority tenants take turns,
//! and within a tenant it is first come, first served. A conversation waits once, however
//! much it has pending, and goes to the end after a turn. What has waited for [`AGED`]
//! has every other start, the oldest first, whatever its priority and tenant: that bounds
//! how long anything waits, and leaves the other half to what is new.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use zupa_core::{ConversationId, TenantId};

/// What has waited for so long has every other start.
pub(crate) const AGED: Duration = Duration::from_secs(10);

/// Why a conversation is to have a turn. The first is the most urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Priority {
    /// Somebody has said or decided something, and waits for an answer.
    Person,
    /// A time has come: a reminder, the end of a wait or of a session.
    Timer,
    /// It is tried again after an error.
    Retry,
}

impl Priority {
    pub(crate) const ALL: [Self; 3] = [Self::Person, Self::Timer, Self::Retry];

    /// The word for it in events.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Timer => "timer",
            Self::Retry => "retry",
        }
    }
}

/// Whose starts are: eight, three and one of a dozen. Where nobody waits the next has it,
/// so that whoever waits is not passed over for more than a dozen.
const ROUND: [Priority; 12] = {
    use Priority::{Person, Retry, Timer};
    [
        Person, Timer, Person, Person, Retry, Person, Timer, Person, Person, Person, Timer, Person,
    ]
};

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub priority: Priority,
    number: u64,
}

/// Conversations that wait for a worker.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    lines: [Line; Priority::ALL.len()],
    /// Tickets given so far.
    given: u64,
    /// Where the round is.
    place: usize,
    /// Whether the last start went to what had waited for long.
    last_was_aged: bool,
}

impl Queue {
    /// Puts a conversation at the end of its priority and tenant. Times of calls never
    /// go back.
    pub(crate) fn push(
        &mut self,
        priority: Priority,
        tenant: Option<TenantId>,
        conversation: ConversationId,
        now: Duration,
    ) -> Ticket {
        self.given += 1;
        let number = self.given;
        let waiting = Waiting {
            conversation,
            since: now,
        };
        self.lines[priority as usize].push(number, tenant, waiting);
        Ticket { priority, number }
    }

    /// Takes a conversation out.
    pub(crate) fn remove(&mut self, ticket: Ticket) {
        self.lines[ticket.priority as usize].remove(ticket.number);
    }

    /// Takes whoever is next.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<ConversationId> {
        let aged = if self.last_was_aged {
            None
        } else {
            self.take_aged(now)
        };
        self.last_was_aged = aged.is_some();
        aged.or_else(|| self.take_round())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.waiting.is_empty())
    }

    pub(crate) fn len(&self) -> usize {
        self.lines.iter().map(|line| line.waiting.len()).sum()
    }

    /// How many wait with a priority.
    pub(crate) fn waiting(&self, priority: Priority) -> usize {
        self.lines[priority as usize].waiting.len()
    }

    /// Since when the one that has waited for longest with a priority does.
    pub(crate) fn oldest(&self, priority: Priority) -> Option<Duration> {
        self.lines[priority as usize]
            .oldest()
            .map(|(_, oldest)| oldest.since)
    }

    fn take_aged(&mut self, now: Duration) -> Option<ConversationId> {
        let (number, priority) = Priority::ALL
            .into_iter()
            .filter_map(|priority| {
                let (number, oldest) = self.lines[priority as usize].oldest()?;
                (now.saturating_sub(oldest.since) >= AGED).then_some((number, priority))
            })
            .min()?;
        let aged = self.lines[priority as usize].remove(number);
        aged.map(|aged| aged.conversation)
    }

    fn take_round(&mut self) -> Option<ConversationId> {
        for _ in ROUND {
            let line = &mut self.lines[ROUND[self.place] as usize];
            self.place = (self.place + 1) % ROUND.len();
            if let Some(next) = line.take_turns() {
                return Some(next);
            }
        }
        None
    }
}

#[derive(Debug)]
struct Waiting {
    conversation: ConversationId,
    since: Duration,
}

/// Those that wait with one priority.
#[derive(Debug, Default)]
struct Line {
    /// In the order of their coming.
    waiting: BTreeMap<u64, Waiting>,
    /// Numbers by tenant; also of some that do not wait any more. Whoever is not known
    /// to be anybody's shares one place.
    tenants: HashMap<Option<TenantId>, VecDeque<u64>>,
    /// The tenants above, whose turn it is first.
    ring: VecDeque<Option<TenantId>>,
}

impl Line {
    fn push(&mut self, number: u64, tenant: Option<TenantId>, waiting: Waiting) {
        self.waiting.insert(number, waiting);
        match self.tenants.get_mut(&tenant) {
            Some(numbers) => numbers.push_back(number),
            None => {
                self.tenants.insert(tenant.clone(), [number].into());
                self.ring.push_back(tenant);
            }
        }
    }

    fn oldest(&self) -> Option<(u64, &Waiting)> {
        let (number, waiting) = self.waiting.first_key_value()?;
        Some((*number, waiting))
    }

    fn remove(&mut self, number: u64) -> Option<Waiting> {
        let removed = self.waiting.remove(&number);
        if self.waiting.is_empty() {
            self.tenants.clear();
            self.ring.clear();
        }
        removed
    }

    /// Takes the first of the tenant whose turn it is.
    fn take_turns(&mut self) -> Option<ConversationId> {
        while let Some(tenant) = self.ring.pop_front() {
            let numbers = self.tenants.get_mut(&tenant)?;
            let waiting = &self.waiting;
            while numbers
                .front()
                .is_some_and(|number| !waiting.contains_key(number))
            {
                numbers.pop_front();
            }
            let Some(number) = numbers.pop_front() else {
                self.tenants.remove(&tenant);
                continue;
            };
            self.ring.push_back(tenant);
            return self.remove(number).map(|taken| taken.conversation);
        }
        None
    }
}

#[cfg(test)]
mod tests;
