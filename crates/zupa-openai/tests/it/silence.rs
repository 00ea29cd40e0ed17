//! Servers that keep one waiting. Every wait is its own and ends the call.

use std::time::Duration;

use zupa_core::model::collect;
use zupa_core::{Error, ErrorKind, FinishReason, Model, ModelRequest, Outcome, Retry};
use zupa_openai::{OpenAiConfig, OpenAiModel};

use crate::server::{Server, Step};
use crate::support::*;

const SHORT: Duration = Duration::from_millis(100);

#[track_caller]
fn check(error: &Error, message: &str) {
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert_eq!(
        (error.retry(), error.outcome()),
        (Retry::Now, Outcome::Unknown)
    );
    assert_eq!(error.message(), message);
}

#[tokio::test]
async fn silence_before_the_first_byte_ends_the_call() {
    for script in [vec![Step::Stall], vec![head(), Step::Stall]] {
        let error = failure_with(script, |config| OpenAiConfig {
            first_byte_timeout: SHORT,
            ..config
        })
        .await;
        check(&error, "the model did not begin to answer");
    }
}

#[tokio::test]
async fn silence_in_the_middle_ends_the_call() {
    let script = vec![head(), send(delta("Hi")), Step::Stall];
    let error = failure_with(script, |config| OpenAiConfig {
        idle_timeout: SHORT,
        ..config
    })
    .await;
    check(&error, "the model fell silent in its answer");
}

#[tokio::test]
async fn a_server_that_shows_life_is_waited_for() {
    // Thinks for three times the idle timeout, with a comment now and then.
    let mut script = vec![head()];
    for _ in 0..36 {
        script.extend([send(": thinking\n\n"), Step::Pause(SHORT / 4)]);
    }
    script.push(send(
        [delta("Hi"), finish("stop"), DONE.to_owned()].concat(),
    ));
    let server = Server::start(script).await;
    let model = OpenAiModel::new(OpenAiConfig {
        idle_timeout: SHORT * 3,
        ..config(&server.base_url)
    })
    .unwrap();
    assert_eq!(
        complete(&model).await.unwrap(),
        said("Hi", FinishReason::Stop)
    );
}

#[tokio::test]
async fn a_whole_answer_is_not_held_back_for_its_usage() {
    let whole = delta("Hi") + &finish("stop");
    let server = Server::start(vec![head(), send(whole), Step::Stall]).await;
    let model = OpenAiModel::new(OpenAiConfig {
        idle_timeout: PATIENCE * 10,
        ..config(&server.base_url)
    })
    .unwrap();
    let request = ModelRequest {
        timeout: PATIENCE * 10,
        ..request()
    };
    let answer = async { collect(model.stream(request).await.unwrap(), |_| {}).await };
    let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap();
    assert_eq!(answer.unwrap(), said("Hi", FinishReason::Stop));
}

#[tokio::test]
async fn the_total_ends_even_a_lively_answer() {
    let mut script = vec![head()];
    for _ in 0..100 {
        script.extend([send(delta("and ")), Step::Pause(SHORT / 5)]);
    }
    let server = Server::start(script).await;
    let request = ModelRequest {
        timeout: SHORT * 2,
        ..request()
    };
    let stream = model(&server).stream(request).await.unwrap();
    let error = collect(stream, |_| {}).await.unwrap_err();
    check(&error, "the model did not finish its answer");
    assert_discreet(&error);
}

#[tokio::test]
async fn the_total_ends_the_wait_for_the_head() {
    let server = Server::start(vec![Step::Stall]).await;
    let request = ModelRequest {
        timeout: SHORT,
        ..request()
    };
    let error = model(&server).stream(request).await.err().unwrap();
    check(&error, "the model did not finish its answer");
    assert_eq!(server.seen().len(), 1);
    server.hang_up().await;
}

#[tokio::test]
async fn the_longest_of_all_timeouts_is_fine() {
    let server = Server::start(stream_of(&[delta("Hi"), finish("stop")])).await;
    let model = OpenAiModel::new(OpenAiConfig {
        idle_timeout: Duration::MAX,
        first_byte_timeout: Duration::MAX,
        ..config(&server.base_url)
    })
    .unwrap();
    let request = ModelRequest {
        timeout: Duration::MAX,
        ..request()
    };
    let stream = model.stream(request).await.unwrap();
    assert_eq!(collect(stream, |_| {}).await.unwrap().text, "Hi");
}
