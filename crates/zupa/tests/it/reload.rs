//! kill -9 in the middle of an answer: after the restart the conversation reads
//! as if nothing had been, each line once and in order.

use crate::support::feed::{Line, lines};
use crate::support::home::{Home, Rule};
use crate::support::model::{FakeModel, Mood};
use crate::support::{Feed, Server};

/// Reads the conversation from its beginning up to an answer.
#[track_caller]
fn reload(server: &Server, up_to: &str) -> Vec<Line> {
    lines(&Feed::open(server.address(), "c", 0).until_said(up_to))
}

fn line(number: u64, from: &str, text: &str) -> Line {
    Line {
        number,
        from: from.to_owned(),
        text: text.to_owned(),
    }
}

#[test]
fn kill_9_while_the_model_thinks_loses_and_doubles_nothing() {
    let home = Home::scripted(&[
        Rule("slow", "echo of {message}", 60_000),
        Rule("", "echo of {message}", 0),
    ]);
    let server = home.dev().ready();
    let stream = server.feed("c");
    assert_eq!(server.say("c", "m1", "first").taken(), "accepted");
    stream.until_said("echo of first");
    assert_eq!(server.say("c", "m2", "slow one").taken(), "accepted");
    stream.until_stage("model");
    // Both are accepted behind the one that the model thinks about.
    assert_eq!(server.say("c", "m3", "third").taken(), "accepted");
    server.kill();

    home.script(&[Rule("", "echo of {message}", 0)]);
    let server = home.dev().ready();
    for (id, text) in [("m1", "first"), ("m2", "slow one"), ("m3", "third")] {
        assert_eq!(server.say("c", id, text).taken(), "duplicate", "{id}");
    }
    server.all_answered(3);
    assert_eq!(server.say("c", "m4", "last").taken(), "accepted");
    let all = reload(&server, "echo of last");
    // The turn that was killed takes again exactly what it had taken.
    assert_eq!(
        all,
        [
            line(1, "inbound", "first"),
            line(2, "message", "echo of first"),
            line(3, "inbound", "slow one"),
            line(4, "inbound", "third"),
            line(5, "message", "echo of slow one"),
            line(6, "message", "echo of third"),
            line(7, "inbound", "last"),
            line(8, "message", "echo of last"),
        ]
    );
    assert_eq!(reload(&server, "echo of last"), all);
    server.stop();
}

#[test]
fn kill_9_while_the_answer_is_streamed_shows_it_whole_and_once() {
    let home = Home::new();
    let model = FakeModel::start(Mood::Stalls("half of an ans"));
    let server = model.behind(home.dev()).ready();
    let stream = server.feed("c");
    assert_eq!(server.say("c", "m", "hi").taken(), "accepted");
    let drafted = stream.until("a draft", |event| event.name == "delta");
    assert_eq!(lines(&drafted), [line(1, "inbound", "hi")]);
    server.kill();

    model.mood(Mood::Well);
    let server = model.behind(home.dev()).ready();
    let all = reload(&server, "echo of hi");
    assert_eq!(
        all,
        [line(1, "inbound", "hi"), line(2, "message", "echo of hi")]
    );
    assert_eq!(server.say("c", "m", "hi").taken(), "duplicate");
    server.all_answered(1);
    assert_eq!(model.asked().len(), 2, "once before the kill, once after");
}

#[test]
fn kill_9_after_the_answer_was_stored_asks_the_model_no_second_time() {
    let home = Home::new();
    let model = FakeModel::start(Mood::Well);
    let server = model.behind(home.dev()).ready();
    let stream = server.feed("c");
    assert_eq!(server.say("c", "m", "hi").taken(), "accepted");
    stream.until_said("echo of hi");
    server.kill();
    let server = model.behind(home.dev()).ready();
    assert_eq!(server.say("c", "m", "hi").taken(), "duplicate");
    assert_eq!(server.say("c", "n", "again").taken(), "accepted");
    assert_eq!(reload(&server, "echo of again").len(), 4);
    assert_eq!(model.asked().len(), 2);
}

#[test]
fn a_reader_that_comes_back_gets_only_what_it_has_not_seen() {
    let home = Home::scripted(&[Rule("", "echo of {message}", 0)]);
    let server = home.dev().ready();
    let address = server.address();
    let stream = server.feed("c");
    assert_eq!(server.say("c", "m1", "first").taken(), "accepted");
    stream.until_said("echo of first");
    server.kill();
    // As a browser does: the same address, the last number it saw.
    let server = home.dev().at(address).ready();
    let stream = Feed::open(address, "c", 2);
    assert_eq!(server.say("c", "m2", "second").taken(), "accepted");
    let seen = lines(&stream.until_said("echo of second"));
    assert_eq!(
        seen,
        [
            line(3, "inbound", "second"),
            line(4, "message", "echo of second")
        ]
    );
}
