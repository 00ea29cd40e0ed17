//! Conversations: listed without what a person said, taken from the agent, handed back,
//! their sessions ended; each once.

use axum::http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;
use zupa_core::desk::ConversationView;
use zupa_core::{
    Address, Alias, ChannelId, ConversationId, Digest, ErrorKind, Hold, HoldKind, Nudge,
    StoredState, TenantId, Timestamp,
};

use crate::fakes::{Answer, App, NOW, as_operator, get, post};

/// Whose digits no answer may hold.
const PHONE: &str = "+5511987651234";

fn id(number: u128) -> ConversationId {
    ConversationId(Uuid::from_u128(number))
}

fn view(number: u128) -> ConversationView {
    ConversationView {
        id: id(number),
        address: Address {
            tenant: TenantId::default_tenant(),
            channel: ChannelId::parse("main").unwrap(),
            alias: Alias::parse(PHONE).unwrap(),
        },
        hold: None,
        pending: 0,
        open_turn: None,
        due_at: None,
        wake_at: None,
        opted_out: None,
        state: None,
    }
}

/// What the default agent keeps.
fn kept(talk: &str, over: bool) -> Option<StoredState> {
    let kept = json!({
        "session": { "number": 2, "first": 3, "last_at": 2_000_000, "over": over },
        "talk": {
            "at": { "state": talk },
            "passages": [{
                "revision": 3, "at": 3_000_000,
                "from": "idle", "event": "agent_completed", "to": "awaiting_input",
            }],
        },
        "episodes": [{ "session": 1, "at": 1_000_000, "reason": "idle", "summary": "canary" }],
        "agent": { "name": "canary" },
    });
    Some(StoredState {
        version: 1,
        json: kept.to_string(),
    })
}

fn held() -> Option<Hold> {
    Some(Hold {
        kind: HoldKind::Operator,
        by: "ana".into(),
        since: Timestamp(1_000_000),
        human_at: None,
    })
}

/// With one conversation, of id 1, in which two messages wait.
fn app() -> App {
    let app = App::new();
    let pending = ConversationView {
        pending: 2,
        due_at: Some(Timestamp(0)),
        ..view(1)
    };
    *app.desk.conversations.lock().unwrap() = vec![pending];
    app
}

async fn act(app: &App, id: ConversationId, what: &str, body: &str) -> Answer {
    let path = format!("/api/v1/conversations/{id}/{what}");
    app.act(&path, body.to_owned()).await
}

fn woken(app: &App) -> Vec<Nudge> {
    std::mem::take(&mut app.wakeup.0.lock().unwrap())
}

/// What the audit says: the action, and why.
fn acts(app: &App) -> Vec<String> {
    let acts = app.desk.acts.lock().unwrap();
    acts.iter()
        .map(|entry| {
            assert_eq!(entry.actor, "operator");
            assert_eq!(entry.config, Digest::of(b"the configuration"));
            format!("{} {}", entry.action, entry.reason)
        })
        .collect()
}

#[tokio::test]
async fn a_conversation_shows_who_has_it_and_no_number() {
    let app = App::new();
    *app.desk.conversations.lock().unwrap() = vec![
        ConversationView {
            hold: held(),
            state: kept("needs_human", false),
            ..view(3)
        },
        ConversationView {
            state: kept("needs_human", false),
            wake_at: Some(Timestamp(5_000_000)),
            opted_out: Some(Timestamp(6_000_000)),
            ..view(2)
        },
        view(1),
    ];
    let list = app.operator("/api/v1/conversations").await;
    assert_eq!(list.status, 200, "{}", list.text);
    let all = &list.json["conversations"];
    assert_eq!(list.json["more"], false);
    assert_eq!(
        all[0],
        json!({
            "id": id(3), "tenant": "default", "channel": "main", "alias": "+55*****1234",
            "state": "human", "pending": 0, "open_turn": null, "due_at": null, "wake_at": null,
            "opted_out": null,
            "hold": {
                "kind": "operator", "by": "ana", "since": "1970-01-01T00:00:01Z",
                "human_at": null,
            },
            "session": { "number": 2, "over": false, "last_at": "1970-01-01T00:00:02Z" },
            "talk": "needs_human",
        })
    );
    assert_eq!(all[1]["state"], "waiting");
    assert_eq!(all[1]["wake_at"], "1970-01-01T00:00:05Z");
    assert_eq!(all[1]["opted_out"], "1970-01-01T00:00:06Z");
    assert_eq!(
        (&all[2]["state"], &all[2]["session"], &all[2]["talk"]),
        (&json!("bot"), &Value::Null, &Value::Null)
    );
    assert!(!list.text.contains("canary"), "{}", list.text);

    let shown = app
        .operator(&format!("/api/v1/conversations/{}", id(2)))
        .await;
    let episodes = json!([{
        "session": 1, "last_at": "1970-01-01T00:00:01Z", "reason": "idle", "summary": "canary",
    }]);
    assert_eq!(shown.json["episodes"], episodes);
    let passages = json!([{
        "at": "1970-01-01T00:00:03Z",
        "from": "idle", "event": "agent_completed", "to": "awaiting_input",
    }]);
    assert_eq!(shown.json["passages"], passages);
    assert!(shown.json.get("agent").is_none(), "{}", shown.text);
    for answer in [list, shown] {
        assert!(!answer.text.contains("98765"), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_list_has_pages_and_the_held_ones_apart() {
    let app = App::new();
    let all = (1..=5).rev().map(|number| ConversationView {
        hold: if number % 2 == 0 { held() } else { None },
        ..view(number)
    });
    app.desk.conversations.lock().unwrap().extend(all);
    let ids = async |query: &str| {
        let answer = app
            .operator(&format!("/api/v1/conversations?{query}"))
            .await;
        let all = answer.json["conversations"].as_array().unwrap().clone();
        let ids: Vec<_> = all.iter().map(|one| one["id"].clone()).collect();
        (json!(ids), answer.json["more"] == true)
    };
    assert_eq!(ids("limit=2").await, (json!([id(5), id(4)]), true));
    let before = format!("before={}&limit=3", id(4));
    assert_eq!(ids(&before).await, (json!([id(3), id(2), id(1)]), false));
    assert_eq!(ids("held=true").await, (json!([id(4), id(2)]), false));
    assert_eq!(ids("held=true&limit=1").await, (json!([id(4)]), true));
    assert_eq!(ids("held=false").await.0.as_array().unwrap().len(), 5);
    for query in [
        "held=yes",
        "before=x",
        "limit=0",
        "limit=501",
        "limit=x",
        "before=",
    ] {
        let answer = app
            .operator(&format!("/api/v1/conversations?{query}"))
            .await;
        assert_eq!(answer.problem(), (400, "invalid_query"), "{query}");
    }
}

#[tokio::test]
async fn a_conversation_is_taken_once_and_whoever_runs_it_hears_of_it() {
    let app = app();
    let first = act(&app, id(1), "hold", r#"{"by":"ana"}"#).await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_eq!(
        (&first.json["changed"], &first.json["state"]),
        (&json!(true), &json!("human"))
    );
    assert_eq!(first.json["hold"]["by"], "ana");
    assert_eq!(first.json["hold"]["kind"], "operator");
    assert_eq!(woken(&app), [Nudge::Held(id(1))]);
    let second = act(&app, id(1), "hold", r#"{"by":"bea"}"#).await;
    assert_eq!(second.status, StatusCode::OK);
    assert_eq!(
        (&second.json["changed"], &second.json["hold"]["by"]),
        (&json!(false), &json!("ana"))
    );
    assert_eq!(woken(&app), [Nudge::Held(id(1))]);
    assert_eq!(acts(&app), ["conversation.held by ana"]);
    assert!(!first.text.contains("98765") && !second.text.contains("98765"));

    let nameless = App::new();
    nameless.desk.conversations.lock().unwrap().push(view(1));
    let taken = act(&nameless, id(1), "hold", "{}").await;
    assert_eq!(taken.json["hold"]["by"], "operator");
    assert_eq!(acts(&nameless), ["conversation.held "]);
}

#[tokio::test]
async fn a_hand_back_says_what_the_human_has_answered() {
    let all = NOW.to_string();
    for (body, until, answered, reason) in [
        (r#"{"by":"ana"}"#, None, 0, "by ana".to_owned()),
        (r#"{"answered":"none"}"#, None, 0, String::new()),
        (r#"{"answered":null}"#, None, 0, String::new()),
        (
            r#"{"answered":"all","by":"ana"}"#,
            Some(NOW),
            2,
            format!("answered up to {all}, by ana"),
        ),
        (
            r#"{"answered":"1969-12-31T23:59:59Z"}"#,
            Some(Timestamp(-1_000_000)),
            2,
            "answered up to 1969-12-31T23:59:59Z".to_owned(),
        ),
    ] {
        let app = app();
        app.desk.conversations.lock().unwrap()[0].hold = held();
        let released = act(&app, id(1), "release", body).await;
        assert_eq!(released.status, 200, "{}", released.text);
        assert_eq!(
            (&released.json["state"], &released.json["changed"]),
            (&json!("bot"), &json!(true))
        );
        assert_eq!(released.json["answered"], answered, "{body}");
        assert_eq!(*app.desk.answered_until.lock().unwrap(), [until], "{body}");
        assert_eq!(acts(&app), [format!("conversation.released {reason}")]);
        // Where all was answered there is nothing to wake for.
        let due = [Nudge::Due(id(1))];
        let due = if answered == 0 { &due[..] } else { &[] };
        assert_eq!(woken(&app), due, "{body}");

        let again = act(&app, id(1), "release", body).await;
        assert_eq!(
            (
                again.status,
                &again.json["changed"],
                &again.json["answered"]
            ),
            (StatusCode::OK, &json!(false), &json!(0))
        );
        assert_eq!(acts(&app).len(), 1);
        assert!(woken(&app).is_empty());
    }
}

#[tokio::test]
async fn a_session_is_ended_by_asking_the_agent() {
    let app = app();
    app.desk.conversations.lock().unwrap()[0].state = kept("awaiting_input", false);
    let ended = act(&app, id(1), "session/end", r#"{"by":"ana"}"#).await;
    assert_eq!(ended.status, 200, "{}", ended.text);
    assert_eq!(
        (&ended.json["changed"], &ended.json["session"]["number"]),
        (&json!(true), &json!(2))
    );
    assert!(!ended.text.contains("canary"), "{}", ended.text);
    assert_eq!(woken(&app), [Nudge::Due(id(1))]);
    assert_eq!(acts(&app), ["session.end_asked by ana"]);
}

#[tokio::test]
async fn a_session_that_is_over_is_not_ended_and_a_held_one_wakes_nobody() {
    let app = App::new();
    let over = ConversationView {
        state: kept("awaiting_input", true),
        ..view(1)
    };
    let waits = ConversationView {
        pending: 1,
        hold: held(),
        ..ConversationView {
            id: id(2),
            ..over.clone()
        }
    };
    *app.desk.conversations.lock().unwrap() = vec![waits, over];
    let nothing = act(&app, id(1), "session/end", "{}").await;
    assert_eq!(
        (nothing.status, &nothing.json["changed"]),
        (StatusCode::OK, &json!(false))
    );
    assert!(acts(&app).is_empty());
    // The message that waits begins another one.
    let asked = act(&app, id(2), "session/end", "{}").await;
    assert_eq!(asked.json["changed"], true);
    assert_eq!(acts(&app), ["session.end_asked "]);
    assert!(woken(&app).is_empty(), "nothing runs before the hand-back");
}

#[tokio::test]
async fn bodies_that_make_no_sense_name_every_fault() {
    let app = app();
    app.desk.conversations.lock().unwrap()[0].hold = held();
    for (what, body, status, code, pointers) in [
        ("hold", "[]", 400, "invalid_body", &[][..]),
        ("hold", "{", 400, "malformed_json", &[]),
        (
            "hold",
            r#"{"answered":"all","by":1}"#,
            400,
            "invalid_body",
            &["/answered", "/by"],
        ),
        (
            "release",
            r#"{"by":"a","by":"b"}"#,
            400,
            "invalid_body",
            &["/by"],
        ),
        (
            "release",
            r#"{"answered":true,"by":[],"x":0}"#,
            400,
            "invalid_body",
            &["/answered", "/by", "/x"],
        ),
        (
            "release",
            r#"{"answered":"yes","by":"agent"}"#,
            422,
            "invalid_act",
            &["/answered", "/by"],
        ),
        (
            "release",
            r#"{"answered":"1970-01-01T00:16:41Z"}"#,
            422,
            "invalid_act",
            &["/answered"],
        ),
        ("session/end", r#"{"by":" "}"#, 422, "invalid_act", &["/by"]),
        (
            "session/end",
            r#"{"by":"a\u0000"}"#,
            422,
            "invalid_act",
            &["/by"],
        ),
    ] {
        let answer = act(&app, id(1), what, body).await;
        assert_eq!(
            (answer.problem(), answer.pointers()),
            ((status, code), pointers.to_vec()),
            "{what} {body}"
        );
    }
    let long = format!(r#"{{"by":"{}"}}"#, "é".repeat(256));
    assert_eq!(
        act(&app, id(1), "hold", &long).await.problem(),
        (422, "invalid_act")
    );
    let huge = format!(r#"{{"by":"{}"}}"#, "x".repeat(20_000));
    assert_eq!(
        act(&app, id(1), "hold", &huge).await.problem(),
        (413, "too_large")
    );
    assert!(acts(&app).is_empty() && woken(&app).is_empty());
}

#[tokio::test]
async fn nothing_is_done_without_token_key_or_conversation() {
    let app = app();
    for what in ["hold", "release", "session/end"] {
        for unknown in ["x", "%FF", PHONE, &id(9).to_string()] {
            let path = format!("/api/v1/conversations/{unknown}/{what}");
            let mut request = as_operator(post(&path, "{}"));
            let missing = app.send(request).await;
            assert_eq!(missing.problem(), (400, "missing_idempotency_key"));
            request = as_operator(post(&path, "{}"));
            let key = "sixteen-letters-".parse().unwrap();
            request.headers_mut().insert("idempotency-key", key);
            assert_eq!(
                app.send(request).await.problem(),
                (404, "not_found"),
                "{path}"
            );
        }
        let path = format!("/api/v1/conversations/{}/{what}", id(1));
        let open = app.send(post(&path, "{}")).await;
        assert_eq!(open.problem(), (401, "unauthorized"));
        let read = app.send(as_operator(get(&path))).await;
        assert_eq!(read.problem(), (405, "method_not_allowed"));
    }
    for path in ["/api/v1/conversations", "/api/v1/conversations/x"] {
        assert_eq!(app.get(path).await.problem(), (401, "unauthorized"));
    }
    let path = format!("/api/v1/conversations/{}", id(9));
    assert_eq!(app.operator(&path).await.problem(), (404, "not_found"));
    assert!(acts(&app).is_empty() && woken(&app).is_empty());
}

#[tokio::test]
async fn a_store_that_fails_does_nothing() {
    let app = app();
    *app.desk.fails.lock().unwrap() = Some(ErrorKind::Unavailable);
    for what in ["hold", "release", "session/end"] {
        let answer = act(&app, id(1), what, "{}").await;
        assert_eq!(answer.problem(), (503, "unavailable"));
    }
    assert!(woken(&app).is_empty());
}
