//! Dead letters from the outside: looked at, tried again and put away, whoever has the
//! store; the words of a person only where they are asked for.

use serde_json::Value;

use crate::support::eventually;
use crate::support::home::{ECHO, Home, Rule};
use crate::support::server::Server;
use crate::support::tools;

/// What nobody can answer.
const BROKEN: &[Rule] = &[Rule("canary", "", 0), Rule("", "echo of {message}", 0)];

/// An installation in which an empty answer gives up at once.
fn home() -> Home {
    let home = Home::with(
        "[model]\nprovider = \"scripted\"\nscript = \"script.toml\"\n\
         [policy.turn]\nretries = 0\n",
    );
    home.script(BROKEN);
    home
}

/// A server in which a message has given up, and the id of its dead letter.
fn given_up(home: &Home) -> (Server, String) {
    let server = home.serve().ready();
    assert_eq!(server.say("c", "m1", "the canary").taken(), "accepted");
    let id = eventually("a dead letter", || {
        let list = home.run(&["dlq", "ls", "--json"]).good().json();
        let id = list["dead_letters"][0]["id"].as_str();
        id.map(str::to_owned)
    });
    (server, id)
}

#[track_caller]
fn state(home: &Home, id: &str) -> Value {
    let shown = home.run(&["dlq", "show", id, "--json"]).good().json();
    shown["state"].clone()
}

#[test]
fn a_dead_letter_is_looked_at_and_tried_again_while_the_server_runs() {
    let home = home();
    let (server, id) = given_up(&home);
    let list = home.run(&["dlq", "ls", "--class", "internal,x"]).good();
    assert_eq!(list.stdout, "");
    let shown = home.run(&["dlq", "show", &id]).good().stdout;
    assert!(shown.contains("state        pending"), "{shown}");
    assert!(shown.contains("failure "), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
    let shown = home.run(&["dlq", "show", &id, "--content"]).good().stdout;
    assert!(shown.contains("says         the canary"), "{shown}");
    let stats = home.run(&["dlq", "stats", "--json"]).good().json();
    assert_eq!(stats["states"]["pending"], 1, "{stats}");

    let dry = home.run(&["dlq", "retry", "--newer-than", "1h", "--dry-run"]);
    assert_eq!(dry.good().stdout, "would try 1 dead letters again\n");
    home.run(&["dlq", "retry"])
        .refused(2, &["--yes", "1 dead letters"]);
    assert_eq!(state(&home, &id), "pending");
    let edited = home.run(&["dlq", "edit", &id, "--text", "hello", "--by", "ana"]);
    assert_eq!(edited.good().stdout, format!("{id}: reprocessing\n"));
    eventually("it is done", || (state(&home, &id) == "done").then_some(()));
    server.all_answered(1);
    let said = server.feed("c").until_said("echo of hello");
    assert!(!said.is_empty());
    home.run(&["dlq", "retry", &id])
        .refused(3, &["stays as it is", "done"]);
    home.run(&["dlq", "show", "m1"])
        .refused(5, &["no dead letter"]);
    assert!(!server.log().contains("canary"), "{}", server.log());
    server.stop();
}

#[test]
fn dead_letters_are_dealt_with_in_the_file_when_no_process_serves_it() {
    let home = home();
    let (server, first) = given_up(&home);
    assert_eq!(server.say("d", "m2", "a second canary").taken(), "accepted");
    eventually("two dead letters", || {
        let stats = home.run(&["dlq", "stats", "--json"]).good().json();
        (stats["states"]["pending"] == 2).then_some(())
    });
    server.stop();

    let exported = home.run(&["dlq", "export"]).good().stdout;
    let lines: Vec<Value> = exported
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((lines.len(), &lines[0]["id"]), (2, &first.as_str().into()));
    assert_eq!(lines[0]["history"].as_array().unwrap().len(), 1);
    assert!(!exported.contains("canary"), "{exported}");
    let exported = home.run(&["dlq", "export", "--content"]).good().stdout;
    assert!(exported.contains("a second canary"), "{exported}");

    let poison = ["dlq", "poison", &first, "--reason", "a bomb"];
    home.run(&poison).refused(2, &["poison 1 dead letter"]);
    let poisoned = home.run(&[&poison[..], &["--yes"]].concat()).good();
    assert_eq!(poisoned.stdout, format!("{first}: poison (a bomb)\n"));
    let again = home.run(&[&poison[..], &["--yes"]].concat()).good();
    assert_eq!(
        again.stdout,
        format!("{first} was poison (a bomb) before\n")
    );
    let retried = home.run(&["dlq", "retry", "--yes", "--json"]).good().json();
    assert_eq!(
        (&retried["matched"], &retried["retried"]),
        (&1.into(), &1.into())
    );

    // Well again, and what is poison stays away.
    home.script(ECHO);
    let server = home.serve().ready();
    eventually("one is answered", || {
        (server.accounting()["ended"]["answered"] == 1).then_some(())
    });
    assert_eq!(server.accounting()["balanced"], true);
    assert_eq!(state(&home, &first), "poison");
    let stats = home.run(&["dlq", "stats", "--json"]).good().json();
    assert_eq!(
        (&stats["states"]["done"], &stats["oldest_at"]),
        (&1.into(), &Value::Null)
    );
    server.stop();

    // The place that the other one has left is no inbound that is missing.
    home.run(&["db", "backup", "--to", "copy.db"]).good();
    home.run(&["db", "restore", "--drill", "--from", "copy.db"])
        .good();
}

#[test]
fn dead_letters_are_tagged_together_and_found_by_their_tag() {
    let home = home();
    let (server, first) = given_up(&home);
    assert_eq!(server.say("d", "m2", "a second canary").taken(), "accepted");
    let both = eventually("two dead letters", || {
        let list = home.run(&["dlq", "ls", "--json"]).good().json();
        let ids = list["dead_letters"].as_array().unwrap().iter();
        let ids: Vec<_> = ids
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect();
        (ids.len() == 2).then_some(ids)
    });
    let second = both.iter().find(|id| **id != first).unwrap().as_str();
    let tag = |ids: &[&str], how: &[&str]| home.run(&[&["dlq", "tag"], ids, how].concat());
    let found = |tag: &str| {
        let found = home
            .run(&["dlq", "ls", "--tag", tag, "--json"])
            .good()
            .json();
        found["dead_letters"].as_array().unwrap().len()
    };
    let tagged = tag(&[&first, second], &["--add", "menu", "--by", "bea"]).good();
    let wanted = format!("{first}: tag menu\n{second}: tag menu\n");
    assert_eq!(tagged.stdout, wanted);
    assert_eq!((found("menu"), found("other")), (2, 0));
    let list = home.run(&["dlq", "ls"]).good().stdout;
    assert_eq!(list.matches("  tag menu").count(), 2, "{list}");
    tag(&[&first], &[]).refused(2, &["--add", "--remove"]);
    tag(&[&first], &["--add", " "]).refused(2, &["--add cannot be taken"]);
    tag(&[&first, "m2"], &["--remove"]).refused(5, &["no dead letter"]);
    assert_eq!(found("menu"), 2, "none was touched");
    server.stop();

    let removed = tag(&[&first], &["--remove", "--json"]).good().json();
    assert_eq!(removed["dead_letters"][0]["tag"], Value::Null);
    assert_eq!(found("menu"), 1);
    let turn = home.run(&["turn", "show", "m2"]).good().stdout;
    let failures: Vec<_> = turn
        .lines()
        .filter(|line| line.starts_with("failure "))
        .collect();
    assert_eq!(failures.len(), 1, "{turn}");
    assert!(failures[0].contains(", run 1  "), "{turn}");
}

/// What has to be confirmed keeps nothing behind it from being tried again, over HTTP
/// neither.
#[test]
fn as_many_are_tried_again_as_were_asked_for_whatever_is_left_out() {
    let home = home();
    let (server, first) = given_up(&home);
    assert_eq!(server.say("d", "m2", "a second canary").taken(), "accepted");
    eventually("two dead letters", || {
        let stats = home.run(&["dlq", "stats", "--json"]).good().json();
        (stats["states"]["pending"] == 2).then_some(())
    });
    // As if its turn had called a tool that has effects.
    tools::sqlite(
        &home.store(),
        "INSERT INTO steps (turn_id, step_key, input, result, run, recorded_at, class)
         SELECT turn_id, 'pay', zeroblob(32), '{}', 1, at, 'at_most_once' FROM failures
         ORDER BY at LIMIT 1",
    );
    let retry = ["dlq", "retry", "--yes", "--limit", "1", "--json"];
    let retried = home.run(&retry).good().json();
    assert_eq!(retried["retried"], 1, "{retried}");
    assert_eq!(retried["skipped"], serde_json::json!([first]));
    server.stop();
}
