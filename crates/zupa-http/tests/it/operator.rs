//! The operator's reads.

use serde_json::json;
use uuid::Uuid;
use zupa_core::desk::{Accounting, FailureView, InboundView, TurnView};
use zupa_core::{ConversationId, DeadAttempt, ErrorKind, InboundState, Number, Timestamp};

use crate::fakes::{App, EVENT, get, turn};

const ROUTES: [&str; 5] = [
    "/api/v1/turns/x",
    "/api/v1/accounting",
    "/api/v1/status",
    "/api/v1/reviews",
    "/api/v1/reviews/00000000-0000-0000-0000-000000000001",
];

#[tokio::test]
async fn without_the_token_every_route_is_401() {
    let app = App::new();
    for path in ROUTES {
        for offered in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer wrong",
            "Basic the-admin-token",
            "the-admin-token",
        ] {
            let mut request = get(path);
            request
                .headers_mut()
                .insert("authorization", offered.parse().unwrap());
            let answer = app.send(request).await;
            assert_eq!(answer.problem(), (401, "unauthorized"), "{offered}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"zupa\"");
        }
        assert_eq!(app.get(path).await.problem().0, 401);
    }
}

#[tokio::test]
async fn a_message_is_found_and_explained() {
    let app = App::new();
    let view = TurnView {
        turn: None,
        conversation: ConversationId(Uuid::from_u128(1)),
        inbounds: vec![InboundView {
            event: EVENT,
            number: Number(1),
            state: InboundState::Queued,
            reason: None,
            accepted_at: Timestamp(7),
            duplicates: 2,
            request_id: Some("r-1".into()),
            trace_id: Some("t-1".into()),
        }],
        steps: Vec::new(),
        waits: Vec::new(),
        deliveries: Vec::new(),
        failures: vec![FailureView {
            delivery: None,
            attempt: DeadAttempt {
                at: Timestamp(7),
                turn: turn(1),
                run: 1,
                class: "timeout".into(),
                message: "no answer in time".into(),
                not_before: Some(Timestamp(9)),
                counted: true,
            },
        }],
        hold: None,
        audit: Vec::new(),
    };
    app.desk
        .views
        .lock()
        .unwrap()
        .insert("m 1".into(), view.clone());
    let answer = app.operator("/api/v1/turns/m%201").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json["why"],
        "It waits for a turn of its conversation."
    );
    assert_eq!(answer.json["why_code"], "queued");
    let read: TurnView = serde_json::from_value(answer.json).unwrap();
    assert_eq!(read, view, "the CLI reads back what the desk said");
}

#[tokio::test]
async fn unknown_ids_are_404() {
    let app = App::new();
    for path in ["/api/v1/turns/x", "/api/v1/turns/%FF"] {
        assert_eq!(app.operator(path).await.problem(), (404, "not_found"));
    }
}

#[tokio::test]
async fn accounting_names_every_state() {
    let app = App::new();
    *app.desk.accounting.lock().unwrap() = Accounting {
        accepted: 5,
        open: [("queued".to_owned(), 1)].into(),
        ended: [("answered".to_owned(), 3)].into(),
        purged: 1,
        deliveries: [("sent".to_owned(), 3)].into(),
    };
    let answer = app.operator("/api/v1/accounting").await;
    let json = answer.json;
    assert_eq!(json["open"], json!({ "queued": 1, "claimed": 0 }));
    assert_eq!(
        json["ended"],
        json!({
            "answered": 3, "answered_by_human": 0, "silent": 0, "dead": 0, "refused": 0,
            "expired": 0,
        })
    );
    assert_eq!(json["accepted"], 5);
    assert_eq!(json["purged"], 1);
    assert_eq!(json["balanced"], true);
    assert_eq!(json["deliveries"]["sent"], 3);
    assert_eq!(json["deliveries"]["in_doubt"], 0);

    app.desk.accounting.lock().unwrap().accepted = 6;
    assert_eq!(
        app.operator("/api/v1/accounting").await.json["balanced"],
        false
    );
}

#[tokio::test]
async fn status_describes_process_and_store() {
    let app = App::new();
    let answer = app.operator("/api/v1/status").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json["state"], "ready");
    assert_eq!(answer.json["store"]["engine"], "fake");
    assert_eq!(answer.json["channels"][1]["tenant"], "other");
}

#[tokio::test]
async fn what_a_store_says_of_its_failure_stays_inside() {
    let app = App::new();
    for (kind, expected) in [
        (ErrorKind::Internal, (500, "internal")),
        (ErrorKind::Corrupt, (500, "internal")),
        (ErrorKind::Timeout, (503, "timeout")),
    ] {
        *app.desk.fails.lock().unwrap() = Some(kind);
        for path in ROUTES {
            let answer = app.operator(path).await;
            assert_eq!(answer.problem(), expected);
            assert!(!answer.text.contains("SELECT") && !answer.text.contains("/var"));
        }
    }
}
