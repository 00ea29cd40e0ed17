//! Links that break or go quiet between a good server and us, through a proxy.

use futures_util::StreamExt;
use zupa_core::ErrorKind::{Timeout, Unavailable};
use zupa_core::{Error, ErrorKind, FinishReason, Model, ModelRequest, Outcome, Retry};
use zupa_faultproxy::{Direction, Proxy, Toxic};
use zupa_openai::{OpenAiConfig, OpenAiModel};

use crate::server::{Server, Step};
use crate::support::*;

const SHORT: std::time::Duration = std::time::Duration::from_millis(100);

/// A server, and a model that reaches it through a proxy.
async fn linked(script: Vec<Step>) -> (Server, Proxy, OpenAiModel) {
    let server = Server::start(script).await;
    let host = server.base_url.trim_start_matches("http://");
    let proxy = Proxy::start(host.trim_end_matches("/v1")).await.unwrap();
    let model = OpenAiModel::new(OpenAiConfig {
        first_byte_timeout: SHORT * 2,
        idle_timeout: SHORT,
        ..config(&format!("http://{}/v1", proxy.address()))
    })
    .unwrap();
    (server, proxy, model)
}

#[track_caller]
fn check(error: &Error, kind: ErrorKind, outcome: Outcome) {
    assert_eq!(
        (error.kind(), error.retry(), error.outcome()),
        (kind, Retry::Now, outcome),
        "{error:?}"
    );
    assert_discreet(error);
}

/// Bytes of a script up to the end of its first event.
fn first_event(script: &[Step]) -> u64 {
    let sent = script.iter().take(2).map(|step| match step {
        Step::Send(bytes) => bytes.len() as u64,
        _ => 0,
    });
    sent.sum()
}

fn good() -> Vec<Step> {
    let rest = [delta(" there"), finish("stop"), DONE.to_owned()].concat();
    vec![head(), send(delta("Hi")), send(rest)]
}

#[tokio::test]
async fn a_reset_in_the_middle_of_an_answer_is_unknown_and_can_be_repeated() {
    let (_server, proxy, model) = linked(good()).await;
    let before_the_head = 0;
    for bytes in [
        before_the_head,
        20,
        first_event(&good()),
        first_event(&good()) + 9,
    ] {
        proxy.set(Direction::Answers, [Toxic::ResetAfter(bytes)]);
        let error = complete(&model).await.unwrap_err();
        check(&error, Unavailable, Outcome::Unknown);
    }
    proxy.heal();
    let whole = said("Hi there", FinishReason::Stop);
    assert_eq!(complete(&model).await.unwrap(), whole);
}

#[tokio::test]
async fn an_answer_that_ends_in_order_but_too_early_is_none() {
    let (_server, proxy, model) = linked(good()).await;
    let event = first_event(&good());
    for bytes in [20, event, event + 9] {
        proxy.set(Direction::Answers, [Toxic::HalfCloseAfter(bytes)]);
        let error = complete(&model).await.unwrap_err();
        check(&error, Unavailable, Outcome::Unknown);
    }
}

#[tokio::test]
async fn a_link_in_which_nothing_moves_ends_by_its_deadlines() {
    for direction in [Direction::Requests, Direction::Answers] {
        let (_server, proxy, model) = linked(good()).await;
        proxy.set(direction, [Toxic::BlackHole]);
        let call = tokio::time::timeout(PATIENCE, complete(&model));
        let error = call.await.expect("within its deadlines").unwrap_err();
        check(&error, Timeout, Outcome::Unknown);
        assert_eq!(error.message(), "the model did not begin to answer");
    }
}

#[tokio::test]
async fn a_link_that_goes_quiet_in_the_middle_ends_by_its_deadlines() {
    let (_server, proxy, model) = linked(vec![head(), send(delta("Hi")), Step::Stall]).await;
    let mut stream = model.stream(request()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    proxy.set(Direction::Answers, [Toxic::BlackHole]);
    let next = tokio::time::timeout(PATIENCE, stream.next());
    let error = next.await.expect("within its deadlines").unwrap();
    check(&error.unwrap_err(), Timeout, Outcome::Unknown);
}

#[tokio::test]
async fn a_slow_link_in_small_pieces_changes_no_answer() {
    let (_server, proxy, model) = linked(good()).await;
    let slow = Toxic::Latency {
        delay: std::time::Duration::from_millis(1),
        jitter: std::time::Duration::from_millis(1),
    };
    proxy.set(Direction::Answers, [Toxic::Slicer(7), slow]);
    let answer = model.stream(ModelRequest {
        timeout: PATIENCE,
        ..request()
    });
    let answer = zupa_core::model::collect(answer.await.unwrap(), |_| {}).await;
    assert_eq!(answer.unwrap(), said("Hi there", FinishReason::Stop));
}

#[tokio::test]
async fn a_server_that_is_down_has_applied_nothing_and_is_found_when_it_is_up() {
    let (server, proxy, model) = linked(good()).await;
    proxy.down().await;
    let error = complete(&model).await.unwrap_err();
    check(&error, Unavailable, Outcome::NotApplied);
    proxy.up().await.unwrap();
    complete(&model).await.unwrap();
    assert_eq!(server.seen().len(), 1);
}
