//! Two tenants with the same conversation and the same message ids: nothing
//! crosses.

use serde_json::json;

use crate::support::feed::{Feed, lines};
use crate::support::home::Home;
use crate::support::model::{FakeModel, Mood};
use crate::support::{Line, Server};

const TWO: &str = r#"
[[channel]]
id = "red"
kind = "web-chat"
tenant = "red-inc"

[[channel]]
id = "blue"
kind = "web-chat"
tenant = "blue-ltd"
"#;

#[track_caller]
fn say(server: &Server, channel: &str, id: &str, text: &str) -> String {
    let path = format!("/chat/{channel}/c/messages");
    let body = json!({ "id": id, "text": text }).to_string();
    let answer = server.connect().post_json(&path, body.as_bytes()).unwrap();
    answer.taken()
}

#[track_caller]
fn read(server: &Server, channel: &str, up_to: &str) -> Vec<Line> {
    let feed = Feed::at(server.address(), &format!("/chat/{channel}/c/events"));
    lines(&feed.until_said(up_to))
}

#[test]
fn tenants_with_the_same_ids_share_nothing() {
    let home = Home::with(TWO);
    let model = FakeModel::start(Mood::Well);
    let server = model.behind(home.serve()).ready();
    for (number, id) in ["m1", "m2"].into_iter().enumerate() {
        for channel in ["red", "blue"] {
            let text = format!("{channel} secret {number}");
            assert_eq!(
                say(&server, channel, id, &text),
                "accepted",
                "{channel} {id}"
            );
            read(&server, channel, &text);
        }
    }
    // Each has its own ledger, so a repeat is one within its tenant alone.
    assert_eq!(say(&server, "red", "m1", "red secret 0"), "duplicate");
    server.all_answered(4);

    for (channel, other) in [("red", "blue"), ("blue", "red")] {
        let replies = read(&server, channel, "secret 1");
        let texts: Vec<_> = replies.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                format!("echo of {channel} secret 0"),
                format!("echo of {channel} secret 1")
            ]
        );
        // What the model was shown in the name of one holds nothing of the other.
        let mine: Vec<_> = model
            .asked()
            .into_iter()
            .map(|asked| asked.body["messages"].to_string())
            .filter(|messages| messages.contains(channel))
            .collect();
        assert_eq!(mine.len(), 2);
        assert!(
            mine.iter().all(|messages| !messages.contains(other)),
            "{mine:#?}"
        );
        assert!(mine[1].contains("secret 0"), "history is there at all");
    }
    // The first channel is also reached without its name, as itself.
    let unnamed = server.feed("c").until_said("secret 1");
    assert_eq!(lines(&unnamed), read(&server, "red", "secret 1"));
    server.stop();
}

#[cfg(feature = "faults")]
#[test]
fn a_ledger_without_the_tenant_is_found_out() {
    let home = Home::with(TWO);
    let model = FakeModel::start(Mood::Well);
    let server = model
        .behind(home.serve())
        .variable("ZUPA_FAULTS_BUG", "dedupe-without-tenant")
        .ready();
    let first = say(&server, "red", "m1", "same");
    let second = say(&server, "blue", "m1", "same");
    assert_eq!((first.as_str(), second.as_str()), ("accepted", "duplicate"));
}
