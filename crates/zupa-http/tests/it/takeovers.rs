//! Reviews that ask for a human: who approves has the conversation.

use serde_json::{Value, json};
use uuid::Uuid;
use zupa_core::desk::ConversationView;
use zupa_core::{
    Address, Alias, ChannelId, ConversationId, Decision, Hold, HoldKind, NewWait, Nudge, TenantId,
    Timestamp, TurnId, Wait, WaitClaim, WaitId, WaitKind, WaitState,
};

use crate::fakes::{App, NOW};

const CONVERSATION: ConversationId = ConversationId(Uuid::from_u128(0xC));
const REVIEW: WaitId = WaitId(Uuid::from_u128(1));

/// With a review that asks for a human, and its conversation.
fn app() -> App {
    let app = App::new();
    app.desk.waits.lock().unwrap().push(Wait {
        opened: NewWait {
            id: REVIEW,
            kind: WaitKind::Decision,
            subject: json!({ "review": "takeover", "question": "A human is wanted." }).to_string(),
            payload: "{}".into(),
            resume: None,
            expires_at: None,
        },
        turn: TurnId(Uuid::from_u128(0xA)),
        conversation: CONVERSATION,
        state: WaitState::Open,
        opened_at: Timestamp(0),
        settled_at: None,
        decision: None,
        claim: None,
    });
    app.desk
        .conversations
        .lock()
        .unwrap()
        .push(ConversationView {
            id: CONVERSATION,
            address: Address {
                tenant: TenantId::default_tenant(),
                channel: ChannelId::parse("main").unwrap(),
                alias: Alias::parse("ana").unwrap(),
            },
            hold: None,
            pending: 0,
            open_turn: None,
            due_at: None,
            wake_at: None,
            opted_out: None,
            state: None,
        });
    app
}

fn hold(app: &App) -> Option<Hold> {
    app.desk.conversations.lock().unwrap()[0].hold.clone()
}

fn actions(app: &App) -> Vec<String> {
    let acts = app.desk.acts.lock().unwrap();
    acts.iter().map(|entry| entry.action.clone()).collect()
}

#[tokio::test]
async fn who_approves_has_the_conversation_before_the_review_is_settled() {
    let app = app();
    let path = format!("/api/v1/reviews/{REVIEW}");
    let shown = app.operator(&path).await;
    assert_eq!(
        (&shown.json["kind"], &shown.json["what"]),
        (&json!("takeover"), &Value::Null)
    );
    let body = r#"{"approved":true,"by":"ana"}"#;
    let approved = app.decide(REVIEW, body).await;
    assert_eq!(approved.status, 200, "{}", approved.text);
    let taken = hold(&app).unwrap();
    assert_eq!((taken.kind, taken.by.as_str()), (HoldKind::Operator, "ana"));
    let acts = ["review.claimed", "conversation.held", "review.approved"];
    assert_eq!(actions(&app), acts);
    let reason = format!("a takeover, review {REVIEW}, by ana");
    assert_eq!(app.desk.acts.lock().unwrap()[2].reason, reason);
    let nudges = app.wakeup.0.lock().unwrap().clone();
    assert_eq!(nudges[0], Nudge::Held(CONVERSATION));

    // The same again, after the hand-back, takes nothing.
    app.desk.conversations.lock().unwrap()[0].hold = None;
    assert_eq!(app.decide(REVIEW, body).await.text, approved.text);
    assert_eq!((hold(&app), actions(&app).len()), (None, 3));
}

#[tokio::test]
async fn who_rejects_leaves_it_with_the_agent() {
    let app = app();
    let rejected = app.decide(REVIEW, r#"{"approved":false}"#).await;
    assert_eq!(rejected.status, 200, "{}", rejected.text);
    assert_eq!(hold(&app), None);
    assert_eq!(actions(&app), ["review.rejected"]);
    assert_eq!(*app.wakeup.0.lock().unwrap(), [Nudge::Due(CONVERSATION)]);
}

#[tokio::test]
async fn what_somebody_has_claimed_takes_no_conversation() {
    let app = app();
    let path = format!("/api/v1/reviews/{REVIEW}/claim");
    app.act(&path, r#"{"by":"ana"}"#).await;
    let refused = app.decide(REVIEW, r#"{"approved":true,"by":"bea"}"#).await;
    assert_eq!(refused.problem(), (409, "review_claimed"));
    assert_eq!(hold(&app), None);
    assert_eq!(actions(&app), ["review.claimed"], "not even for a moment");
    app.decide(REVIEW, r#"{"approved":true,"by":"ana"}"#).await;
    assert_eq!(hold(&app).unwrap().by, "ana");
}

fn anas_claim() -> WaitClaim {
    WaitClaim {
        by: "ana".into(),
        since: Timestamp(0),
        until: NOW,
    }
}

#[tokio::test]
async fn the_store_says_who_has_claimed_it_before_the_conversation_is_taken() {
    let app = app();
    *app.desk.claimant.lock().unwrap() = Some(anas_claim());
    let refused = app.decide(REVIEW, r#"{"approved":true,"by":"bea"}"#).await;
    assert_eq!(refused.problem(), (409, "review_claimed"));
    assert_eq!(refused.json["review"]["claim"]["by"], "ana");
    assert_eq!((hold(&app), actions(&app).len()), (None, 0));
}

#[tokio::test]
async fn whoever_is_refused_does_not_give_back_what_the_winner_has() {
    for (approved, acts) in [
        (true, &["review.claimed", "conversation.held"][..]),
        (
            false,
            &[
                "review.claimed",
                "conversation.held",
                "conversation.released",
            ],
        ),
    ] {
        let app = app();
        let faster = Decision {
            by: "ana".into(),
            approved,
            note: String::new(),
        };
        *app.desk.overtakes.lock().unwrap() = Some((anas_claim(), faster));
        let refused = app.decide(REVIEW, r#"{"approved":true,"by":"bea"}"#).await;
        assert_eq!(refused.problem(), (409, "review_claimed"));
        assert_eq!(hold(&app).is_some(), approved);
        assert_eq!(actions(&app), acts);
    }
}

#[tokio::test]
async fn who_is_late_by_a_moment_takes_nothing() {
    let yes = r#"{"approved":true}"#;
    let noted = r#"{"approved":true,"note":"mine"}"#;
    for (body, approved, status, actions_of) in [
        (
            yes,
            false,
            409,
            &[
                "review.claimed",
                "conversation.held",
                "conversation.released",
            ][..],
        ),
        (yes, true, 200, &["review.claimed", "conversation.held"]),
        (noted, true, 409, &["review.claimed", "conversation.held"]),
    ] {
        let app = app();
        let faster = Decision {
            by: "bea".into(),
            approved,
            note: String::new(),
        };
        *app.desk.faster.lock().unwrap() = Some(faster);
        let late = app.decide(REVIEW, body).await;
        assert_eq!(late.status, status, "{body}");
        assert_eq!(hold(&app).is_some(), approved, "the decision that counts");
        assert_eq!(actions(&app), actions_of);
    }
}

#[tokio::test]
async fn a_conversation_that_somebody_has_stays_theirs() {
    let app = app();
    let human = Hold {
        kind: HoldKind::Human,
        by: "phone".into(),
        since: Timestamp(0),
        human_at: None,
    };
    app.desk.conversations.lock().unwrap()[0].hold = Some(human.clone());
    *app.desk.faster.lock().unwrap() = Some(Decision {
        by: "bea".into(),
        approved: false,
        note: String::new(),
    });
    app.decide(REVIEW, r#"{"approved":true}"#).await;
    assert_eq!(hold(&app), Some(human.clone()));
    assert_eq!(actions(&app), ["review.claimed"]);
}
