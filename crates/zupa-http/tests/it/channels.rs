//! Channels: how each stands, and the code that links a phone, for operators alone and on
//! record before it is shown.

use tokio::sync::watch;
use zupa_core::standing::{Pairing, State, Status};
use zupa_core::{Digest, ErrorKind};
use zupa_http::Mode;

use crate::fakes::{App, NOW, accepted, as_operator, get};

/// The phone waits to be linked by this.
fn waits(app: &App, pairing: Pairing) -> watch::Sender<Status> {
    let phone = app.phone.clone();
    phone.send_modify(|status| {
        status.state = State::Starting;
        status.pairing = Some(pairing);
    });
    phone
}

fn acts(app: &App) -> Vec<String> {
    let acts = app.desk.acts.lock().unwrap();
    acts.iter()
        .map(|entry| format!("{} {} {}", entry.actor, entry.action, entry.reason))
        .collect()
}

#[tokio::test]
async fn operators_see_how_every_channel_stands() {
    let app = App::new();
    let listed = app.operator("/api/v1/channels").await;
    let states = listed.json["channels"].as_array().unwrap();
    let states: Vec<_> = states
        .iter()
        .map(|one| (&one["id"], &one["kind"], &one["state"], &one["reason"]))
        .map(|(id, kind, state, reason)| format!("{id} {kind} {state} {reason}"))
        .collect();
    assert_eq!(
        states,
        [
            r#""main" "web-chat" "ready" null"#,
            r#""phone" "wwebjs-bridge" "degraded" "not_started""#
        ]
    );
    app.phone.send_modify(|status| {
        status.state = State::Blocked("tos_block");
        status.starts = 3;
    });
    let one = app.operator("/api/v1/channels/phone").await.json;
    let expected = serde_json::json!({
        "id": "phone", "tenant": "default", "kind": "wwebjs-bridge", "state": "blocked",
        "reason": "tos_block", "since": NOW.to_string(), "pairing": null, "starts": 3,
    });
    assert_eq!(one, expected);
    let unknown = app.operator("/api/v1/channels/other").await;
    assert_eq!(unknown.problem(), (404, "not_found"));
}

#[tokio::test]
async fn a_code_is_shown_to_operators_alone_and_is_in_nothing_else() {
    let app = App::with(Mode::Serve, accepted);
    let path = "/api/v1/channels/phone/pairing";
    assert_eq!(
        app.operator(path).await.problem(),
        (404, "not_waiting"),
        "there is none yet"
    );
    waits(&app, Pairing::Qr("2@secret".to_owned()));
    for path in [path, "/api/v1/channels", "/api/v1/channels/phone"] {
        assert_eq!(app.get(path).await.problem(), (401, "unauthorized"));
    }
    assert!(acts(&app).is_empty(), "a stranger's look is none");
    let shown = app.operator(path).await;
    assert_eq!(
        (&shown.json["way"], &shown.json["text"]),
        (&"qr".into(), &"2@secret".into())
    );
    assert_eq!(shown.json["rows"].as_array().unwrap().len(), 21);
    assert_eq!(shown.headers["cache-control"], "no-store");
    for path in ["/api/v1/channels", "/api/v1/channels/phone", "/metrics"] {
        let told = app.send(as_operator(get(path))).await;
        assert_eq!(told.status, 200);
        assert!(!told.text.contains("secret"), "{}", told.text);
    }
    let one = app.operator("/api/v1/channels/phone").await.json;
    assert_eq!(one["pairing"], "qr");
    let unknown = app.operator("/api/v1/channels/other/pairing").await;
    assert_eq!(unknown.problem(), (404, "not_found"));
}

#[tokio::test]
async fn that_a_code_was_shown_is_on_record_once_for_each_code() {
    let app = App::new();
    let path = "/api/v1/channels/phone/pairing";
    let phone = waits(&app, Pairing::Qr("2@first".to_owned()));
    for _ in 0..3 {
        assert_eq!(app.operator(path).await.status, 200);
    }
    let one = "operator pairing.shown phone";
    assert_eq!(acts(&app), [one]);
    let code = Pairing::Code("ABCD1234".to_owned());
    phone.send_modify(|status| status.pairing = Some(code));
    let shown = app.operator(path).await.json;
    let expected = serde_json::json!({ "way": "code", "text": "ABCD1234", "rows": null });
    assert_eq!(shown, expected);
    assert_eq!(acts(&app), [one, one]);
    let config = app.desk.acts.lock().unwrap()[0].config;
    assert_eq!(config, Digest::of(b"the configuration"));
}

#[tokio::test]
async fn a_code_is_not_shown_without_an_entry() {
    let app = App::new();
    let path = "/api/v1/channels/phone/pairing";
    waits(&app, Pairing::Qr("2@secret".to_owned()));
    *app.desk.fails.lock().unwrap() = Some(ErrorKind::Unavailable);
    for _ in 0..2 {
        let down = app.operator(path).await;
        assert_eq!(down.problem(), (503, "unavailable"));
        assert!(!down.text.contains("secret"), "{}", down.text);
    }
}

#[tokio::test]
async fn the_page_is_there_for_everybody_and_says_nothing() {
    for app in [App::new(), App::with(Mode::Serve, accepted)] {
        waits(&app, Pairing::Qr("2@secret".to_owned()));
        for path in [
            "/channels",
            "/channels/channels.js",
            "/channels/channels.css",
        ] {
            let page = app.get(path).await;
            assert_eq!(page.status, 200, "{path}");
            assert!(!page.text.contains("secret"));
            assert_eq!(page.headers["cache-control"], "no-store", "{path}");
        }
        let none = app.get("/channels/other.js").await;
        assert_eq!(none.problem(), (404, "not_found"));
    }
}
