//! Breakers: operators see them and turn them by hand.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::fakes::{Answer, App, as_operator, post};

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
async fn what_cannot_be_turned_is_said() {
    let app = App::new();
    let unknown = turn(&app, "open", json!({ "name": "model/other" })).await;
    assert_eq!(unknown.problem(), (404, "not_found"));
    let half = turn(&app, "half_open", json!({ "name": "model/scripted" })).await;
    assert_eq!(half.problem(), (404, "not_found"));
    for body in [
        json!({}),
        json!({ "name": 1 }),
        json!({ "name": "x", "by": "y" }),
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
