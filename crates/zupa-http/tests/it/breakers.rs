//! Breakers: operators see them and turn them by hand.

use axum::http::StatusCode;
use serde_json::{Value, json};
use zupa_core::{Digest, ErrorKind};

use crate::fakes::{Answer, App, NOW, as_operator, post};

async fn turn(app: &App, word: &str, body: Value) -> Answer {
    let path = format!("/api/v1/breakers/{word}");
    app.act(&path, body.to_string()).await
}

#[tokio::test]
async fn operators_see_breakers_and_turn_them() {
    let app = App::new();
    let listed = app.operator("/api/v1/breakers").await;
    assert_eq!(listed.json["breakers"][0]["name"], "model/scripted");
    assert_eq!(listed.json["breakers"][0]["state"], "closed");
    for (word, state) in [("open", "open"), ("open", "open"), ("close", "closed")] {
        let turned = turn(&app, word, json!({ "name": "model/scripted" })).await;
        assert_eq!(turned.status, StatusCode::OK, "{turned:?}");
        assert_eq!(turned.json["breaker"]["state"], state);
    }
}

#[tokio::test]
async fn who_turned_a_breaker_and_why_is_in_the_audit() {
    let app = App::new();
    let name = "model/scripted";
    let body = json!({ "name": name, "reason": "it stumbles", "by": "bea" });
    assert_eq!(turn(&app, "open", body).await.status, StatusCode::OK);
    assert_eq!(
        turn(&app, "close", json!({ "name": name })).await.status,
        200
    );
    let acts = app.desk.acts.lock().unwrap().clone();
    let said: Vec<_> = acts
        .iter()
        .map(|entry| (&*entry.action, &*entry.reason))
        .collect();
    assert_eq!(
        said,
        [
            ("breaker.opened", "model/scripted: it stumbles, by bea"),
            ("breaker.closed", "model/scripted")
        ]
    );
    let entry = &acts[0];
    assert_eq!(
        (&*entry.actor, entry.at, entry.turn),
        ("operator", NOW, None)
    );
    assert_eq!(entry.config, Digest::of(b"the configuration"));
}

#[tokio::test]
async fn the_audit_of_the_installation_is_listed_newest_first_in_pages() {
    let app = App::new();
    for word in ["open", "close", "open"] {
        turn(&app, word, json!({ "name": "model/scripted" })).await;
    }
    let numbers = |answer: &Answer| {
        let entries = answer.json["entries"].as_array().unwrap().clone();
        let numbers = entries
            .iter()
            .map(|entry| entry["number"].as_u64().unwrap());
        (numbers.collect::<Vec<_>>(), answer.json["more"] == true)
    };
    let page = app.operator("/api/v1/audit?limit=2").await;
    assert_eq!(numbers(&page), (vec![3, 2], true));
    let newest = &page.json["entries"][0];
    assert_eq!(newest["action"], "breaker.opened");
    assert_eq!(newest["at"], NOW.to_string());
    assert_eq!(newest["config"], Digest::of(b"the configuration").to_hex());
    let page = app.operator("/api/v1/audit?limit=2&before=2").await;
    assert_eq!(numbers(&page), (vec![1], false));
    for query in ["before=x", "limit=0", "limit=x"] {
        let bad = app.operator(&format!("/api/v1/audit?{query}")).await;
        assert_eq!(bad.problem(), (400, "invalid_query"), "{query}");
    }
    assert_eq!(app.get("/api/v1/audit").await.problem().0, 401);
}

#[tokio::test]
async fn a_breaker_is_not_turned_without_an_entry() {
    let app = App::new();
    let name = "model/scripted";
    for (body, code) in [
        (json!({ "name": name, "reason": " " }), 422),
        (json!({ "name": name, "by": "runtime" }), 422),
        (json!({ "name": "model/other" }), 404),
    ] {
        assert_eq!(turn(&app, "open", body).await.status, code);
    }
    *app.desk.fails.lock().unwrap() = Some(ErrorKind::Unavailable);
    let down = turn(&app, "open", json!({ "name": name })).await;
    assert_eq!(down.problem(), (503, "unavailable"));
    *app.desk.fails.lock().unwrap() = None;
    assert!(app.desk.acts.lock().unwrap().is_empty());
    let listed = app.operator("/api/v1/breakers").await;
    assert_eq!(listed.json["breakers"][0]["state"], "closed");
}

#[tokio::test]
async fn what_cannot_be_turned_is_said() {
    let app = App::new();
    let unknown = turn(&app, "open", json!({ "name": "model/other" })).await;
    assert_eq!(unknown.problem(), (404, "not_found"));
    let half = turn(&app, "half_open", json!({ "name": "model/scripted" })).await;
    assert_eq!(half.problem(), (404, "not_found"));
    for body in [
        json!({}),
        json!({ "name": 1 }),
        json!({ "name": "x", "for": "y" }),
    ] {
        let bad = turn(&app, "open", body).await;
        assert_eq!(bad.problem(), (400, "invalid_body"));
    }
    let without_key = as_operator(post("/api/v1/breakers/open", "{}"));
    let problem = app.send(without_key).await;
    assert_eq!(problem.problem(), (400, "missing_idempotency_key"));
    let stranger = app.get("/api/v1/breakers").await;
    assert_eq!(stranger.problem().0, 401);
}
