//! Redelivery: which acknowledged messages wait to be sent again, and until when.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::crash::script::Message;
use crate::crash::words::Key;

#[derive(Debug, Default)]
pub struct Repeats {
    waiting: Mutex<Waiting>,
    /// Planned and not yet answered.
    open: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    /// The replica that accepted a message first.
    taken: BTreeMap<Key, usize>,
    restart: Vec<Message>,
    /// By the number of acknowledgements at which they are due.
    late: BTreeMap<u64, Vec<Message>>,
    acknowledged: u64,
}

impl Repeats {
    pub fn plan(&self) {
        self.open.fetch_add(1, Ordering::SeqCst);
    }

    pub fn answered(&self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }

    pub fn none_open(&self) -> bool {
        self.open.load(Ordering::SeqCst) == 0
    }

    /// Keeps a planned message for the next restart.
    pub fn keep_for_restart(&self, message: Message) {
        self.waiting().restart.push(message);
    }

    /// Keeps a planned message until so many others were acknowledged.
    pub fn keep_for_long(&self, message: Message, others: u64) {
        let mut waiting = self.waiting();
        let due = waiting.acknowledged + others;
        waiting.late.entry(due).or_default().push(message);
    }

    /// Counts an acknowledgement; returns what has become due by it.
    pub fn acknowledged(&self) -> Vec<Message> {
        let mut waiting = self.waiting();
        waiting.acknowledged += 1;
        let later = waiting.acknowledged + 1;
        let rest = waiting.late.split_off(&later);
        std::mem::replace(&mut waiting.late, rest)
            .into_values()
            .flatten()
            .collect()
    }

    pub fn after_restart(&self) -> Vec<Message> {
        std::mem::take(&mut self.waiting().restart)
    }

    /// Notes which replica accepted a message; true the first time.
    pub fn taken(&self, key: &Key, door: usize) -> bool {
        self.waiting().taken.insert(key.clone(), door).is_none()
    }

    pub fn taken_by(&self, key: &Key) -> Option<usize> {
        self.waiting().taken.get(key).copied()
    }

    pub fn all(&self) -> Vec<Message> {
        let mut waiting = self.waiting();
        let late = std::mem::take(&mut waiting.late);
        let restart = std::mem::take(&mut waiting.restart);
        restart
            .into_iter()
            .chain(late.into_values().flatten())
            .collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::script::Script;
    use crate::crash::words::{Conversation, Door};

    fn message(seq: u32) -> Message {
        Script::plain(1).message(
            &Conversation {
                door: Door::Main,
                name: "c0".to_owned(),
            },
            seq,
        )
    }

    #[test]
    fn late_ones_wait_for_others() {
        let repeats = Repeats::default();
        repeats.keep_for_long(message(1), 2);
        repeats.keep_for_long(message(2), 3);
        assert_eq!(repeats.acknowledged(), []);
        assert_eq!(repeats.acknowledged(), [message(1)]);
        assert_eq!(repeats.all(), [message(2)]);
    }

    #[test]
    fn a_restart_takes_only_what_waits_for_it() {
        let repeats = Repeats::default();
        repeats.keep_for_restart(message(1));
        repeats.keep_for_long(message(2), 1);
        assert_eq!(repeats.after_restart(), [message(1)]);
        assert_eq!(repeats.after_restart(), []);
        assert_eq!(repeats.all(), [message(2)]);
    }

    #[test]
    fn open_until_answered() {
        let repeats = Repeats::default();
        repeats.plan();
        assert!(!repeats.none_open());
        repeats.answered();
        assert!(repeats.none_open());
    }
}
