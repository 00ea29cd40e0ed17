//! The schema's history: what changed the tables, in order, and the functions of
//! this build.
//!
//! A migration that has been released is never edited. The functions are not part
//! of the history: they are one set, in `functions/`, which the newest migration
//! makes anew as a whole, whatever was there before.

use std::borrow::Cow;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Where the schema's history is kept.
pub(crate) const HISTORY: &str = "zupa.migrations";

/// The first migration: tables, and the functions of its time.
const PATH: &str = concat!(
    include_str!("../migrations/0001/01_tables.sql"),
    include_str!("../migrations/0001/02_items.sql"),
    include_str!("../migrations/0001/03_shared.sql"),
    include_str!("../migrations/0001/04_accept.sql"),
    include_str!("../migrations/0001/05_claim.sql"),
    include_str!("../migrations/0001/06_record.sql"),
    include_str!("../migrations/0001/07_finish.sql"),
    include_str!("../migrations/0001/08_deliver.sql"),
    include_str!("../migrations/0001/09_receipts.sql"),
    include_str!("../migrations/0001/10_write.sql"),
    include_str!("../migrations/0001/11_life.sql"),
);

/// The second one: what the tables gained.
const WAITS: &str = include_str!("../migrations/0002/tables.sql");

/// The third one: holds and wakes.
const HOLDS: &str = include_str!("../migrations/0003/tables.sql");

/// The fourth one: dead letters.
const DEAD_LETTERS: &str = include_str!("../migrations/0004/tables.sql");

/// The fifth one: idempotency keys, and values that are packed.
const KEYS: &str = include_str!("../migrations/0005/tables.sql");

/// The sixth one: deliveries.
const DELIVERIES: &str = include_str!("../migrations/0006/tables.sql");

/// The seventh one: turns whose provider named the time.
const ASKED: &str = include_str!("../migrations/0007/tables.sql");

/// The eighth one: deliveries that come back after a human took over.
const TAKEN_OVER: &str = include_str!("../migrations/0008/tables.sql");

/// The ninth one: reviews that an operator has claimed.
const CLAIMS: &str = include_str!("../migrations/0009/tables.sql");

/// The tenth one: news before its message, and about the person.
const NEWS: &str = include_str!("../migrations/0010/tables.sql");

/// The eleventh one: how fast conversations may be sent to.
const PACE: &str = include_str!("../migrations/0011/tables.sql");

/// The twelfth one: what is kept of deliveries beside their state.
const AGAIN: &str = include_str!("../migrations/0012/tables.sql");

/// The newest migration as it runs: its changes of the tables, then every function
/// anew. A migration that follows takes the functions over, and leaves its
/// predecessor the tables alone, which is all that is remembered of it. The item types
/// that builds prepare their statements with are made anew, too, so each migration says
/// that no build before it may serve beside it.
const NEWEST: &str = concat!(
    include_str!("../migrations/0012/tables.sql"),
    include_str!("../functions/00_anew.sql"),
    include_str!("../functions/01_items.sql"),
    include_str!("../functions/02_shared.sql"),
    include_str!("../functions/03_accept.sql"),
    include_str!("../functions/04_claim.sql"),
    include_str!("../functions/05_record.sql"),
    include_str!("../functions/06_finish.sql"),
    include_str!("../functions/07_waits.sql"),
    include_str!("../functions/08_deliver.sql"),
    include_str!("../functions/09_receipts.sql"),
    include_str!("../functions/10_write.sql"),
    include_str!("../functions/11_life.sql"),
    include_str!("../functions/12_hold.sql"),
    include_str!("../functions/13_dead_letters.sql"),
    include_str!("../functions/14_idempotency.sql"),
    include_str!("../functions/15_person.sql"),
);

/// The schema's history, oldest first. Only ever appended to.
pub fn migrations() -> Migrator {
    let migration = |version, description, sql: &'static str| {
        Migration::new(
            version,
            Cow::Borrowed(description),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    };
    let newest = Migration {
        sql: NEWEST.into_sql_str(),
        ..migration(12, "deliveries again", AGAIN)
    };
    let mut migrator = Migrator::with_migrations(vec![
        migration(1, "path", PATH),
        migration(2, "waits", WAITS),
        migration(3, "holds", HOLDS),
        migration(4, "dead letters", DEAD_LETTERS),
        migration(5, "keys", KEYS),
        migration(6, "deliveries", DELIVERIES),
        migration(7, "asked", ASKED),
        migration(8, "taken over", TAKEN_OVER),
        migration(9, "claims", CLAIMS),
        migration(10, "news", NEWS),
        migration(11, "pace", PACE),
        newest,
    ]);
    migrator.dangerous_set_table_name(HISTORY);
    // A newer schema that still lets this build serve has migrations that it
    // does not know.
    migrator.set_ignore_missing(true);
    migrator
}

/// The newest schema version that this build knows.
pub(crate) fn wanted_version() -> i64 {
    migrations()
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database that has the newest migration keeps the functions it came with.
    /// Once they are released, a change of them needs a migration of its own, if
    /// only an empty one.
    #[test]
    fn functions_change_with_a_migration() {
        let functions = NEWEST.strip_prefix(AGAIN).unwrap_or_default();
        let digest = zupa_core::Digest::of(functions.as_bytes()).to_hex();
        assert_eq!(
            (wanted_version(), digest.as_str()),
            (
                12,
                "de0fd626058a37ec7b44e266c58e4a7f8407139154efab2910f36091617d3847"
            )
        );
    }
}
