//! The contract suite of the test kit, on a file.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use tempfile::TempDir;
use zupa_sqlite::{SqliteConfig, SqliteStore};
use zupa_testkit::contract::{Harness, Opened};

/// A folder with a new file for every fresh store.
struct Files {
    folder: TempDir,
    made: AtomicU32,
    #[cfg(feature = "faults")]
    planted: zupa_sqlite::Planted,
}

impl Files {
    fn healthy() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
            made: AtomicU32::new(0),
            #[cfg(feature = "faults")]
            planted: zupa_sqlite::Planted::None,
        }
    }

    async fn open(&self, number: u32) -> Opened {
        #[cfg_attr(not(feature = "faults"), allow(unused_mut))]
        let mut config = SqliteConfig::at(self.folder.path().join(format!("{number}.db")));
        #[cfg(feature = "faults")]
        {
            config.planted = self.planted;
        }
        Opened::of(Arc::new(SqliteStore::open(config).await.unwrap()))
    }
}

#[async_trait]
impl Harness for Files {
    async fn store(&self) -> Opened {
        self.open(self.made.fetch_add(1, Ordering::Relaxed) + 1)
            .await
    }

    async fn reopen(&self) -> Opened {
        self.open(self.made.load(Ordering::Relaxed)).await
    }
}

zupa_testkit::contract::each!(Files::healthy());

/// Times are those of whoever calls, so a clock that is set back is noticed.
mod set_back {
    use super::*;
    use zupa_testkit::contract::set_back;

    #[tokio::test]
    async fn what_waits_is_not_held_up() {
        set_back::what_waits_is_not_held_up(&Files::healthy()).await;
    }

    #[tokio::test]
    async fn what_waits_is_not_held_up_over_a_restart() {
        set_back::what_waits_is_not_held_up_over_a_restart(&Files::healthy()).await;
    }

    #[tokio::test]
    async fn small_steps_move_nothing() {
        set_back::small_steps_move_nothing(&Files::healthy()).await;
    }

    #[tokio::test]
    async fn a_wake_is_not_held_up() {
        set_back::a_wake_is_not_held_up(&Files::healthy()).await;
    }
}

/// The suite is worth something only if it fails when it should.
#[cfg(feature = "faults")]
mod planted {
    use super::*;
    use zupa_sqlite::Planted;

    async fn breaks(planted: Planted, promise: &str) {
        let case = zupa_testkit::contract::CASES
            .iter()
            .find(|case| case.name.ends_with(promise));
        let files = Files {
            planted,
            ..Files::healthy()
        };
        let kept = zupa_testkit::contract::run(case.unwrap(), &files).await;
        assert!(kept.is_err(), "{promise} holds in spite of {planted:?}");
    }

    #[tokio::test]
    async fn a_dedupe_key_without_tenant_is_caught() {
        breaks(
            Planted::DedupeWithoutTenant,
            "same_id_two_tenants_are_two_messages",
        )
        .await;
    }

    #[tokio::test]
    async fn a_commit_without_the_epoch_check_is_caught() {
        breaks(Planted::CommitWithoutEpoch, "stale_epoch_cannot_commit").await;
    }
}
