//! One replica as the sender sees it: its address, the incarnation behind it, and
//! the acknowledgements that somebody waits for.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::crash::wire::Report;
use crate::crash::words::unix_micros;

#[derive(Debug)]
pub struct Door {
    pub at: SocketAddr,
    incarnation: AtomicU64,
    first_ack: AtomicU64,
    watch: AtomicU32,
    answered: AtomicU32,
}

impl Door {
    pub fn new(at: SocketAddr) -> Self {
        Self {
            at,
            incarnation: AtomicU64::new(0),
            first_ack: AtomicU64::new(0),
            watch: AtomicU32::new(0),
            answered: AtomicU32::new(0),
        }
    }

    pub fn start(&self, incarnation: u64) {
        self.incarnation.store(incarnation, Ordering::SeqCst);
    }

    pub fn incarnation(&self) -> u64 {
        self.incarnation.load(Ordering::SeqCst)
    }

    /// The next acknowledgement is to be reported. Watches are numbered from 1.
    pub fn watch(&self, number: u32) {
        self.watch.store(number, Ordering::SeqCst);
    }

    /// What is to be reported of an acknowledgement, given the incarnation that
    /// was current when its request left.
    pub fn acknowledged(&self, door: usize, incarnation: u64) -> Vec<Report> {
        let at = unix_micros();
        let first = self.first_ack.fetch_max(incarnation, Ordering::SeqCst) < incarnation;
        let first = (first && incarnation == self.incarnation())
            .then_some(Report::FirstAck { incarnation, at });
        let number = self.watch.load(Ordering::SeqCst);
        let back = (self.answered.fetch_max(number, Ordering::SeqCst) < number)
            .then_some(Report::Back { number, door, at });
        first.into_iter().chain(back).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door() -> Door {
        Door::new(SocketAddr::from(([127, 0, 0, 1], 1)))
    }

    #[test]
    fn the_first_of_an_incarnation_is_reported_once() {
        let door = door();
        door.start(4);
        assert_eq!(door.acknowledged(0, 3).len(), 0);
        assert!(matches!(
            door.acknowledged(0, 4)[..],
            [Report::FirstAck { incarnation: 4, .. }]
        ));
        assert_eq!(door.acknowledged(0, 4).len(), 0);
    }

    #[test]
    fn a_watch_is_answered_once() {
        let door = door();
        assert_eq!(door.acknowledged(2, 0).len(), 0);
        door.watch(1);
        assert!(matches!(
            door.acknowledged(2, 0)[..],
            [Report::Back {
                number: 1,
                door: 2,
                ..
            }]
        ));
        assert_eq!(door.acknowledged(2, 0).len(), 0);
        door.watch(2);
        assert_eq!(door.acknowledged(2, 0).len(), 1);
    }
}
