//! Dead letters: listed without what they say, tried again and put away, each once.

use axum::http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;
use zupa_core::{
    ChannelId, Content, ConversationId, Correlation, DeadAttempt, DeadLetter, DeadLetterId,
    DeadLetterState, DeadLetterView, EventId, Nudge, RawPayload, TenantId, TurnId,
};

use crate::fakes::{Answer, App, NOW, as_operator, post};

const PATH: &str = "/api/v1/dead-letters";

fn id(number: u128) -> DeadLetterId {
    DeadLetterId::Inbound(EventId(Uuid::from_u128(number)))
}

fn conversation(number: u128) -> ConversationId {
    ConversationId(Uuid::from_u128(number))
}

/// A pending one.
pub fn view(number: u128, class: &str) -> DeadLetterView {
    DeadLetterView {
        letter: DeadLetter {
            id: id(number),
            state: DeadLetterState::Pending,
            tenant: TenantId::default_tenant(),
            conversation: conversation(number),
            channel: ChannelId::parse("main").unwrap(),
            turn: TurnId(Uuid::from_u128(9)),
            content: "text".into(),
            class: class.into(),
            message: "the prompt is too long".into(),
            correlation: Correlation::default(),
            first_failed_at: NOW,
            last_failed_at: NOW,
            attempts: 1,
            tag: None,
            reason: None,
            ended_at: None,
        },
        attempts: vec![DeadAttempt {
            at: NOW,
            turn: TurnId(Uuid::from_u128(9)),
            run: 1,
            class: class.into(),
            message: "the prompt is too long".into(),
            not_before: None,
            counted: true,
        }],
        content: Some(Content::text("canary")),
        raw: Some(RawPayload::of(b"canary \xff".to_vec())),
    }
}

fn app() -> App {
    let app = App::new();
    let classes = ["context_length", "content_filter", "context_length"];
    let views = (1..)
        .zip(classes)
        .map(|(number, class)| view(number, class));
    app.desk.dead_letters.lock().unwrap().extend(views);
    app
}

async fn act(app: &App, path: &str, body: Value) -> Answer {
    app.act(&format!("{PATH}/{path}"), body.to_string()).await
}

fn listed(answer: &Answer) -> Vec<&str> {
    let letters = answer.json["dead_letters"].as_array().unwrap();
    letters
        .iter()
        .filter_map(|letter| letter["id"].as_str())
        .collect()
}

#[tokio::test]
async fn lists_are_filtered_paged_and_hold_no_words() {
    let app = app();
    let all = app.operator(PATH).await;
    assert_eq!(all.status, 200, "{}", all.text);
    assert_eq!(listed(&all), [1, 2, 3].map(|number| id(number).to_string()));
    assert!(!all.text.contains("canary"));
    let some = app
        .operator(&format!("{PATH}?class=context_length&limit=1"))
        .await;
    assert_eq!(listed(&some), [id(1).to_string()]);
    let next = some.json["next"].as_str().unwrap();
    let rest = app
        .operator(&format!("{PATH}?class=context_length&after={next}"))
        .await;
    assert_eq!(listed(&rest), [id(3).to_string()]);
    assert_eq!(rest.json["next"], Value::Null);
    let old = app.operator(&format!("{PATH}?older_than=1h")).await;
    assert_eq!(listed(&old), Vec::<&str>::new());
    for bad in [
        "kind=x",
        "state=x",
        "older_than=x",
        "limit=0",
        "after=x",
        "tenant=",
    ] {
        let refused = app.operator(&format!("{PATH}?{bad}")).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    let stats = app.operator(&format!("{PATH}/stats")).await;
    assert_eq!(
        stats.json["classes"],
        json!({ "context_length": 2, "content_filter": 1 })
    );
}

#[tokio::test]
async fn one_is_shown_with_its_failures_and_its_words_only_when_asked() {
    let app = app();
    let path = format!("{PATH}/{}", id(1));
    let shown = app.operator(&path).await;
    assert_eq!(shown.json["history"][0]["class"], "context_length");
    assert!(!shown.text.contains("canary"), "{}", shown.text);
    assert!(!shown.text.contains("raw"), "{}", shown.text);
    let shown = app.operator(&format!("{path}?content=true")).await;
    assert_eq!(shown.json["says"]["text"], "canary");
    assert_eq!(shown.json["raw_hex"], "63616e61727920ff");
    let unknown = app.operator(&format!("{PATH}/{}", id(7))).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(app.get(&path).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_retry_wakes_the_conversation_and_a_second_one_changes_nothing() {
    let app = app();
    let path = format!("{}/retry", id(1));
    let done = act(&app, &path, json!({ "by": "ana" })).await;
    assert_eq!(done.status, 200, "{}", done.text);
    assert_eq!(
        (&done.json["state"], &done.json["changed"]),
        (&json!("reprocessing"), &json!(true))
    );
    assert_eq!(*app.wakeup.0.lock().unwrap(), [Nudge::Due(conversation(1))]);
    let again = act(&app, &path, json!({ "by": "ana" })).await;
    assert_eq!(
        (again.status, &again.json["changed"]),
        (StatusCode::OK, &json!(false))
    );
    let acts = app.desk.acts.lock().unwrap().clone();
    assert_eq!(acts.len(), 1);
    assert_eq!(acts[0].action, "dead_letter.retried");
    assert_eq!(acts[0].reason, format!("{}, by ana", id(1)));
    let late = act(
        &app,
        &format!("{}/discard", id(1)),
        json!({ "reason": "spam" }),
    )
    .await;
    assert_eq!(
        (late.status, &late.json["code"]),
        (StatusCode::CONFLICT, &json!("already_dealt_with"))
    );
}

#[tokio::test]
async fn what_may_happen_twice_has_to_be_confirmed() {
    let app = app();
    app.desk
        .matters
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let path = format!("{}/edit", id(1));
    let refused = act(&app, &path, json!({ "text": "b" })).await;
    assert_eq!(
        (refused.status, &refused.json["code"]),
        (StatusCode::CONFLICT, &json!("unconfirmed"))
    );
    let many = act(&app, "retry", json!({})).await;
    assert_eq!(
        (&many.json["matched"], &many.json["retried"]),
        (&json!(3), &json!(0))
    );
    assert_eq!(many.json["skipped"].as_array().unwrap().len(), 3);
    let done = act(&app, &path, json!({ "text": "b", "confirm": true })).await;
    assert_eq!(done.status, 200, "{}", done.text);
}

/// What is left out hides nothing that comes behind it.
#[tokio::test]
async fn many_are_tried_again_page_by_page() {
    let app = app();
    app.desk
        .matters
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let mut page = act(&app, "retry", json!({ "limit": 1 })).await;
    let mut left_out = Vec::new();
    for _ in 0..2 {
        let next = page.json["next"].clone();
        left_out.extend(page.json["skipped"].as_array().unwrap().clone());
        assert_eq!(page.json["skipped"][0], next, "{}", page.text);
        page = act(&app, "retry", json!({ "limit": 1, "after": next })).await;
    }
    left_out.extend(page.json["skipped"].as_array().unwrap().clone());
    assert_eq!(page.json.get("next"), None, "{}", page.text);
    left_out.dedup();
    assert_eq!(left_out.len(), 3, "each once");
    let wrong = act(&app, "retry", json!({ "after": "nothing" })).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_filter_tries_pending_ones_again_and_no_poison() {
    let app = app();
    let poison = act(
        &app,
        &format!("{}/poison", id(1)),
        json!({ "reason": "a bomb" }),
    )
    .await;
    assert_eq!(poison.json["state"], "poison", "{}", poison.text);
    let filter = json!({ "filter": { "class": "context_length" }, "dry_run": true });
    let dry = act(&app, "retry", filter).await;
    assert_eq!(
        dry.json,
        json!({ "matched": 1, "retried": 0, "skipped": [] })
    );
    assert_eq!(
        app.desk.acts.lock().unwrap().len(),
        1,
        "a dry run changes nothing"
    );
    let done = act(
        &app,
        "retry",
        json!({ "filter": { "class": "context_length" } }),
    )
    .await;
    assert_eq!(
        done.json,
        json!({ "matched": 1, "retried": 1, "skipped": [] })
    );
    let states: Vec<_> = app
        .desk
        .dead_letters
        .lock()
        .unwrap()
        .iter()
        .map(|view| view.letter.state)
        .collect();
    let expected = [
        DeadLetterState::Poison,
        DeadLetterState::Pending,
        DeadLetterState::Reprocessing,
    ];
    assert_eq!(states, expected);
}

#[tokio::test]
async fn acts_say_what_is_wrong_with_them() {
    let app = app();
    let one = id(1).to_string();
    for (path, body, status) in [
        (format!("{one}/discard"), json!({}), 400),
        (format!("{one}/discard"), json!({ "reason": "" }), 422),
        (format!("{one}/discard"), json!({ "reason": "a\nb" }), 422),
        (format!("{one}/retry"), json!({ "confirm": "yes" }), 400),
        (format!("{one}/retry"), json!({ "by": "runtime" }), 422),
        (
            format!("{one}/edit"),
            json!({ "text": "canary", "x": 1 }),
            400,
        ),
        (format!("{one}/burn"), json!({}), 404),
        (format!("{}/retry", id(7)), json!({}), 404),
        ("retry".to_owned(), json!({ "limit": 0 }), 400),
        (
            "retry".to_owned(),
            json!({ "filter": { "older_than": "x" } }),
            422,
        ),
    ] {
        let refused = act(&app, &path, body).await;
        assert_eq!(refused.status.as_u16(), status, "{path}: {}", refused.text);
        assert!(!refused.text.contains("canary"));
    }
    let keyless = as_operator(post(&format!("{PATH}/{one}/retry"), "{}"));
    assert_eq!(
        app.send(keyless).await.json["code"],
        "missing_idempotency_key"
    );
    assert!(app.desk.acts.lock().unwrap().is_empty());
}
