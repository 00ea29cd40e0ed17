//! R4: single calls that fail. A failed flush ends the process with code 75 and
//! never a false acknowledgement; a disk without room for a moment costs a 503.

use crate::support::eventually;
use crate::support::home::{ECHO, Home};
use crate::support::load::{self, acknowledged, statuses};
use crate::support::strace::Traced;
use crate::support::tools;
use crate::support::trace::Reader;

/// A store that has seen a day already, so that the start is like any start.
fn lived_in() -> Home {
    let home = Home::scripted(ECHO);
    let server = home.serve().ready();
    assert_eq!(server.say("c", "old", "hi").taken(), "accepted");
    server.all_answered(1);
    server.stop();
    home
}

/// Every flush from the n-th of its thread on fails.
fn flush_fails_from(number: usize) {
    let home = lived_in();
    let fault = format!("fdatasync,fsync:error=EIO:when={number}+");
    let mut traced = Traced::spawn(&home, home.serve().impatient(), Some(&fault));
    let ready = traced.server.wait_ready();
    let told = match ready {
        Some(_) => load::say(traced.server.address(), 4, 2_000, "eio", "hi", |told| {
            told.answer.is_none()
        }),
        None => Vec::new(),
    };
    assert_eq!(
        traced.server.exit(),
        75,
        "from {number}: {}",
        traced.server.log()
    );
    let log = traced.server.log();
    assert!(log.contains("error: a flush to disk failed"), "{log}");
    assert!(!log.contains("panicked"), "{log}");

    let trace = traced.text();
    let failed = Reader::failed_syncs(&trace);
    let verdict = Reader::new("eio").judge(&trace);
    eprintln!(
        "flushes fail from {number}: ready {}, {:?} by status, {failed} failed",
        ready.is_some(),
        statuses(&told)
    );
    assert!(failed > 0, "the fault was never met");
    assert_eq!(verdict.violations, Vec::<String>::new());
    let kept = acknowledged(&told);
    assert!(verdict.acknowledged >= kept.len());
    drop(traced);

    // The disk is well again: what was acknowledged is there, and the rest
    // comes again.
    let server = home.serve().ready();
    let mut connection = server.connect();
    for told in &told {
        let word = connection.say(&told.id, &told.id, "hi").unwrap().taken();
        let was_kept = told.status() == Some(202);
        assert!(!was_kept || word == "duplicate", "{} was lost", told.id);
    }
    server.all_answered(told.len() + 1);
    server.stop();
    let check = tools::sqlite(&home.store(), "PRAGMA integrity_check");
    assert_eq!(check.trim(), "ok");
}

#[test]
fn a_failed_flush_ends_the_process_and_acknowledges_nothing_false() {
    let test = "a_failed_flush_ends_the_process_and_acknowledges_nothing_false";
    if !tools::can_trace(test) || !tools::has("sqlite3", test) {
        return;
    }
    for number in [1, 2, 3, 5, 9, 20] {
        flush_fails_from(number);
    }
}

/// Some writes in a row fail for want of room.
fn no_room_at(when: &str) {
    let home = lived_in();
    let fault = format!("pwrite64:error=ENOSPC:when={when}");
    let mut traced = Traced::spawn(&home, home.serve().impatient(), Some(&fault));
    assert!(
        traced.server.wait_ready().is_some(),
        "{}",
        traced.server.log()
    );
    let address = traced.server.address();
    let told = load::say(address, 4, 150, "room", "hi", |_| false);
    let refused = told.iter().filter(|told| told.status() != Some(202));
    for told in refused {
        let answer = told.answer.as_ref().unwrap();
        assert_eq!(answer.problem().0, 503, "{}", answer.text());
        assert!(answer.header("retry-after").is_some());
    }
    // It goes on, and what was refused comes again until it is taken.
    let mut connection = traced.server.connect();
    for told in &told {
        let word = eventually("there is room", || {
            let answer = connection.say(&told.id, &told.id, "hi").unwrap();
            (answer.status != 503).then(|| answer.taken())
        });
        let was_kept = told.status() == Some(202);
        assert!(!was_kept || word == "duplicate", "{} was lost", told.id);
    }
    traced.server.all_answered(told.len() + 1);
    traced.server.signal("TERM");
    // 75 when the last write of all met the fault.
    let code = traced.server.exit();
    assert!([0, 75].contains(&code), "{code}: {}", traced.server.log());
    let log = traced.server.log();
    assert!(!log.contains("panicked"), "{log}");
    let trace = traced.text();
    let injected = trace.matches("ENOSPC").count();
    eprintln!(
        "pwrite64 fails at {when}: {injected} times, {:?} by status",
        statuses(&told)
    );
    assert!(injected > 0, "the fault was never met");
    assert_eq!(
        Reader::new("room").judge(&trace).violations,
        Vec::<String>::new()
    );
    drop(traced);
    let check = tools::sqlite(&home.store(), "PRAGMA integrity_check");
    assert_eq!(check.trim(), "ok");
}

#[test]
fn a_moment_without_room_costs_a_503_and_nothing_else() {
    let test = "a_moment_without_room_costs_a_503_and_nothing_else";
    if !tools::can_trace(test) || !tools::has("sqlite3", test) {
        return;
    }
    for when in ["60", "100..104", "200..300", "150..250+25"] {
        no_room_at(when);
    }
}

#[test]
fn a_file_that_cannot_be_opened_at_the_start_is_named() {
    let test = "a_file_that_cannot_be_opened_at_the_start_is_named";
    if !tools::can_trace(test) {
        return;
    }
    let home = lived_in();
    let mut refused = 0;
    for number in [1, 2, 4, 9, 10, 11, 12, 13, 14, 15, 16] {
        let fault = format!("openat:error=EMFILE:when={number}");
        let _ = std::fs::remove_file(home.path().join("server.log"));
        let mut traced = Traced::spawn(&home, home.serve(), Some(&fault));
        if traced.server.wait_ready().is_some() {
            traced.server.signal("TERM");
        } else {
            refused += 1;
        }
        let code = traced.server.exit();
        let log = traced.server.log();
        assert!([0, 1, 7, 75, 78].contains(&code), "{number}, {code}: {log}");
        assert!(!log.contains("panicked"), "{number}: {log}");
        let last = log.lines().rfind(|line| line.starts_with("error: "));
        assert!(code == 0 || last.is_some(), "{number}: {log}");
        eprintln!("openat fails at {number}: exit {code}, {last:?}");
    }
    assert!(refused > 3, "the fault was hardly met");
    let server = home.serve().ready();
    assert_eq!(server.say("c", "old", "hi").taken(), "duplicate");
    server.stop();
}

/// One fault of any kind, anywhere: the process says what happened or goes on,
/// and whatever it has acknowledged is there afterwards.
fn survives(fault: &str) -> i32 {
    let home = lived_in();
    let mut traced = Traced::spawn(&home, home.serve().impatient(), Some(fault));
    let mut told = Vec::new();
    if traced.server.wait_ready().is_some() {
        let address = traced.server.address();
        told = load::say(address, 4, 40, "any", "hi", |told| told.answer.is_none());
        traced.server.signal("TERM");
    }
    let code = traced.server.exit();
    let log = traced.server.log();
    assert!([0, 1, 7, 75].contains(&code), "{fault}, {code}: {log}");
    assert!(code == 0 || log.contains("error: "), "{fault}: {log}");
    assert!(!log.contains("panicked"), "{fault}: {log}");
    for told in &told {
        assert!(
            [None, Some(202), Some(503)].contains(&told.status()),
            "{fault}: {told:?}"
        );
    }
    let verdict = Reader::new("any").judge(&traced.text());
    assert_eq!(verdict.violations, Vec::<String>::new(), "{fault}");
    drop(traced);

    let server = home.serve().ready();
    let mut connection = server.connect();
    for told in &told {
        let word = connection.say(&told.id, &told.id, "hi").unwrap().taken();
        let was_kept = told.status() == Some(202);
        assert!(
            !was_kept || word == "duplicate",
            "{fault}: {} was lost",
            told.id
        );
    }
    server.all_answered(told.len() + 1);
    server.stop();
    let check = tools::sqlite(&home.store(), "PRAGMA integrity_check");
    assert_eq!(check.trim(), "ok", "{fault}");
    code
}

#[test]
#[ignore = "minutes: every call once, `--run-ignored only` or `-- --ignored`"]
fn every_single_call_may_fail() {
    let test = "every_single_call_may_fail";
    if !tools::can_trace(test) || !tools::has("sqlite3", test) {
        return;
    }
    for (calls, error, last) in [
        ("fsync,fdatasync", "EIO", 40),
        ("pwrite64", "ENOSPC", 120),
        ("pwrite64", "EIO", 120),
        ("ftruncate,fallocate", "ENOSPC", 10),
    ] {
        let mut codes = std::collections::BTreeMap::<i32, usize>::new();
        for number in 1..=last {
            let code = survives(&format!("{calls}:error={error}:when={number}"));
            *codes.entry(code).or_default() += 1;
        }
        eprintln!("{calls} {error} at 1 to {last}: exits {codes:?}");
    }
}
