//! The contract suite on the reference store, one test per promise.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use zupa_core::{Desk, Store};
use zupa_testkit::contract::Harness;
use zupa_testkit::{MemoryStore, Planted};

/// Memory stores, healthy or with a defect.
#[derive(Default)]
pub struct Memory {
    defect: Option<Planted>,
    last: Mutex<MemoryStore>,
}

impl Memory {
    pub fn healthy() -> Self {
        Self::default()
    }

    pub fn with(defect: Planted) -> Self {
        Self {
            defect: Some(defect),
            last: Mutex::default(),
        }
    }
}

fn both(store: &MemoryStore) -> (Arc<dyn Store>, Arc<dyn Desk>) {
    (Arc::new(store.clone()), Arc::new(store.clone()))
}

#[async_trait]
impl Harness for Memory {
    async fn store(&self) -> (Arc<dyn Store>, Arc<dyn Desk>) {
        let fresh = self
            .defect
            .map_or_else(MemoryStore::new, MemoryStore::planted);
        let opened = both(&fresh);
        *self.last.lock().unwrap() = fresh;
        opened
    }

    async fn reopen(&self) -> (Arc<dyn Store>, Arc<dyn Desk>) {
        both(&self.last.lock().unwrap())
    }
}

zupa_testkit::contract::each!(Memory::healthy());

#[tokio::test]
async fn run_all_reports_every_promise_as_kept() {
    let report = zupa_testkit::contract::run_all(&Memory::healthy()).await;
    assert!(report.broken.is_empty(), "{report}");
    assert_eq!(report.kept.len(), zupa_testkit::contract::CASES.len());
}
