//! R19: the process that migrates is killed at each of its writes, and the next
//! start finds all of a migration or nothing of it.

use std::path::Path;

use crate::support::home::{ECHO, Home};
use crate::support::strace::killed_at;
use crate::support::tools;

/// What changes files on the way of a migration; strace counts each by itself.
const CALLS: [&str; 6] = [
    "pwrite64",
    "fdatasync",
    "fsync",
    "ftruncate",
    "unlink",
    "rename",
];

/// More than any migration needs.
const MOST: usize = 1_000;

/// Tables and columns of ours, in words that compare.
const SCHEMA: &str = "SELECT m.name || '(' || group_concat(p.name) || ')' \
     FROM sqlite_schema m JOIN pragma_table_info(m.name) p \
     WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name != '_sqlx_migrations' \
     GROUP BY m.name ORDER BY m.name";

/// What is there, without touching it: the folder is copied first.
fn schema_of_copy(home: &Home) -> String {
    let copy = home.path().join("copy");
    let _ = std::fs::remove_dir_all(&copy);
    copy_folder(&home.path().join(".zupa"), &copy);
    let store = copy.join("zupa.db");
    if !store.exists() {
        return String::new();
    }
    tools::sqlite(&store, SCHEMA)
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).into_iter().flatten() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// The schema of every version, from none on, and the last of them.
fn versions() -> (Vec<String>, String) {
    let home = Home::new();
    let store = home.path().join("by-hand.db");
    let mut versions = vec![String::new()];
    for migration in zupa::sqlite::migrations().iter() {
        // A statement that begins with a comment would be taken for an option.
        tools::sqlite(&store, &format!("\n{}", migration.sql.as_str()));
        versions.push(tools::sqlite(&store, SCHEMA));
    }
    let last = versions.last().unwrap().clone();
    (versions, last)
}

/// Kills at such calls, one after the other, until the command gets through;
/// `prepare` makes the store anew before each, `look` sees what the next start
/// made of it. Answers how often it was killed.
fn killed_at_each(prepare: impl Fn(&Home), look: impl Fn(&Home)) -> usize {
    let (versions, last) = versions();
    let survives = |call: &str, number: usize| {
        let at = format!("killed at {call} {number}");
        let home = Home::scripted(ECHO);
        prepare(&home);
        let before = schema_of_copy(&home);
        let mut ahead = versions.iter().skip_while(|version| **version != before);
        let killed = killed_at(&home, call, number, &["db", "migrate"]);
        let found = schema_of_copy(&home);
        assert!(ahead.any(|version| *version == found), "{at}: {found}");
        if killed.code == 0 {
            return false;
        }
        assert_eq!(killed.code, -1, "{at}: {killed:#?}");
        let next = home.run(&["db", "migrate"]);
        assert_eq!(next.code, 0, "{at}: {next:#?}");
        assert_eq!(schema_of_copy(&home), last, "{at}");
        look(&home);
        let check = tools::sqlite(&home.store(), "PRAGMA integrity_check");
        assert_eq!(check.trim(), "ok", "{at}");
        true
    };
    // Every sixth call, beginning anew with each kind; ZUPA_CASES asks for every one.
    let step = if std::env::var_os("ZUPA_CASES").is_some() {
        1
    } else {
        6
    };
    let mut kills = 0;
    for call in CALLS {
        let mut numbers = (1..MOST).step_by(step);
        let through = numbers.position(|number| !survives(call, number));
        kills += through.unwrap_or_else(|| panic!("still killed at {call} {MOST}"));
    }
    kills
}

fn can_run(test: &str) -> bool {
    tools::can_trace(test) && tools::has("sqlite3", test)
}

#[test]
fn a_first_start_killed_at_any_write_is_finished_by_the_next() {
    if !can_run("a_first_start_killed_at_any_write_is_finished_by_the_next") {
        return;
    }
    let kills = killed_at_each(
        |_| {},
        |home| {
            let status = home.run(&["db", "status", "--json"]).good().json();
            assert_eq!(
                status["store"]["schema_version"],
                status["store"]["schema_wanted"]
            );
        },
    );
    eprintln!("killed {kills} times on the way to the first schema");
    assert!(kills > 20, "{kills}");
}

/// All that later versions added; dropping it is the way back.
const BACK_TO_1: &str = "DROP TABLE waits; DROP TABLE states; DROP TABLE facts; \
     DROP TABLE failures; DROP TABLE dead_letters; DROP TABLE audit_heads; DROP TABLE idempotency_keys; \
     ALTER TABLE conversations DROP COLUMN redriven; \
     ALTER TABLE inbounds DROP COLUMN redriven; \
     DROP TABLE early_news; ALTER TABLE inbounds DROP COLUMN edited_at; \
     ALTER TABLE conversations DROP COLUMN handed_back_at; \
     ALTER TABLE conversations DROP COLUMN alias_at; \
     ALTER TABLE conversations DROP COLUMN contested; \
     ALTER TABLE conversations DROP COLUMN opted_out; \
     ALTER TABLE conversations DROP COLUMN opted_at; \
     DROP INDEX outbox_late; \
     ALTER TABLE outbox DROP COLUMN late; ALTER TABLE outbox DROP COLUMN unasked; \
     ALTER TABLE outbox DROP COLUMN heard_at; ALTER TABLE conversations DROP COLUMN heard_at; \
     ALTER TABLE outbox DROP COLUMN tried_at; \
     ALTER TABLE outbox DROP COLUMN doubled; \
     DROP INDEX outbox_said; DROP INDEX conversations_held; DROP INDEX conversations_wake; \
     ALTER TABLE conversations DROP COLUMN hold_kind; \
     ALTER TABLE conversations DROP COLUMN hold_by; \
     ALTER TABLE conversations DROP COLUMN held_at; \
     ALTER TABLE conversations DROP COLUMN human_at; \
     ALTER TABLE conversations DROP COLUMN silenced_turn; \
     ALTER TABLE conversations DROP COLUMN wake_at; \
     ALTER TABLE conversations DROP COLUMN paced_from; \
     ALTER TABLE conversations DROP COLUMN paced; \
     ALTER TABLE steps DROP COLUMN ordinal; \
     ALTER TABLE steps DROP COLUMN class; \
     ALTER TABLE outbox DROP COLUMN aside; \
     ALTER TABLE outbox DROP COLUMN said; \
     ALTER TABLE turns DROP COLUMN said; \
     ALTER TABLE turns DROP COLUMN asked; \
     ALTER TABLE turns DROP COLUMN inbounds; \
     ALTER TABLE conversations DROP COLUMN internals; \
     ALTER TABLE conversations DROP COLUMN open_replies; \
     ALTER TABLE conversations DROP COLUMN state_version; \
     ALTER TABLE installation DROP COLUMN serves_from; \
     ALTER TABLE installation DROP COLUMN expires_at; \
     ALTER TABLE installation DROP COLUMN stale; \
     DELETE FROM _sqlx_migrations WHERE version >= 2; \
     PRAGMA wal_checkpoint(TRUNCATE);";

#[test]
fn an_upgrade_killed_at_any_write_is_finished_by_the_next() {
    if !can_run("an_upgrade_killed_at_any_write_is_finished_by_the_next") {
        return;
    }
    let lived_in = Home::scripted(ECHO);
    let server = lived_in.serve().ready();
    for number in 0..5 {
        let id = format!("m{number}");
        assert_eq!(server.say("c", &id, "hi").taken(), "accepted");
    }
    server.all_answered(5);
    server.stop();
    tools::sqlite(&lived_in.store(), BACK_TO_1);
    let kills = killed_at_each(
        |home| copy_folder(&lived_in.path().join(".zupa"), &home.path().join(".zupa")),
        |home| {
            let status = home.run(&["db", "status", "--json"]).good().json();
            assert_eq!(status["accounting"]["ended"]["answered"], 5);
            let why = home.run(&["turn", "why", "m4"]).good();
            assert!(why.stdout.starts_with("answered"), "{why:#?}");
        },
    );
    eprintln!("killed {kills} times on the way from version 1");
    assert!(kills > 10, "{kills}");

    // And the store lives on.
    let server = lived_in.serve().ready();
    assert_eq!(server.say("c", "m0", "hi").taken(), "duplicate");
    assert_eq!(server.say("c", "m5", "hi").taken(), "accepted");
    server.all_answered(6);
    server.stop();
}
