//! Reviews: listed without what a person said, shown with it, decided once.

use axum::http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;
use zupa_core::{
    ConversationId, Digest, ErrorKind, NewWait, Nudge, Timestamp, TurnId, Wait, WaitId, WaitKind,
    WaitState,
};

use crate::fakes::{App, as_operator, get, post};

const CONVERSATION: ConversationId = ConversationId(Uuid::from_u128(0xC));

pub fn id(number: u128) -> WaitId {
    WaitId(Uuid::from_u128(number))
}

pub fn wait(number: u128, kind: WaitKind) -> Wait {
    Wait {
        opened: NewWait {
            id: id(number),
            kind,
            subject: json!({
                "approve": "refund", "call": "call_1", "class": "at_most_once",
                "arguments": { "why": "canary" },
            })
            .to_string(),
            payload: "{}".into(),
            resume: None,
            expires_at: Some(Timestamp(5_000_000)),
        },
        turn: TurnId(Uuid::from_u128(0xA)),
        conversation: CONVERSATION,
        state: WaitState::Open,
        opened_at: Timestamp(1_000_000),
        settled_at: None,
        decision: None,
        claim: None,
    }
}

/// With one review, of id 1.
pub fn app() -> App {
    let app = App::new();
    app.desk
        .waits
        .lock()
        .unwrap()
        .push(wait(1, WaitKind::Decision));
    app
}

#[tokio::test]
async fn a_list_tells_what_and_how_long_but_not_what_was_said() {
    let app = app();
    let answer = app.operator("/api/v1/reviews").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json,
        json!({ "more": false, "next": null, "overdue": 1, "reviews": [{
            "id": id(1), "conversation": CONVERSATION, "turn": Uuid::from_u128(0xA),
            "kind": "approval", "what": "refund", "state": "open",
            "since": "1970-01-01T00:00:01Z", "until": "1970-01-01T00:00:05Z",
            "settled_at": null, "decision": null, "claim": null,
            "age_seconds": 999, "expires_in_seconds": 0, "overdue": true,
        }] })
    );
    app.decide(id(1), r#"{"approved":true,"note":"canary"}"#)
        .await;
    let all = app.operator("/api/v1/reviews?state=all").await;
    assert_eq!(all.json["reviews"][0]["decision"]["by"], "operator");
    assert!(!all.text.contains("canary"), "{}", all.text);
    let open = app.operator("/api/v1/reviews?state=open").await;
    assert_eq!(open.json["reviews"], json!([]));
}

#[tokio::test]
async fn waits_of_other_kinds_are_no_reviews_and_hide_none() {
    let app = App::new();
    let others = (10..60).map(|number| wait(number, WaitKind::Timer));
    app.desk.waits.lock().unwrap().extend(others);
    let reviews = (1..4).map(|number| wait(number, WaitKind::Decision));
    app.desk.waits.lock().unwrap().extend(reviews);
    let ids = |json: &Value| -> Vec<_> {
        let reviews = json["reviews"].as_array().into_iter().flatten();
        reviews.map(|review| review["id"].clone()).collect()
    };
    let two = app.operator("/api/v1/reviews?limit=2").await.json;
    assert_eq!(
        (ids(&two), &two["more"]),
        (vec![json!(id(1)), json!(id(2))], &json!(true))
    );
    let all = app.operator("/api/v1/reviews").await.json;
    assert_eq!((ids(&all).len(), &all["more"]), (3, &json!(false)));
    let timer = format!("/api/v1/reviews/{}", id(10));
    assert_eq!(app.operator(&timer).await.problem(), (404, "not_found"));
    let decided = app.decide(id(10), r#"{"approved":true}"#).await;
    assert_eq!(decided.problem(), (404, "not_found"));
}

#[tokio::test]
async fn a_review_shows_what_is_needed_to_decide() {
    let shown = app().operator(&format!("/api/v1/reviews/{}", id(1))).await;
    assert_eq!(shown.json["subject"]["arguments"]["why"], "canary");
    assert_eq!(shown.json["subject"]["class"], "at_most_once");
}

#[tokio::test]
async fn a_decision_counts_once_is_audited_and_wakes_the_conversation() {
    let app = app();
    let body = r#"{"approved":false,"note":"too much","by":"ana"}"#;
    let first = app.decide(id(1), body).await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!(
        first.json["decision"],
        json!({ "by": "ana", "approved": false, "note": "too much" })
    );
    assert_eq!(first.json["state"], "decided");
    let again = app.decide(id(1), body).await;
    assert_eq!((again.status, &again.text), (StatusCode::OK, &first.text));
    let without_note = app.decide(id(1), r#"{"approved":false}"#).await;
    assert_eq!(without_note.text, first.text);

    let acts = app.desk.acts.lock().unwrap();
    assert_eq!(acts.len(), 1);
    assert_eq!(
        (acts[0].actor.as_str(), acts[0].action.as_str()),
        ("operator", "review.rejected")
    );
    assert_eq!(acts[0].reason, format!("refund, review {}, by ana", id(1)));
    assert_eq!(acts[0].turn, Some(TurnId(Uuid::from_u128(0xA))));
    assert_eq!(acts[0].config, Digest::of(b"the configuration"));
    assert_eq!(*app.wakeup.0.lock().unwrap(), [Nudge::Due(CONVERSATION)]);
}

#[tokio::test]
async fn another_decision_hears_who_was_first() {
    let app = app();
    app.decide(id(1), r#"{"approved":true,"by":"ana"}"#).await;
    for body in [
        r#"{"approved":false}"#,
        r#"{"approved":true,"note":"but hurry"}"#,
    ] {
        let late = app.decide(id(1), body).await;
        assert_eq!(late.problem(), (409, "already_decided"));
        assert!(late.text.contains("ana has approved it"), "{}", late.text);
        assert_eq!(late.json["review"]["decision"]["by"], "ana");
    }
    assert_eq!(app.desk.acts.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_decides_what_is_over() {
    let app = app();
    app.desk.waits.lock().unwrap()[0].state = WaitState::Expired;
    let late = app.decide(id(1), r#"{"approved":true}"#).await;
    assert_eq!(late.problem(), (409, "review_over"));
    assert!(late.text.contains("expired"), "{}", late.text);
}

#[tokio::test]
async fn a_key_is_demanded_before_anything_else() {
    let app = app();
    let path = format!("/api/v1/reviews/{}/decision", id(1));
    let with = |key: Option<&str>| {
        let mut request = as_operator(post(&path, "{"));
        if let Some(key) = key {
            let key = key.parse().unwrap();
            request.headers_mut().insert("idempotency-key", key);
        }
        request
    };
    let missing = app.send(with(None)).await;
    assert_eq!(missing.problem(), (400, "missing_idempotency_key"));
    for key in [
        "",
        "fifteen-letters",
        "a key with spaces in it",
        &"x".repeat(256),
    ] {
        let answer = app.send(with(Some(key))).await;
        assert_eq!(answer.problem(), (400, "invalid_idempotency_key"), "{key}");
    }
    let good = app.send(with(Some("sixteen-letters-"))).await;
    assert_eq!(good.problem(), (400, "malformed_json"));
}

#[tokio::test]
async fn bodies_that_are_no_decisions_name_every_fault() {
    let app = app();
    for (body, code, pointers) in [
        ("[]", "invalid_body", &[][..]),
        ("{}", "invalid_body", &["/approved"]),
        (
            r#"{"approved":"yes","note":1,"by":2,"extra":3}"#,
            "invalid_body",
            &["/approved", "/note", "/by", "/extra"],
        ),
        (
            r#"{"approved":true,"approved":false}"#,
            "invalid_body",
            &["/approved"],
        ),
        (
            r#"{"approved":true,"by":"person"}"#,
            "invalid_decision",
            &["/by"],
        ),
        (
            r#"{"approved":true,"by":" ","note":"\u0000"}"#,
            "invalid_decision",
            &["/note", "/by"],
        ),
    ] {
        let answer = app.decide(id(1), body).await;
        assert_eq!(
            (answer.problem().1, answer.pointers()),
            (code, pointers.to_vec()),
            "{body}"
        );
    }
    let long = format!(r#"{{"approved":true,"note":"{}"}}"#, "é".repeat(2_001));
    assert_eq!(
        app.decide(id(1), long).await.problem(),
        (422, "invalid_decision")
    );
    let huge = format!(r#"{{"approved":true,"note":"{}"}}"#, "x".repeat(70_000));
    assert_eq!(app.decide(id(1), huge).await.problem(), (413, "too_large"));
    assert!(app.desk.acts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_query_that_makes_no_sense_is_400() {
    let app = app();
    for query in [
        "state=closed",
        "limit=0",
        "limit=501",
        "limit=x",
        "limit=-1",
    ] {
        let answer = app.operator(&format!("/api/v1/reviews?{query}")).await;
        assert_eq!(answer.problem(), (400, "invalid_query"), "{query}");
    }
}

#[tokio::test]
async fn unknown_reviews_are_404_and_without_a_token_nothing_is_decided() {
    let app = app();
    for path in ["x", "%FF", &id(9).to_string()] {
        let path = format!("/api/v1/reviews/{path}");
        assert_eq!(app.operator(&path).await.problem(), (404, "not_found"));
    }
    assert_eq!(
        app.decide(id(9), r#"{"approved":true}"#).await.problem(),
        (404, "not_found")
    );
    let path = format!("/api/v1/reviews/{}/decision", id(1));
    let open = app.send(post(&path, r#"{"approved":true}"#)).await;
    assert_eq!(open.problem(), (401, "unauthorized"));
    let read = app.send(as_operator(get(&path))).await;
    assert_eq!(read.problem(), (405, "method_not_allowed"));
    assert!(app.desk.acts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_store_that_fails_decides_nothing() {
    let app = app();
    *app.desk.fails.lock().unwrap() = Some(ErrorKind::Unavailable);
    let answer = app.decide(id(1), r#"{"approved":true}"#).await;
    assert_eq!(answer.problem(), (503, "unavailable"));
    assert!(app.wakeup.0.lock().unwrap().is_empty());
}
