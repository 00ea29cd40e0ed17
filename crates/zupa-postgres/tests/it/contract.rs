//! The contract suite of the test kit, on a server.

use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use zupa_postgres::{PostgresConfig, PostgresStore};
use zupa_testkit::contract::{Harness, Opened};

use crate::support::{Clocked, Database, server, stop_the_clock};

/// A new database for every fresh store.
struct Databases {
    server: String,
    made: Mutex<Vec<Arc<Database>>>,
    edit: fn(&mut PostgresConfig),
}

impl Databases {
    fn at(server: String) -> Self {
        Self {
            server,
            made: Mutex::new(Vec::new()),
            edit: |_| {},
        }
    }

    async fn open(&self, database: &Database) -> Opened {
        let mut config = database.config();
        (self.edit)(&mut config);
        let store = Arc::new(PostgresStore::open(config.clone()).await.unwrap());
        let writers = vec![
            PostgresStore::open(config.clone()).await.unwrap(),
            PostgresStore::open(config).await.unwrap(),
        ];
        let pool = database.pool().await;
        stop_the_clock(&pool).await;
        let clocked = Clocked {
            store,
            writers,
            next: AtomicU32::new(0),
            pool,
        };
        Opened::of(Arc::new(clocked))
    }
}

#[async_trait]
impl Harness for Databases {
    async fn store(&self) -> Opened {
        let database = Arc::new(Database::create(&self.server).await);
        self.made.lock().unwrap().push(database.clone());
        self.open(&database).await
    }

    async fn reopen(&self) -> Opened {
        let database = self.made.lock().unwrap().last().unwrap().clone();
        self.open(&database).await
    }

    /// Each takes ten times as long as on SQLite; what they say of the model is said there.
    fn histories(&self) -> u64 {
        1
    }
}

zupa_testkit::contract::each!(match server() {
    Some(server) => Databases::at(server),
    None => return,
});

/// The suite is worth something only if it fails when it should.
#[cfg(feature = "faults")]
mod planted {
    use super::*;
    use zupa_postgres::Planted;

    async fn breaks(edit: fn(&mut PostgresConfig), promise: &str) {
        let Some(server) = server() else { return };
        let case = zupa_testkit::contract::CASES
            .iter()
            .find(|case| case.name.ends_with(promise));
        let databases = Databases {
            edit,
            ..Databases::at(server)
        };
        let kept = zupa_testkit::contract::run(case.unwrap(), &databases).await;
        assert!(kept.is_err(), "{promise} holds in spite of the planted bug");
    }

    #[tokio::test]
    async fn a_dedupe_key_without_tenant_is_caught() {
        breaks(
            |config| config.planted = Planted::DedupeWithoutTenant,
            "same_id_two_tenants_are_two_messages",
        )
        .await;
    }

    #[tokio::test]
    async fn a_commit_without_the_epoch_check_is_caught() {
        breaks(
            |config| config.planted = Planted::CommitWithoutEpoch,
            "stale_epoch_cannot_commit",
        )
        .await;
    }
}
