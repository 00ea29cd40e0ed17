//! What a turn leaves in the log: every id that exists, and nothing that was said.

use serde_json::Value;

use crate::support::home::Home;

#[test]
fn every_line_of_a_turn_carries_its_ids_and_no_words() {
    let home = Home::new();
    let server = home.dev().ready();
    let canary = "a canary sings at dawn";
    let answer = server.say("ana", "m-secret-id", canary);
    let event = answer.json()["event"].as_str().unwrap().to_owned();
    server.all_answered(1);
    server.say("ana", "m-secret-id", canary);
    let log = server.log();
    assert!(
        !log.contains("canary") && !log.contains("m-secret-id"),
        "{log}"
    );
    let lines: Vec<Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let of = |message: &str| {
        let found = lines.iter().find(|line| line["message"] == message);
        found.unwrap_or_else(|| panic!("no line says {message}: {log}"))
    };
    let (accepted, answered) = (of("accepted a message"), of("answered"));
    for line in [accepted, answered] {
        assert_eq!(line["event_id"], event.as_str());
        assert!(line["request_id"].is_string() && line["conversation_id"].is_string());
    }
    assert_eq!(accepted["conversation_id"], answered["conversation_id"]);
    assert_eq!(accepted["request_id"], answered["request_id"]);
    assert!(answered["turn_id"].is_string() && accepted["dedupe_key"].is_string());
    let again = of("a message was delivered again");
    assert_eq!(again["dedupe_key"], accepted["dedupe_key"]);
}
