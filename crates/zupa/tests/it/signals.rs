//! How the process ends when it is asked to.

use std::time::{Duration, Instant};

use crate::support::home::{Home, Rule};
use crate::support::load::{self, acknowledged, statuses};
use crate::support::{Connection, eventually};

const SLOW: &[Rule] = &[Rule("", "echo of {message}", 300)];

#[test]
fn sigterm_finishes_what_has_started_and_exits_0() {
    let home = Home::scripted(SLOW);
    let mut server = home.dev().ready();
    let stream = server.feed("c");
    assert_eq!(server.say("c", "m", "hi").taken(), "accepted");
    stream.until_stage("model");
    server.signal("TERM");
    // The stream stays for the answer.
    stream.until_said("echo of hi");
    assert_eq!(server.exit(), 0, "{}", server.log());
    let counts = home.run(&["db", "status", "--json"]).good().json();
    assert_eq!(counts["accounting"]["ended"]["answered"], 1, "{counts}");
}

#[test]
fn a_second_signal_stops_at_once_with_130() {
    for second in ["INT", "TERM"] {
        let home = Home::scripted(&[Rule("", "late", 60_000)]);
        let mut server = home.dev().set("shutdown.deadline_ms", 60_000).ready();
        let stream = server.feed("c");
        assert_eq!(server.say("c", "m", "hi").taken(), "accepted");
        stream.until_stage("model");
        server.signal("INT");
        eventually("it drains", || {
            server.log().contains("draining").then_some(())
        });
        assert_eq!(server.exited(), None);
        let asked = Instant::now();
        server.signal(second);
        assert_eq!(server.exit(), 130, "{}", server.log());
        assert!(
            asked.elapsed() < Duration::from_secs(5),
            "{:?}",
            asked.elapsed()
        );

        // As safe as a crash.
        home.script(&[Rule("", "echo of {message}", 0)]);
        let server = home.dev().ready();
        assert_eq!(server.say("c", "m", "hi").taken(), "duplicate");
        server.all_answered(1);
    }
}

#[test]
fn a_turn_that_outlives_the_deadline_runs_again_at_the_next_start() {
    let home = Home::scripted(&[Rule("", "late", 60_000)]);
    let mut server = home.dev().set("shutdown.deadline_ms", 200).ready();
    let stream = server.feed("c");
    assert_eq!(server.say("c", "m", "hi").taken(), "accepted");
    stream.until_stage("model");
    server.signal("TERM");
    assert_eq!(server.exit(), 0, "{}", server.log());
    assert!(server.log().contains("cut short"), "{}", server.log());
    drop(server);
    home.script(&[Rule("", "echo of {message}", 0)]);
    let server = home.dev().ready();
    server.all_answered(1);
    server.stop();
}

#[test]
fn a_draining_server_is_not_ready_and_sends_people_away() {
    let home = Home::scripted(SLOW);
    let mut server = home.dev().ready();
    let stream = server.feed("c");
    let mut before = Connection::open(server.address()).unwrap();
    assert_eq!(before.get("/readyz", &[]).unwrap().status, 200);
    assert_eq!(server.say("c", "m", "hi").taken(), "accepted");
    stream.until_stage("model");
    server.signal("TERM");
    eventually("it drains", || {
        server.log().contains("draining").then_some(())
    });
    let ready = before.get("/readyz", &[]).unwrap();
    assert_eq!(ready.problem().0, 503);
    let refused = before.say("c", "n", "too late").unwrap();
    assert_eq!(refused.problem().0, 503);
    assert!(refused.header("retry-after").is_some());
    assert_eq!(server.exit(), 0);
}

#[test]
fn sigterm_under_load_loses_and_doubles_nothing() {
    let home = Home::scripted(&[Rule("", "echo of {message}", 30)]);
    let mut server = home.serve().ready();
    let address = server.address();
    let process = server.process();
    let count = std::sync::atomic::AtomicUsize::new(0);
    let told = load::say(address, 8, 4_000, "load", "hi", |told| {
        let sent = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if sent == 300 {
            // In the middle of it, from one of the senders.
            crate::support::process::signal("TERM", process);
        }
        told.answer.is_none()
    });
    assert_eq!(server.exit(), 0, "{}", server.log());
    drop(server);
    let kept = acknowledged(&told);
    eprintln!("around the signal: {:?} by status", statuses(&told));
    assert!(kept.len() >= 300 && kept.len() < told.len());
    for status in statuses(&told).keys() {
        assert!([0, 202, 503].contains(status), "{:?}", statuses(&told));
    }

    let server = home.serve().ready();
    let mut connection = server.connect();
    let mut accepted = 0;
    for told in &told {
        let word = connection.say(&told.id, &told.id, "hi").unwrap().taken();
        let was_kept = told.status() == Some(202);
        assert!(!was_kept || word == "duplicate", "{} was lost", told.id);
        accepted += 1;
    }
    server.all_answered(accepted);
    for told in &told {
        let id = told.id.as_str();
        assert_eq!(
            connection
                .say(id, &format!("{id}-end"), "end")
                .unwrap()
                .taken(),
            "accepted"
        );
    }
    // Each conversation has its two messages and its two answers, no third.
    for told in &told {
        let seen = server.feed(&told.id).until_said("echo of end");
        let numbers: Vec<_> = crate::support::feed::lines(&seen)
            .iter()
            .map(|line| line.number)
            .collect();
        assert_eq!(numbers, [2, 4], "{}: {seen:?}", told.id);
    }
    server.stop();
}
