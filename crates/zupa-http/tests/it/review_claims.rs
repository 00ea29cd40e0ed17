//! Reviews that an operator has claimed: nobody else takes or decides them meanwhile.

use axum::http::StatusCode;
use serde_json::{Value, json};
use zupa_core::review::CLAIM_TIME;
use zupa_core::{Timestamp, WaitClaim, WaitKind, WaitState};

use crate::fakes::{Answer, App, NOW, as_operator, post};
use crate::reviews::{app, id, wait};

async fn put(app: &App, word: &str, body: &'static str) -> Answer {
    app.act(&format!("/api/v1/reviews/{}/{word}", id(1)), body)
        .await
}

fn claim_of(by: &str, until: Timestamp) -> Option<WaitClaim> {
    Some(WaitClaim {
        by: by.into(),
        since: NOW,
        until,
    })
}

#[tokio::test]
async fn a_claim_is_shown_audited_and_claimed_again_by_the_same_is_no_news() {
    let app = app();
    let first = put(&app, "claim", r#"{"by":"ana"}"#).await;
    assert_eq!(first.status, 200, "{}", first.text);
    let until = NOW.plus(CLAIM_TIME);
    let claim = json!({ "by": "ana", "since": NOW.to_string(), "until": until.to_string() });
    assert_eq!(
        (&first.json["claim"], &first.json["changed"]),
        (&claim, &json!(true))
    );
    assert!(!first.text.contains("canary"), "{}", first.text);
    let again = put(&app, "claim", r#"{"by":"ana"}"#).await;
    assert_eq!(
        (&again.json["claim"], &again.json["changed"]),
        (&claim, &json!(false))
    );
    let listed = app.operator("/api/v1/reviews").await;
    assert_eq!(listed.json["reviews"][0]["claim"], claim);
    let shown = app.operator(&format!("/api/v1/reviews/{}", id(1))).await;
    assert_eq!(shown.json["claim"], claim);

    let acts = app.desk.acts.lock().unwrap();
    let [act] = &acts[..] else {
        panic!("one act, not {acts:?}");
    };
    assert_eq!(act.action, "review.claimed");
    assert_eq!(act.reason, format!("refund, review {}, by ana", id(1)));
}

#[tokio::test]
async fn another_operator_hears_who_has_it_and_since_when() {
    let app = app();
    put(&app, "claim", r#"{"by":"ana"}"#).await;
    for (word, body) in [
        ("claim", r#"{"by":"bea"}"#),
        ("release", r#"{"by":"bea"}"#),
        ("claim", "{}"),
        ("decision", r#"{"approved":true,"by":"bea"}"#),
        ("decision", r#"{"approved":false}"#),
    ] {
        let refused = put(&app, word, body).await;
        assert_eq!(refused.problem(), (409, "review_claimed"), "{word} {body}");
        let told = format!("ana has claimed it at {NOW}");
        assert!(refused.text.contains(&told), "{}", refused.text);
        assert_eq!(refused.json["review"]["claim"]["by"], "ana");
    }
    assert_eq!(app.desk.acts.lock().unwrap().len(), 1);
    assert!(app.wakeup.0.lock().unwrap().is_empty());

    // The store knows of a claim that was not there a moment before.
    put(&app, "release", r#"{"by":"ana"}"#).await;
    for (word, body) in [("claim", "{}"), ("decision", r#"{"approved":true}"#)] {
        *app.desk.claimant.lock().unwrap() = claim_of("ana", NOW);
        let refused = put(&app, word, body).await;
        assert_eq!(refused.problem(), (409, "review_claimed"), "{word} {body}");
        assert_eq!(refused.json["review"]["claim"]["by"], "ana");
    }
    put(&app, "claim", r#"{"by":"ana"}"#).await;
    let own = app.decide(id(1), r#"{"approved":true,"by":"ana"}"#).await;
    assert_eq!(
        (own.status, &own.json["claim"]),
        (StatusCode::OK, &Value::Null)
    );
    let late = put(&app, "claim", r#"{"by":"ana"}"#).await;
    assert_eq!(late.problem(), (409, "already_decided"));
}

#[tokio::test]
async fn a_claim_that_is_given_back_or_over_is_nobodys() {
    let app = app();
    put(&app, "claim", r#"{"by":"ana"}"#).await;
    let back = put(&app, "release", r#"{"by":"ana"}"#).await;
    assert_eq!(
        (back.status, &back.json["changed"]),
        (StatusCode::OK, &json!(true))
    );
    let again = put(&app, "release", r#"{"by":"ana"}"#).await;
    assert_eq!(again.json["changed"], false);
    assert_eq!(
        put(&app, "claim", "{}").await.json["claim"]["by"],
        "operator"
    );
    put(&app, "release", "{}").await;

    app.desk.waits.lock().unwrap()[0].claim = claim_of("ana", NOW);
    let listed = app.operator("/api/v1/reviews").await;
    let claim = listed.json["reviews"][0].get("claim");
    assert_eq!(claim, Some(&Value::Null));
    let taken = put(&app, "claim", r#"{"by":"bea"}"#).await;
    assert_eq!(taken.json["claim"]["by"], "bea");
}

#[tokio::test]
async fn only_what_operators_can_decide_is_claimed_and_only_by_them() {
    let app = app();
    app.desk.waits.lock().unwrap()[0].state = WaitState::Expired;
    app.desk
        .waits
        .lock()
        .unwrap()
        .push(wait(2, WaitKind::Timer));
    for word in ["claim", "release"] {
        assert_eq!(put(&app, word, "{}").await.problem(), (409, "review_over"));
        for other in [id(2).to_string(), id(9).to_string(), "x".into()] {
            let path = format!("/api/v1/reviews/{other}/{word}");
            assert_eq!(app.act(&path, "{}").await.problem(), (404, "not_found"));
        }
        let path = format!("/api/v1/reviews/{}/{word}", id(1));
        let open = app.send(post(&path, "{}")).await;
        assert_eq!(open.problem(), (401, "unauthorized"));
        let without_key = app.send(as_operator(post(&path, "{}"))).await;
        assert_eq!(without_key.problem(), (400, "missing_idempotency_key"));
        let wrong = app.act(&path, r#"{"by":1,"x":2}"#).await;
        assert_eq!(wrong.problem(), (400, "invalid_body"));
        assert_eq!(wrong.pointers(), ["/by", "/x"]);
        let person = app.act(&path, r#"{"by":"person"}"#).await;
        assert_eq!(person.problem(), (422, "invalid_act"));
    }
    assert!(app.desk.acts.lock().unwrap().is_empty());
}
