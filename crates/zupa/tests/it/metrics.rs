//! What `/metrics` says after one message.

use std::collections::BTreeMap;

use crate::support::eventually;
use crate::support::home::{Home, Rule};

/// The samples of a text, by name and labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let (text, end) = text.split_at(text.len().saturating_sub("# EOF\n".len()));
    assert_eq!(end, "# EOF\n");
    let samples = text.lines().filter(|line| !line.starts_with("# "));
    samples
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(series.starts_with("zupa_"), "{line}");
            (series.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[test]
fn one_message_is_accepted_answered_and_sent_once() {
    let home = Home::scripted(&[Rule("", "echo of {message}", 0)]);
    let server = home.dev().ready();
    let feed = server.feed("c");
    assert_eq!(server.say("c", "m", "hello").taken(), "accepted");
    feed.until_said("echo of hello");
    assert_eq!(server.say("c", "m", "hello").taken(), "duplicate");
    // Events are counted beside the path, a moment later.
    let figures = eventually("everything is counted", || {
        let answer = server.get("/metrics");
        let figures = samples(&answer.text());
        let counted = figures["zupa_deliveries_total{outcome=\"sent\"}"] > 0.0
            && figures["zupa_inbound_total{result=\"duplicate\"}"] > 0.0;
        counted.then_some(figures)
    });
    for (series, value) in [
        ("zupa_inbound_total{result=\"accepted\"}", 1.0),
        ("zupa_inbound_total{result=\"duplicate\"}", 1.0),
        ("zupa_inbound_total{result=\"refused\"}", 0.0),
        ("zupa_turns_total{outcome=\"committed\"}", 1.0),
        ("zupa_turns_total{outcome=\"dead\"}", 0.0),
        (
            "zupa_turn_duration_seconds_count{outcome=\"committed\"}",
            1.0,
        ),
        ("zupa_queue_wait_seconds_count", 1.0),
        ("zupa_node_duration_seconds_count{node=\"call_model\"}", 1.0),
        ("zupa_effects_total{kind=\"model\",outcome=\"ok\"}", 1.0),
        ("zupa_deliveries_total{outcome=\"sent\"}", 1.0),
        ("zupa_deliveries_total{outcome=\"failed\"}", 0.0),
        ("zupa_recovery_turns_total", 0.0),
        ("zupa_bus_missed_total", 0.0),
    ] {
        assert_eq!(
            figures.get(series),
            Some(&value),
            "{series} in {figures:#?}"
        );
    }
    assert!(figures["zupa_store_commit_seconds_count"] >= 2.0);
    server.stop();
}
