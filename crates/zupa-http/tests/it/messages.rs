//! Messages that are taken, and intakes that cannot take them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use zupa_core::{Content, Delivered, Error, ErrorKind, Inbound, Intake, Result, Retry};
use zupa_http::Mode;

use crate::fakes::{App, EVENT, accepted, dev, get, post};

#[tokio::test]
async fn an_accepted_message_is_202_and_reaches_the_intake_whole() {
    let app = App::new();
    let body = r#"{"id":"m-1","text":"olá <b>\ud83d\ude00</b>"}"#;
    let mut request = post("/chat/c%201/messages", body);
    let headers = request.headers_mut();
    headers.insert("x-request-id", "r-1".parse().unwrap());
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    headers.insert("traceparent", parent.parse().unwrap());

    let answer = app.send(request).await;
    assert_eq!(answer.status, 202);
    assert_eq!(
        answer.json,
        json!({ "status": "accepted", "id": "m-1", "event": EVENT.to_string() })
    );

    let seen = app.seen.lock().unwrap();
    let inbound = &seen[0];
    assert_eq!(inbound.address, app.address("c 1"));
    assert_eq!(inbound.scope, "c 1");
    assert_eq!(inbound.platform_id.as_ref().unwrap().as_str(), "m-1");
    assert_eq!(inbound.content, Content::text("olá <b>😀</b>"));
    assert_eq!(inbound.raw.as_deref(), Some(body.as_bytes()));
    assert_eq!(inbound.correlation.request_id.as_deref(), Some("r-1"));
    assert_eq!(inbound.correlation.trace_id.as_deref(), Some(trace));
}

#[tokio::test]
async fn a_message_without_an_id_is_told_ours() {
    let app = App::new();
    for body in [r#"{"text":"a"}"#, r#"{"id":null,"text":"a"}"#] {
        let answer = app.post(body).await;
        assert_eq!(answer.json["id"], EVENT.to_string());
    }
    assert!(
        app.seen
            .lock()
            .unwrap()
            .iter()
            .all(|one| one.platform_id.is_none())
    );
}

#[tokio::test]
async fn a_channel_in_the_path_decides_the_tenant() {
    let app = App::new();
    let answer = app
        .send(post("/chat/second/c/messages", r#"{"text":"a"}"#))
        .await;
    assert_eq!(answer.status, 202);
    let seen = app.seen.lock().unwrap();
    assert_eq!(seen[0].address.tenant.as_str(), "other");
    assert_eq!(seen[0].address.channel.as_str(), "second");
}

#[tokio::test]
async fn a_duplicate_is_202_and_a_reused_id_422() {
    fn duplicate(_: &Inbound) -> Result<Delivered> {
        Ok(Delivered::Duplicate { event: EVENT })
    }
    let answer = App::with(dev(), duplicate)
        .post(r#"{"id":"m","text":"a"}"#)
        .await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json["status"]),
        (202, &json!("duplicate"))
    );

    fn conflict(_: &Inbound) -> Result<Delivered> {
        Ok(Delivered::Conflict { event: EVENT })
    }
    let answer = App::with(dev(), conflict)
        .post(r#"{"id":"m","text":"a"}"#)
        .await;
    assert_eq!(answer.problem(), (422, "id_reused"));
    assert_eq!(answer.pointers(), ["/id"]);
}

#[tokio::test]
async fn an_impossible_answer_is_never_an_acknowledgement() {
    fn expired(_: &Inbound) -> Result<Delivered> {
        Ok(Delivered::Expired { event: EVENT })
    }
    let answer = App::with(dev(), expired).post(r#"{"text":"a"}"#).await;
    assert_eq!(answer.problem(), (500, "internal"));
}

#[tokio::test]
async fn what_may_work_later_is_503_with_retry_after() {
    fn full(_: &Inbound) -> Result<Delivered> {
        let error = Error::new(ErrorKind::Full, "no room at /var/lib/zupa");
        Err(error.with_retry(Retry::After(Duration::from_millis(2500))))
    }
    let answer = App::with(dev(), full).post(r#"{"text":"a"}"#).await;
    assert_eq!(answer.problem(), (503, "full"));
    assert_eq!(answer.headers["retry-after"], "3");
    assert!(!answer.text.contains("/var"));

    fn overloaded(_: &Inbound) -> Result<Delivered> {
        let error = Error::new(ErrorKind::Overloaded, "no more messages are taken now");
        Err(error.with_retry(Retry::After(Duration::from_secs(5))))
    }
    let answer = App::with(dev(), overloaded).post(r#"{"text":"a"}"#).await;
    assert_eq!(answer.problem(), (503, "overloaded"));
    assert_eq!(answer.headers["retry-after"], "5");

    fn lost(_: &Inbound) -> Result<Delivered> {
        Err(Error::new(ErrorKind::DurabilityLost, "fsync failed"))
    }
    let answer = App::with(dev(), lost).post(r#"{"text":"a"}"#).await;
    assert_eq!(answer.problem(), (503, "durability_lost"));
    assert_eq!(answer.headers["retry-after"], "1");

    fn limited(_: &Inbound) -> Result<Delivered> {
        Err(Error::new(ErrorKind::RateLimited, "too fast").with_retry(Retry::Now))
    }
    let answer = App::with(dev(), limited).post(r#"{"text":"a"}"#).await;
    assert_eq!(answer.problem(), (429, "rate_limited"));
    assert_eq!(answer.headers["retry-after"], "1");
}

#[tokio::test]
async fn a_full_queue_and_a_stopped_runtime_are_503() {
    let (intake, queue) = Intake::channel(1);
    let app = App::around(dev(), intake.clone(), Default::default());
    let stuck = tokio::spawn(async move { intake.deliver(Default::default()).await });
    while queue.is_empty() {
        tokio::task::yield_now().await;
    }
    let answer = app.post(r#"{"text":"a"}"#).await;
    assert_eq!(answer.problem(), (503, "full"));
    assert_eq!(answer.headers["retry-after"], "1");

    drop(queue);
    assert!(stuck.await.unwrap().is_err());
    let answer = app.post(r#"{"text":"a"}"#).await;
    assert_eq!(answer.problem(), (503, "unavailable"));
    assert_eq!(answer.headers["retry-after"], "2");
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_takes_too_long_is_503() {
    let (intake, _queue) = Intake::channel(1);
    let app = App::around(dev(), intake, Default::default());
    let answer = app.post(r#"{"text":"a"}"#).await;
    assert_eq!(answer.problem(), (503, "timeout"));
    assert_eq!(answer.headers["retry-after"], "1");
}

#[tokio::test]
async fn a_panic_is_500_without_its_text() {
    let app = App::new();
    app.desk.panics.store(true, Ordering::SeqCst);
    let answer = app.send(get("/chat/c/events")).await;
    assert_eq!(answer.problem(), (500, "internal"));
    assert!(!answer.text.contains("secret") && !answer.text.contains("/var"));
}

#[tokio::test]
async fn the_chat_stays_open_outside_dev_where_the_binary_mounts_it() {
    let app = App::with(Mode::Serve, accepted);
    assert_eq!(app.post(r#"{"text":"a"}"#).await.status, 202);
}
