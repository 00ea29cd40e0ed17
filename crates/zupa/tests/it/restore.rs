//! Backups and restores as commands: what they refuse, what they print, and
//! that nothing is ever deleted.

use crate::support::home::{ECHO, Home};
use crate::support::strace::killed_at;
use crate::support::tools;

/// A home with so many answered messages that nobody serves.
fn lived_in(messages: usize) -> Home {
    let home = Home::scripted(ECHO);
    let server = home.serve().ready();
    for number in 0..messages {
        let said = server.say("c", &format!("m{number}"), "hi");
        assert_eq!(said.taken(), "accepted");
    }
    server.all_answered(messages);
    server.stop();
    home
}

fn accepted(home: &Home) -> u64 {
    let status = home.run(&["db", "status", "--json"]).good().json();
    status["accounting"]["accepted"].as_u64().unwrap()
}

#[test]
fn a_backup_goes_to_two_places_and_describes_itself() {
    let home = lived_in(3);
    std::fs::create_dir(home.path().join("elsewhere")).unwrap();
    let also = "elsewhere/b.db";
    let printed = home
        .run(&["db", "backup", "--to", "b.db", "--also", also])
        .good();
    for word in ["bytes", "took", "sha256", "schema", "taken", "newest", also] {
        assert!(printed.stdout.contains(word), "no {word} in {printed:#?}");
    }
    let read = |name: &str| std::fs::read(home.path().join(name)).unwrap();
    assert_eq!(read("b.db"), read(also));
    assert_eq!(read("b.db.json"), read("elsewhere/b.db.json"));
    let described: serde_json::Value = serde_json::from_slice(&read("b.db.json")).unwrap();
    assert_eq!(described["version"], 1);
    assert_eq!(described["inbounds"], 3);
    assert_eq!(described["bytes"], read("b.db").len());
    for key in ["taken_at", "newest_accepted_at", "sha256"] {
        assert!(described[key].is_string(), "no {key} in {described:#}");
    }
    let there: Vec<_> = std::fs::read_dir(home.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("part") || name.ends_with("-wal"))
        .collect();
    assert!(there.is_empty(), "{there:?}");
}

#[test]
fn a_backup_replaces_nothing_unless_told_to() {
    let home = lived_in(1);
    home.write("b.db", "mine");
    home.run(&["db", "backup", "--to", "b.db"])
        .refused(1, &["b.db", "there already", "why: ", "--force"]);
    home.write("also.db", "mine");
    home.run(&["db", "backup", "--to", "new.db", "--also", "also.db"])
        .refused(1, &["also.db"]);
    assert!(!home.path().join("new.db").exists());
    assert_eq!(std::fs::read(home.path().join("b.db")).unwrap(), b"mine");
    home.run(&["db", "backup", "--to", "b.db", "--force"])
        .good();
    home.run(&["db", "backup", "--to", "b.db", "--force"])
        .good();
    home.run(&["db", "restore", "--drill", "--from", "b.db"])
        .good();
    for to in [".zupa/zupa.db", "./.zupa/zupa.db"] {
        home.run(&["db", "backup", "--to", to, "--force"])
            .refused(2, &["the store itself"]);
    }
    home.run(&["db", "backup", "--to", "x.db", "--also", "x.db"])
        .refused(2, &["same file"]);
    assert_eq!(accepted(&home), 1);
}

#[test]
fn a_backup_of_nothing_or_to_nowhere_is_refused() {
    let home = Home::new();
    home.run(&["db", "backup", "--to", "b.db"])
        .refused(5, &["no store", "try: "]);
    let home = lived_in(1);
    home.run(&["db", "backup", "--to", "no/such/folder/b.db"])
        .refused(7, &["no/such/folder", "why: ", "try: "]);
}

#[test]
fn a_restore_moves_the_store_aside_and_says_what_it_held() {
    let home = lived_in(2);
    home.run(&["db", "backup", "--to", "b.db"]).good();
    let server = home.serve().ready();
    assert_eq!(server.say("c", "later", "hi").taken(), "accepted");
    server.all_answered(3);
    home.run(&["db", "restore", "--from", "b.db", "--force"])
        .refused(75, &["another process is serving", "try: "]);
    server.stop();
    home.run(&["db", "restore", "--from", "b.db"]).refused(
        1,
        &[
            "there is a store",
            "why: it holds 1 conversations and 3 messages",
            "--force",
        ],
    );
    let restored = home
        .run(&["db", "restore", "--from", "b.db", "--force", "--json"])
        .good()
        .json();
    let aside = restored["moved_aside"].as_str().unwrap().to_owned();
    assert_eq!(restored["digest_checked"], true);
    assert_eq!(accepted(&home), 2);
    let set = format!("store.url=sqlite://{aside}");
    let old = home
        .run(&["db", "status", "--json", "--set", &set])
        .good()
        .json();
    assert_eq!(old["accounting"]["accepted"], 3);

    let server = home.serve().ready();
    assert_eq!(server.say("c", "m1", "hi").taken(), "duplicate");
    assert_eq!(server.say("c", "later", "hi").taken(), "accepted");
    server.all_answered(3);
    server.stop();
}

#[test]
fn a_backup_that_is_not_whole_is_refused_and_touches_nothing() {
    let home = lived_in(3);
    home.run(&["db", "backup", "--to", "b.db"]).good();
    let good = std::fs::read(home.path().join("b.db")).unwrap();
    let both = |code: i32, words: &[&str]| {
        home.run(&["db", "restore", "--from", "b.db", "--force"])
            .refused(code, words);
        home.run(&["db", "restore", "--drill", "--from", "b.db"])
            .refused(code, words);
    };
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 64].fill(0x5a);
    home.write("b.db", &damaged);
    both(4, &["not the file that was backed up", "why: ", "try: "]);
    // Without its description there is still what SQLite sees.
    std::fs::remove_file(home.path().join("b.db.json")).unwrap();
    damaged[middle..middle + 4_096].fill(0x5a);
    home.write("b.db", &damaged);
    both(4, &["b.db"]);
    home.write("b.db", "no database\n".repeat(999));
    both(4, &["b.db"]);
    home.write("b.db", &good);
    home.write("b.db-wal", "a log");
    both(1, &["log beside it", "zupa db backup"]);
    std::fs::remove_file(home.path().join("b.db-wal")).unwrap();
    home.write("b.db.json", "{}");
    both(4, &["does not describe a backup"]);
    home.run(&["db", "restore", "--from", "nowhere.db"])
        .refused(5, &["nowhere.db"]);
    // The store is as it was, and nothing of the drills is left.
    assert_eq!(accepted(&home), 3);
    let left: Vec<_> = std::fs::read_dir(home.path().join(".zupa"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("drill") || name.contains("restor"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_backup_without_its_description_is_restored_with_a_warning() {
    let home = lived_in(1);
    home.run(&["db", "backup", "--to", "b.db"]).good();
    std::fs::remove_file(home.path().join("b.db.json")).unwrap();
    let new = Home::scripted(ECHO);
    let from = home.path().join("b.db");
    let restored = new
        .run(&["db", "restore", "--from", from.to_str().unwrap()])
        .good();
    assert!(restored.stderr.contains("digest was not checked"));
    assert_eq!(accepted(&new), 1);
}

#[test]
fn a_drill_beside_a_serving_process_says_rpo_and_rto() {
    let home = lived_in(2);
    let server = home.serve().ready();
    home.run(&["db", "backup", "--to", "b.db"]).good();
    assert_eq!(server.say("c", "later", "hi").taken(), "accepted");
    let drill = home
        .run(&["db", "restore", "--drill", "--from", "b.db", "--json"])
        .good()
        .json();
    for key in ["rpo_seconds", "rto_seconds", "behind_store_seconds"] {
        assert!(drill[key].as_f64().unwrap() > 0.0, "{key} in {drill:#}");
    }
    let printed = home
        .run(&["db", "restore", "--drill", "--from", "b.db"])
        .good();
    for word in ["RPO", "RTO", "behind the newest message of the store"] {
        assert!(printed.stdout.contains(word), "no {word} in {printed:#?}");
    }
    server.all_answered(3);
    server.stop();
}

#[test]
fn a_backup_of_a_newer_version_is_refused() {
    let test = "a_backup_of_a_newer_version_is_refused";
    if !tools::has("sqlite3", test) {
        return;
    }
    let home = lived_in(1);
    home.run(&["db", "backup", "--to", "b.db"]).good();
    std::fs::remove_file(home.path().join("b.db.json")).unwrap();
    let future = |serves_from: u32| {
        tools::sqlite(
            &home.path().join("b.db"),
            &format!(
                "INSERT OR REPLACE INTO _sqlx_migrations \
                     (version, description, success, checksum, execution_time) \
                     VALUES (99, 'from the future', 1, x'00', 0); \
                 UPDATE installation SET serves_from = {serves_from}; \
                 PRAGMA wal_checkpoint(TRUNCATE);"
            ),
        );
    };
    future(99);
    home.run(&["db", "restore", "--force", "--from", "b.db"])
        .refused(1, &["newer zupa", "why: its schema is 99", "try: "]);
    future(1);
    home.run(&["db", "restore", "--force", "--from", "b.db"])
        .good();
    assert_eq!(accepted(&home), 1);
    let server = home.serve().ready();
    assert_eq!(server.say("c", "m1", "hi").taken(), "accepted");
    server.all_answered(2);
    server.stop();
}

/// A restore that found its backup good may still be served by a bad disk: the
/// first start looks again.
#[test]
fn a_restored_store_that_is_damaged_before_its_first_start_is_refused() {
    let test = "a_restored_store_that_is_damaged_before_its_first_start_is_refused";
    if !tools::has("sqlite3", test) {
        return;
    }
    let home = lived_in(3);
    home.run(&["db", "backup", "--to", "b.db"]).good();
    home.run(&["db", "restore", "--force", "--from", "b.db"])
        .good();
    tools::sqlite(
        &home.store(),
        "UPDATE audit SET reason = 'forged' WHERE rowid = 2; PRAGMA wal_checkpoint(TRUNCATE)",
    );
    for _ in 0..2 {
        home.run(&["serve", "--listen", "127.0.0.1:0"]).refused(
            4,
            &[
                "audit chain",
                "zupa.db",
                "try: `zupa db restore --force --from FILE`",
            ],
        );
    }
    home.run(&["db", "restore", "--force", "--from", "b.db"])
        .good();
    assert_eq!(accepted(&home), 3);
}

/// What a restore does to files.
const CALLS: [&str; 6] = ["openat", "write", "pwrite64", "fsync", "rename", "unlink"];

/// More than any restore needs.
const MOST: usize = 1_000;

/// A store with 3 messages, of which 2 are in the backup: whatever the moment of
/// the death, the next start serves the one or the other, or says that the
/// restore has to be done again; and doing it again ends well.
#[test]
fn a_restore_killed_at_any_call_leaves_one_store_or_a_refusal() {
    let test = "a_restore_killed_at_any_call_leaves_one_store_or_a_refusal";
    if !tools::can_trace(test) || !tools::has("sqlite3", test) {
        return;
    }
    let home = lived_in(2);
    home.run(&["db", "backup", "--to", "b.db"]).good();
    let server = home.serve().ready();
    assert_eq!(server.say("c", "later", "hi").taken(), "accepted");
    server.all_answered(3);
    // Killed, so that a log lies beside the database.
    server.kill();
    let before = home.path().join("before");
    copy_folder(&home.path().join(".zupa"), &before);
    let restore = ["db", "restore", "--force", "--from", "b.db"];
    let survives = |call: &str, number: usize| {
        let at = format!("killed at {call} {number}");
        let zupa = home.path().join(".zupa");
        std::fs::remove_dir_all(&zupa).unwrap();
        copy_folder(&before, &zupa);
        if killed_at(&home, call, number, &restore).code == 0 {
            return None;
        }
        let next = home.run(&["db", "status"]);
        let found = match next.code {
            0 => accepted(&home),
            _ => {
                next.refused(4, &["interrupted", "do it again", "try: "]);
                0
            }
        };
        assert!([0, 2, 3].contains(&found), "{at}: {found} messages");
        home.run(&restore).good();
        assert_eq!(accepted(&home), 2, "{at}");
        // Nothing was deleted: the three messages are still somewhere.
        let kept = std::fs::read_dir(&zupa)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.display().to_string().ends_with('Z'))
            .any(|path| tools::sqlite(&path, "SELECT count(*) FROM inbounds").trim() == "3");
        assert!(kept, "{at}: the old store is gone");
        Some(found)
    };
    let mut found = std::collections::BTreeMap::<u64, usize>::new();
    for call in CALLS {
        let kept: Vec<_> = (1..MOST)
            .map_while(|number| survives(call, number))
            .collect();
        assert!(kept.len() < MOST - 1, "still killed at {call} {MOST}");
        for messages in kept {
            *found.entry(messages).or_default() += 1;
        }
    }
    eprintln!("deaths by messages found (0: refused): {found:?}");
    assert!(
        found.contains_key(&2) && found.contains_key(&3),
        "{found:?}"
    );
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}
