//! The event stream: what is committed comes in order and once, signs come
//! while somebody looks.

use serde_json::json;
use uuid::Uuid;
use zupa_core::bus::{Draft, names};
use zupa_core::desk::ConversationView;
use zupa_core::{Address, Clock, ConversationId, ErrorKind, Hint, Stage, Timestamp};
use zupa_http::{Mode, WebChat, stages};

use crate::fakes::{App, accepted, get, turn};

fn delta(of: u128, run: u32, text: &str) -> Hint {
    Hint::Delta {
        turn: turn(of),
        run,
        text: text.to_owned(),
    }
}

fn conversation(app: &App) -> Address {
    let address = app.address("c");
    app.desk.person_says(&address, "m-1", "hi");
    app.desk.agent_says(&address, turn(1), "hello\nyou");
    app.desk.person_says(&address, "m-2", "bye");
    address
}

#[tokio::test]
async fn the_phone_sees_both_sides_in_order() {
    let app = App::new();
    conversation(&app);
    let mut events = app.events(get("/chat/c/events")).await;
    assert_eq!(events.line().await, r#"1 inbound {"id":"m-1","text":"hi"}"#);
    let said = events.next().await.unwrap();
    assert_eq!(
        (said.name.as_str(), said.id.as_deref()),
        ("message", Some("2"))
    );
    let id = format!("{}.0", turn(1));
    assert_eq!(
        said.data,
        json!({ "id": id, "text": "hello\nyou", "turn": turn(1) })
    );
    assert_eq!(
        events.line().await,
        r#"3 inbound {"id":"m-2","text":"bye"}"#
    );
}

#[tokio::test]
async fn a_message_that_went_out_late_says_so_and_no_other_does() {
    for mode in [App::new(), App::with(Mode::Serve, accepted)] {
        let address = mode.address("c");
        mode.desk.agent_says(&address, turn(1), "in time");
        mode.desk.agent_says_late(&address, turn(2), "late");
        let mut events = mode.events(get("/chat/c/events")).await;
        let in_time = events.next().await.unwrap();
        assert_eq!(in_time.data.get("late"), None);
        let late = events.next().await.unwrap();
        let id = format!("{}.0", turn(2));
        assert_eq!(
            late.data,
            json!({ "id": id, "text": "late", "turn": turn(2), "late": true })
        );
        assert_eq!(late.id.as_deref(), Some("2"), "it is resumed by its number");
    }
}

#[tokio::test]
async fn a_client_outside_dev_sees_the_agent_alone() {
    let app = App::with(Mode::Serve, accepted);
    let address = conversation(&app);
    let mut events = app.events(get("/chat/c/events")).await;
    assert_eq!(events.next().await.unwrap().id.as_deref(), Some("2"));
    app.hints.publish(
        &address,
        Hint::Stage {
            turn: None,
            stage: Stage::Accepted,
            at: Timestamp(0),
            detail: None,
        },
    );
    app.hints.publish(&address, Hint::Typing);
    assert_eq!(events.line().await, "- typing {}");
}

#[tokio::test]
async fn a_stream_resumes_behind_the_last_event_id() {
    let app = App::new();
    conversation(&app);
    let mut by_query = app.events(get("/chat/c/events?after=2")).await;
    assert_eq!(by_query.next().await.unwrap().id.as_deref(), Some("3"));

    let mut request = get("/chat/c/events?after=0");
    request
        .headers_mut()
        .insert("last-event-id", "1".parse().unwrap());
    let mut by_header = app.events(request).await;
    assert_eq!(
        by_header.next().await.unwrap().id.as_deref(),
        Some("2"),
        "the header wins"
    );
}

#[tokio::test]
async fn two_tenants_with_the_same_conversation_do_not_meet() {
    let app = App::new();
    let ours = conversation(&app);
    let mut theirs = ours.clone();
    theirs.channel = "second".to_owned().try_into().unwrap();
    theirs.tenant = "other".to_owned().try_into().unwrap();
    let mut events = app.events(get("/chat/second/c/events")).await;
    app.hints.publish(&ours, delta(1, 1, "ours"));
    app.hints.publish(&theirs, delta(2, 1, "theirs"));
    let first = events.next().await.unwrap();
    assert_eq!(first.data["text"], "theirs");
}

#[tokio::test]
async fn a_sign_to_look_brings_the_line_and_replaces_the_draft() {
    let app = App::new();
    let address = app.address("c");
    let mut events = app.events(get("/chat/c/events")).await;
    app.hints.publish(&address, Hint::Typing);
    app.hints.publish(&address, delta(7, 1, "hel"));
    assert_eq!(events.line().await, "- typing {}");
    let piece = events.next().await.unwrap();
    assert_eq!((piece.name.as_str(), piece.id), ("delta", None));
    assert_eq!(
        piece.data,
        json!({ "turn": turn(7), "run": 1, "text": "hel" })
    );

    // Committed; the end of the draft arrives before any sign to look.
    app.desk.agent_says(&address, turn(7), "hello");
    app.hints.publish(&address, Hint::End { turn: turn(7) });
    app.hints.publish(&address, delta(7, 1, "late"));
    app.hints.publish(&address, delta(8, 1, "new"));
    assert_eq!(events.next().await.unwrap().name, "message");
    let end = events.next().await.unwrap();
    assert_eq!(
        (end.name.as_str(), &end.data),
        ("end", &json!({ "turn": turn(7) }))
    );
    let next = events.next().await.unwrap();
    assert_eq!(
        next.data["text"], "new",
        "late pieces of a committed turn are dropped"
    );
}

/// What the bus is told of a conversation's turns is shown where it is watched, and what
/// it is told of others is not.
#[tokio::test]
async fn the_lives_of_turns_reach_the_phone_by_the_bus() {
    let app = App::new();
    let (ours, others) = (ConversationId(Uuid::from_u128(1)), Uuid::from_u128(2));
    for (id, alias) in [(ours, "c"), (ConversationId(others), "d")] {
        let view = ConversationView {
            id,
            address: app.address(alias),
            hold: None,
            pending: 0,
            open_turn: None,
            due_at: None,
            wake_at: None,
            opted_out: None,
            state: None,
        };
        app.desk.conversations.lock().unwrap().push(view);
    }
    let chat = WebChat::new(
        app.address("c").channel,
        app.address("c").tenant,
        app.hints.clone(),
    );
    let showing = stages(&app.bus, app.desk.clone(), &[chat]).unwrap();
    let mut events = app.events(get("/chat/c/events")).await;
    let of = |name| Draft::of(name).conversation(ours);
    let of_turn = |name| of(name).turn(turn(3));
    for draft in [
        Draft::of(names::TURN_CLAIMED).conversation(ConversationId(others)),
        of(names::INBOUND_ACCEPTED),
        of_turn(names::TURN_CLAIMED).with("runs", 1_u64),
        of_turn(names::MODEL_ASKED),
        of_turn(names::NODE_TRANSITION),
        of_turn(names::TURN_FAILED).with("class", "unavailable"),
        of_turn(names::TURN_RETRIED).with("class", "unavailable"),
        of_turn(names::TURN_CLAIMED).with("runs", 2_u64),
        of_turn(names::TURN_COMMITTED).with("outcome", "silent"),
        of_turn(names::DELIVERY_SENT),
        of_turn(names::TURN_DEAD).with("class", "invalid"),
    ] {
        app.bus.emit(draft);
    }
    let driver = app.bus.driver(app.clock.clone()).unwrap();
    app.bus.stop();
    tokio::join!(driver.run(), showing);
    let expected = [
        (None, "accepted", None),
        (Some(3), "claimed", None),
        (Some(3), "model", None),
        (Some(3), "retry", Some("unavailable")),
        (Some(3), "claimed", Some("run 2")),
        (Some(3), "committed", Some("silent")),
        (Some(3), "sent", None),
        (Some(3), "dead", Some("invalid")),
    ];
    for (number, stage, detail) in expected {
        let event = events.next().await.unwrap();
        assert_eq!(event.name, "turn");
        let mut wanted = json!({
            "turn": number.map(turn),
            "stage": stage,
            "at": app.clock.wall().to_string(),
        });
        if let Some(detail) = detail {
            wanted["detail"] = json!(detail);
        }
        assert_eq!(event.data, wanted);
    }
}

#[tokio::test(start_paused = true)]
async fn polling_finds_what_no_sign_announced() {
    let app = App::new();
    let address = app.address("c");
    let mut events = app.events(get("/chat/c/events")).await;
    app.desk.agent_says(&address, turn(1), "hello");
    assert_eq!(events.next().await.unwrap().id.as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_watcher_misses_signs_and_no_line() {
    let app = App::new();
    let address = app.address("c");
    let mut events = app.events(get("/chat/c/events")).await;
    for piece in 0..1000 {
        app.hints.publish(&address, delta(1, 1, &piece.to_string()));
    }
    app.desk.agent_says(&address, turn(1), "hello");
    // Either may come first; the line must come.
    let mut names = Vec::new();
    while names.last().is_none_or(|name| name != "message") {
        names.push(events.next().await.unwrap().name);
    }
    assert!(names.len() < 1000);
}

#[tokio::test]
async fn long_histories_come_in_pages() {
    let app = App::new();
    let address = app.address("c");
    for line in 0..450 {
        app.desk.agent_says(&address, turn(line), "x");
    }
    let mut events = app.events(get("/chat/c/events")).await;
    for number in 1..=450 {
        let event = events.next().await.unwrap();
        assert_eq!(event.id, Some(number.to_string()));
    }
    assert_eq!(*app.desk.page.lock().unwrap(), 200);
}

#[tokio::test]
async fn a_store_that_fails_at_the_start_is_503() {
    let app = App::new();
    *app.desk.fails.lock().unwrap() = Some(ErrorKind::Unavailable);
    let answer = app.get("/chat/c/events").await;
    assert_eq!(answer.problem(), (503, "unavailable"));
    assert!(!answer.text.contains("SELECT") && !answer.text.contains("/var"));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_later_is_asked_again() {
    let app = App::new();
    let address = app.address("c");
    let mut events = app.events(get("/chat/c/events")).await;
    *app.desk.fails.lock().unwrap() = Some(ErrorKind::Unavailable);
    app.desk.agent_says(&address, turn(1), "hello");
    app.hints.publish(&address, Hint::Look);
    app.hints.publish(&address, Hint::Typing);
    assert_eq!(events.line().await, "- typing {}");
    *app.desk.fails.lock().unwrap() = None;
    assert_eq!(events.next().await.unwrap().id.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_stopping_process_ends_its_streams_and_opens_none() {
    let app = App::new();
    let mut events = app.events(get("/chat/c/events")).await;
    app.stop.cancel();
    assert_eq!(events.next().await, None);
    assert_eq!(app.get("/chat/c/events").await.problem(), (503, "draining"));
}

#[tokio::test]
async fn a_closed_stream_is_watched_by_nobody() {
    let app = App::new();
    let events = app.events(get("/chat/c/events")).await;
    assert_eq!(app.hints.watched(), 1);
    drop(events);
    assert_eq!(app.hints.watched(), 0);
}

#[tokio::test]
async fn the_stream_is_neither_kept_nor_held_back() {
    use tower::ServiceExt;
    let app = App::new();
    let response = app
        .router
        .clone()
        .oneshot(get("/chat/c/events"))
        .await
        .unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
}
