//! What one process knows of the work. All of it can be lost: the store knows better,
//! and the poll asks it.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use zupa_core::store::Due;
use zupa_core::{ConversationId, TenantId, Timestamp};

use super::Next;
use super::queue::{Priority, Queue, Ticket};

/// Conversations that run, wait for a worker, or are due later.
#[derive(Debug, Default)]
pub(crate) struct Work {
    known: HashMap<ConversationId, Known>,
    queue: Queue,
    later: BinaryHeap<Reverse<(Timestamp, ConversationId)>>,
    /// Of those due later: when, and how urgent they will be.
    put_off: HashMap<ConversationId, (Timestamp, Priority, Option<TenantId>)>,
    /// Started out of the queue, by priority.
    started: [u64; Priority::ALL.len()],
    running: [usize; Priority::ALL.len()],
}

/// A conversation with a worker, or waiting for one.
#[derive(Debug)]
struct Known {
    tenant: Option<TenantId>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Waiting(Ticket),
    /// True when there is more to look at after.
    Running(Priority, bool),
}

/// What waits and runs with one priority, at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Measured {
    pub waiting: usize,
    pub running: usize,
    /// Since when the one that waits for longest does, on the monotonic clock.
    pub oldest: Option<Duration>,
    /// Started so far, after they had waited.
    pub started: u64,
}

impl Work {
    /// Takes note of work. Whoever is more urgent now than before moves up.
    pub(crate) fn offer(
        &mut self,
        conversation: ConversationId,
        tenant: Option<TenantId>,
        priority: Priority,
        now: Duration,
    ) {
        match self.known.entry(conversation) {
            Entry::Vacant(new) => {
                let ticket = self.queue.push(priority, tenant.clone(), conversation, now);
                let place = Place::Waiting(ticket);
                new.insert(Known { tenant, place });
            }
            Entry::Occupied(mut known) => {
                let known = known.get_mut();
                known.tenant = tenant.or_else(|| known.tenant.take());
                match &mut known.place {
                    Place::Running(_, again) => *again = true,
                    Place::Waiting(ticket) if priority < ticket.priority => {
                        self.queue.remove(*ticket);
                        let tenant = known.tenant.clone();
                        *ticket = self.queue.push(priority, tenant, conversation, now);
                    }
                    Place::Waiting(_) => {}
                }
            }
        }
    }

    /// Takes note of what the store has listed as due, or soon due. If this process has
    /// put it off it knows better why.
    pub(crate) fn listed(
        &mut self,
        due: Due,
        priority: Priority,
        (wall, now): (Timestamp, Duration),
    ) {
        let Due {
            conversation,
            tenant,
            at,
        } = due;
        if self.known.contains_key(&conversation) {
            return;
        }
        if at <= wall {
            let known = self.put_off.remove(&conversation);
            let priority = known.map_or(priority, |(_, priority, _)| priority);
            self.offer(conversation, Some(tenant), priority, now);
        } else if !self.put_off.contains_key(&conversation) {
            self.put_off(at, conversation, priority, Some(tenant));
        }
    }

    /// Takes whoever is next, who runs from now on.
    pub(crate) fn start_next(&mut self, now: Duration) -> Option<ConversationId> {
        let conversation = self.queue.pop(now)?;
        let known = self.known.get_mut(&conversation)?;
        if let Place::Waiting(ticket) = known.place {
            known.place = Place::Running(ticket.priority, false);
            self.started[ticket.priority as usize] += 1;
            self.running[ticket.priority as usize] += 1;
        }
        Some(conversation)
    }

    /// Takes note of a turn that began without waiting. If its conversation waits for
    /// another one, that is looked at after.
    pub(crate) fn started(&mut self, conversation: ConversationId, tenant: &TenantId) {
        let mut again = false;
        if let Some(known) = self.known.get(&conversation) {
            match known.place {
                Place::Running(..) => return,
                Place::Waiting(ticket) => {
                    self.queue.remove(ticket);
                    again = true;
                }
            }
        }
        self.running[Priority::Person as usize] += 1;
        let known = Known {
            tenant: Some(tenant.clone()),
            place: Place::Running(Priority::Person, again),
        };
        self.known.insert(conversation, known);
    }

    /// Takes note of a run's end.
    pub(crate) fn ended(
        &mut self,
        conversation: ConversationId,
        next: Next,
        (wall, now): (Timestamp, Duration),
    ) {
        let (tenant, again) = match self.known.remove(&conversation) {
            Some(Known {
                tenant,
                place: Place::Running(priority, again),
            }) => {
                self.running[priority as usize] -= 1;
                (tenant, again)
            }
            // A second end of what has begun anew: nothing is known of it.
            Some(waiting) => {
                self.known.insert(conversation, waiting);
                return;
            }
            None => (None, false),
        };
        // Behind the others: a busy conversation does not hold a worker.
        match next {
            Next::Due(at) if at <= wall => self.offer(conversation, tenant, Priority::Person, now),
            Next::Due(at) => self.put_off(at, conversation, Priority::Person, tenant),
            Next::Retry(at) => self.put_off(at, conversation, Priority::Retry, tenant),
            Next::Idle if again => self.offer(conversation, tenant, Priority::Person, now),
            Next::Idle => {}
        }
    }

    /// Offers those whose time has come.
    pub(crate) fn offer_those_due(&mut self, (wall, now): (Timestamp, Duration)) {
        while let Some(Reverse((at, conversation))) = self.later.peek().copied() {
            if at > wall {
                return;
            }
            self.later.pop();
            // Another time may have been set since.
            if let Entry::Occupied(put_off) = self.put_off.entry(conversation)
                && put_off.get().0 == at
            {
                let (_, priority, tenant) = put_off.remove();
                self.offer(conversation, tenant, priority, now);
            }
        }
    }

    /// When the next of those comes due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.later.peek().map(|Reverse((at, _))| *at)
    }

    pub(crate) fn nobody_waits(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many wait for a worker.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// What there is to tell of a priority.
    pub(crate) fn measure(&self, priority: Priority) -> Measured {
        Measured {
            waiting: self.queue.waiting(priority),
            running: self.running[priority as usize],
            oldest: self.queue.oldest(priority),
            started: self.started[priority as usize],
        }
    }

    fn put_off(
        &mut self,
        at: Timestamp,
        conversation: ConversationId,
        priority: Priority,
        tenant: Option<TenantId>,
    ) {
        self.later.push(Reverse((at, conversation)));
        self.put_off.insert(conversation, (at, priority, tenant));
    }
}

#[cfg(test)]
mod tests;
