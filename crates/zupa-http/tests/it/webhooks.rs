//! What platforms post: signed or not, whole or not, with a store that takes it or not.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use zupa_core::bus::names;
use zupa_core::{Content, Delivered, Error, ErrorKind, Inbound, Intake, Result, Retry};

use crate::fakes::{App, accepted, dev, get, post};

fn signed(body: impl Into<Body>) -> Request<Body> {
    let mut request = post("/webhooks/wa", body);
    let headers = request.headers_mut();
    headers.insert("x-signature", "signed".parse().unwrap());
    headers.remove("content-type");
    request
}

#[tokio::test]
async fn a_handshake_is_answered_with_bare_words() {
    let app = App::new();
    let answer = app.get("/webhooks/wa?word=a%26b").await;
    assert_eq!(
        (answer.status, answer.text.as_str()),
        (StatusCode::OK, "a&b")
    );
    let refused = app.get("/webhooks/wa?other=1").await;
    assert_eq!(refused.problem(), (403, "wrong_verify_token"));
}

#[tokio::test]
async fn a_door_that_is_not_there_has_no_route() {
    let app = App::new();
    assert_eq!(app.get("/webhooks/main").await.status, 404);
    let posted = app.send(post("/webhooks/main", "x")).await;
    assert_eq!(posted.problem(), (404, "not_found"));
}

#[tokio::test]
async fn what_is_signed_is_taken_to_the_bit_and_the_rest_counted() {
    let app = App::new();
    let mut told = app.bus.feed("webhook:skipped").unwrap();
    let driver = app.bus.driver(app.clock.clone()).unwrap();
    let answer = app.send(signed(&b"one\n\xff\ntwo"[..])).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::OK, ""));
    let seen: Vec<_> = app.seen.lock().unwrap().drain(..).collect();
    let said: Vec<_> = seen.iter().map(|seen| seen.content.clone()).collect();
    assert!(said == [Content::text("one"), Content::text("two")]);
    assert!(seen[0].correlation.request_id.is_some());
    app.bus.stop();
    driver.run().await;
    let skipped = told.next().await.unwrap();
    assert_eq!(skipped.name, names::WEBHOOK_SKIPPED);
    assert_eq!(skipped.payload.word("reason"), Some("unreadable"));
    assert_eq!(skipped.payload.number("items"), Some(1));
}

#[tokio::test]
async fn what_is_not_signed_reaches_nobody() {
    let app = App::new();
    let refused = app.send(post("/webhooks/wa", "one")).await;
    assert_eq!(refused.problem(), (401, "invalid_signature"));
    let large = app.send(signed(vec![b'x'; 65])).await;
    assert_eq!(large.problem(), (413, "too_large"));
    assert!(app.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_store_that_cannot_is_asked_again_and_one_that_never_will_is_not() {
    fn later(_: &Inbound) -> Result<Delivered> {
        let error = Error::new(ErrorKind::Unavailable, "not now");
        Err(error.with_retry(Retry::Now))
    }
    fn never(inbound: &Inbound) -> Result<Delivered> {
        match inbound.content == Content::text("bad") {
            true => Err(Error::invalid("not this one")),
            false => accepted(inbound),
        }
    }
    let answer = App::with(dev(), later).send(signed("one")).await;
    assert_eq!(answer.problem(), (503, "unavailable"));
    assert!(answer.headers.contains_key("retry-after"));
    let answer = App::with(dev(), never).send(signed("one\nbad")).await;
    assert_eq!(answer.status, 200);

    let (intake, queue) = Intake::channel(1);
    drop(queue);
    let app = App::around(dev(), intake, Arc::new(Mutex::default()));
    assert_eq!(app.send(signed("one")).await.status, 503);
    assert_eq!(app.send(get("/livez")).await.status, 200);
}
