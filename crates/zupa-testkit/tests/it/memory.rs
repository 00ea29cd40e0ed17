//! The contract suite on the reference store, one test per promise.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use zupa_testkit::contract::{Harness, Opened};
use zupa_testkit::{MemoryStore, Planted};

/// Memory stores, healthy or with a defect.
#[derive(Default)]
pub struct Memory {
    defect: Option<Planted>,
    replicated: bool,
    last: Mutex<MemoryStore>,
}

impl Memory {
    pub fn healthy() -> Self {
        Self::default()
    }

    pub fn with(defect: Planted) -> Self {
        Self {
            defect: Some(defect),
            ..Self::default()
        }
    }

    pub fn replicated() -> Self {
        Self {
            replicated: true,
            ..Self::default()
        }
    }
}

fn opened(store: &MemoryStore) -> Opened {
    Opened::of(Arc::new(store.clone()))
}

#[async_trait]
impl Harness for Memory {
    async fn store(&self) -> Opened {
        let fresh = match self.defect {
            Some(defect) => MemoryStore::planted(defect),
            None if self.replicated => MemoryStore::replicated(),
            None => MemoryStore::new(),
        };
        let store = opened(&fresh);
        *self.last.lock().unwrap() = fresh;
        store
    }

    async fn reopen(&self) -> Opened {
        opened(&self.last.lock().unwrap())
    }
}

zupa_testkit::contract::each!(Memory::healthy());

#[tokio::test]
async fn run_all_reports_every_promise_as_kept() {
    let report = zupa_testkit::contract::run_all(&Memory::healthy()).await;
    assert!(report.broken.is_empty(), "{report}");
    assert_eq!(report.kept.len(), zupa_testkit::contract::CASES.len());
}

/// One store for several processes keeps the same promises.
#[tokio::test]
async fn the_replicated_store_keeps_every_promise_as_well() {
    let report = zupa_testkit::contract::run_all(&Memory::replicated()).await;
    assert!(report.broken.is_empty(), "{report}");
}

/// Times are those of whoever calls, so a clock that is set back is noticed.
mod set_back {
    use super::*;
    use zupa_testkit::contract::set_back;

    #[tokio::test]
    async fn what_waits_is_not_held_up() {
        set_back::what_waits_is_not_held_up(&Memory::healthy()).await;
    }

    #[tokio::test]
    async fn what_waits_is_not_held_up_over_a_restart() {
        set_back::what_waits_is_not_held_up_over_a_restart(&Memory::healthy()).await;
    }

    #[tokio::test]
    async fn small_steps_move_nothing() {
        set_back::small_steps_move_nothing(&Memory::healthy()).await;
    }

    #[tokio::test]
    async fn a_wake_is_not_held_up() {
        set_back::a_wake_is_not_held_up(&Memory::healthy()).await;
    }
}
