//! R6: what is acknowledged was flushed to disk before, so that it survives a
//! power cut. Proved on the order of the system calls.

use crate::support::home::{ECHO, Home};
use crate::support::load;
use crate::support::strace::Traced;
use crate::support::tools;
use crate::support::trace::{Reader, Verdict};

const PEOPLE: usize = 8;

/// Runs a load under strace and judges the trace.
fn watch(home: &Home, messages: usize, bug: &str) -> Verdict {
    let start = home
        .serve()
        .set("store.durability", "full")
        .variable("ZUPA_FAULTS_BUG", bug);
    let mut traced = Traced::spawn(home, start, None);
    assert!(
        traced.server.wait_ready().is_some(),
        "{}",
        traced.server.log()
    );
    let told = load::say(
        traced.server.address(),
        PEOPLE,
        messages,
        "flush",
        "hi",
        |_| false,
    );
    assert_eq!(load::acknowledged(&told).len(), messages);
    traced.server.signal("TERM");
    assert_eq!(traced.server.exit(), 0, "{}", traced.server.log());
    Reader::new("flush").judge(&traced.text())
}

#[test]
fn every_acknowledgement_comes_after_the_flush_of_its_message() {
    if !tools::can_trace("every_acknowledgement_comes_after_the_flush_of_its_message") {
        return;
    }
    // The full proof of a release takes 10,000.
    let messages = std::env::var("ZUPA_FLUSH_MESSAGES")
        .ok()
        .and_then(|messages| messages.parse().ok())
        .unwrap_or(1_000);
    let verdict = watch(&Home::scripted(ECHO), messages, "");
    eprintln!(
        "{} acknowledgements, {} violations",
        verdict.acknowledged,
        verdict.violations.len()
    );
    assert_eq!(verdict.violations, Vec::<String>::new());
    // A checker that saw less checked less.
    assert_eq!(verdict.acknowledged, messages);
}

#[cfg(feature = "faults")]
#[test]
fn a_server_that_acknowledges_before_the_commit_is_found_out() {
    if !tools::can_trace("a_server_that_acknowledges_before_the_commit_is_found_out") {
        return;
    }
    let verdict = watch(&Home::scripted(ECHO), 100, "ack-before-commit");
    eprintln!(
        "planted: {} acknowledgements, {} violations, as in {:?}",
        verdict.acknowledged,
        verdict.violations.len(),
        verdict.violations.first()
    );
    assert!(verdict.violations.len() > 50);
}

#[test]
fn after_an_unclean_end_nothing_is_confirmed_before_the_log_is_flushed() {
    let test = "after_an_unclean_end_nothing_is_confirmed_before_the_log_is_flushed";
    if !tools::can_trace(test) {
        return;
    }
    // The flush of the process that was killed may never have happened.
    let home = Home::scripted(ECHO);
    let server = home.serve().ready();
    let told = load::say(server.address(), PEOPLE, 50, "found", "hi", |_| false);
    server.kill();
    assert_eq!(load::acknowledged(&told).len(), 50);

    let mut traced = Traced::spawn(&home, home.serve(), None);
    assert!(
        traced.server.wait_ready().is_some(),
        "{}",
        traced.server.log()
    );
    let mut connection = traced.server.connect();
    for told in &told {
        let word = connection.say(&told.id, &told.id, "hi").unwrap().taken();
        assert_eq!(word, "duplicate", "{}", told.id);
    }
    traced.server.signal("TERM");
    assert_eq!(traced.server.exit(), 0);
    let verdict = Reader::new("found").judge_found(&traced.text());
    assert_eq!(verdict.violations, Vec::<String>::new());
    assert_eq!(verdict.acknowledged, 50);
}

/// A server's log and a socket, as strace writes them.
const HEADER: &str =
    r#"7 1.0 pwrite64(5</s/zupa.db-wal>, "\0\0\0\3\0\0\0\0aaaabbbbccccdddd", 24, 32) = 24"#;
const LAST_HEADER: &str =
    r#"7 1.0 pwrite64(5</s/zupa.db-wal>, "\0\0\0\3\0\0\0\t\"aaabbbbccccdddd", 24, 32) = 24"#;
const PAGE: &str = r#"7 1.0 pwrite64(5</s/zupa.db-wal>, "\r\0\1t-00001\0"..., 4096, 56) = 4096"#;
const OTHER_PAGE: &str = r#"7 1.0 pwrite64(5</s/zupa.db-wal>, "\r\0\1zzz"..., 4096, 56) = 4096"#;
const SYNC: &str = "7 1.0 fdatasync(5</s/zupa.db-wal>) = 0";
const SYNC_OF_ANOTHER: &str = "7 1.0 fdatasync(4</s/zupa.db>) = 0";
const SYNC_BEGINS: &str = "7 1.0 fdatasync(5</s/zupa.db-wal> <unfinished ...>";
const SYNC_ENDS: &str = "7 1.0 <... fdatasync resumed>)   = 0";
const SYNC_FAILS: &str =
    "7 1.0 fdatasync(5</s/zupa.db-wal>) = -1 EIO (Input/output error) (INJECTED)";
const ACK: &str = r#"9 1.0 sendto(9<TCP:[127.0.0.1:1->127.0.0.1:2]>, "HTTP/1.1 202 Accepted\r\n\r\n{\"id\":\"t-00001\"}", 99, MSG_NOSIGNAL, NULL, 0) = 99"#;

fn violations(lines: &[&str]) -> usize {
    let verdict = Reader::new("t").judge(&lines.join("\n"));
    assert_eq!(verdict.acknowledged, 1);
    verdict.violations.len()
}

#[test]
fn the_checker_accepts_a_flush_between_commit_and_acknowledgement() {
    for good in [
        vec![LAST_HEADER, PAGE, SYNC, ACK],
        vec![HEADER, PAGE, LAST_HEADER, OTHER_PAGE, SYNC, ACK],
        vec![LAST_HEADER, PAGE, SYNC_BEGINS, SYNC_ENDS, ACK],
        vec![LAST_HEADER, PAGE, SYNC, ACK, LAST_HEADER, PAGE],
    ] {
        assert_eq!(violations(&good), 0, "{good:#?}");
    }
}

#[test]
fn the_checker_finds_each_wrong_order() {
    for bad in [
        vec![ACK],
        vec![LAST_HEADER, PAGE, ACK],
        vec![LAST_HEADER, PAGE, ACK, SYNC],
        vec![SYNC, LAST_HEADER, PAGE, ACK],
        vec![LAST_HEADER, PAGE, SYNC_OF_ANOTHER, ACK],
        vec![LAST_HEADER, PAGE, SYNC_FAILS, ACK],
        vec![LAST_HEADER, PAGE, SYNC_BEGINS, ACK, SYNC_ENDS],
        // The flush began before the page was there.
        vec![SYNC_BEGINS, LAST_HEADER, PAGE, SYNC_ENDS.trim(), ACK],
        // The transaction was not whole yet.
        vec![HEADER, PAGE, SYNC, LAST_HEADER, OTHER_PAGE, ACK],
    ] {
        assert_eq!(violations(&bad), 1, "{bad:#?}");
    }
}

#[test]
fn the_checker_finds_a_log_that_was_believed_unflushed() {
    let found = |lines: &[&str]| {
        Reader::new("t")
            .judge_found(&lines.join("\n"))
            .violations
            .len()
    };
    assert_eq!(found(&[SYNC, ACK]), 0);
    for bad in [
        &[ACK][..],
        &[ACK, SYNC],
        &[SYNC_FAILS, ACK],
        &[SYNC_OF_ANOTHER, ACK],
    ] {
        assert_eq!(found(bad), 1, "{bad:#?}");
    }
}
