//! An operator's act that is sent again is answered as before, also by the next process.

use serde_json::json;

use crate::support::home::{ECHO, Home};
use crate::support::http::Answer;
use crate::support::server::Server;

const KEY: &str = "key-of-sixteen-characters";

fn act(home: &Home, server: &Server, key: &str, path: &str, body: &str) -> Answer {
    let token = std::fs::read_to_string(format!("{}.token", home.store().display())).unwrap();
    let bearer = format!("Bearer {}", token.trim());
    let headers = [
        ("content-type", "application/json"),
        ("authorization", bearer.as_str()),
        ("idempotency-key", key),
    ];
    let mut connection = server.connect();
    connection
        .request("POST", path, &headers, body.as_bytes())
        .unwrap()
}

#[test]
fn an_act_is_answered_as_before_by_the_next_process() {
    let home = Home::scripted(ECHO);
    let server = home.serve().ready();
    assert_eq!(server.say("c", "m1", "hi").taken(), "accepted");
    server.all_answered(1);
    let listed = home.run(&["conversations", "ls", "--json"]).good().json();
    let id = listed["conversations"][0]["id"].as_str().unwrap();
    let path = format!("/api/v1/conversations/{id}/hold");
    let first = act(&home, &server, KEY, &path, r#"{"by":"ana"}"#);
    assert_eq!(
        (first.status, &first.json()["changed"]),
        (200, &json!(true))
    );
    assert!(!server.log().contains(KEY));
    server.kill();

    let server = home.serve().ready();
    // Its token is another one; the operator is the same.
    let again = act(&home, &server, KEY, &path, r#"{"by":"ana"}"#);
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let other = act(&home, &server, KEY, &path, r#"{"by":"bob"}"#);
    assert_eq!(other.problem(), (422, "idempotency_key_reused".to_owned()));
    let anew = act(
        &home,
        &server,
        "another-key-of-characters",
        &path,
        r#"{"by":"ana"}"#,
    );
    assert_eq!(anew.json()["changed"], false);
    server.stop();
}
