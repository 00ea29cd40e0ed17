//! Servers that answer as they should.

use std::time::Duration;

use serde_json::json;
use zupa_core::{FinishReason, Model, ModelEvent, Usage};

use crate::server::{Server, Step};
use crate::support::*;

#[tokio::test]
async fn texts_come_in_order_and_done_comes_last() {
    let usage = json!({"choices": [], "model": "test-model-2026", "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}});
    let server = Server::start(stream_of(&[
        delta(""),
        delta("Good "),
        delta("morning"),
        finish("stop"),
        event(&usage),
        DONE.to_owned(),
    ]))
    .await;
    let done = ModelEvent::Done {
        finish: FinishReason::Stop,
        usage: Some(Usage {
            input_tokens: 9,
            output_tokens: 2,
        }),
        model: Some("test-model-2026".to_owned()),
    };
    let text = |text: &str| ModelEvent::Delta(text.to_owned());
    let model = model(&server);
    assert_eq!(events(&model).await, [text("Good "), text("morning"), done]);
    assert_eq!(server.seen().len(), 1);
    assert_eq!(model.name(), "test-model");
}

#[tokio::test]
async fn the_first_text_does_not_wait_for_the_last() {
    // The server goes on only when the client hangs up, so a stream that waited
    // for the whole answer would never show a part of it.
    let server = Server::start(vec![head(), send(delta("Good ")), Step::Stall]).await;
    let mut stream = model(&server).stream(request()).await.unwrap();
    let first = futures_util::StreamExt::next(&mut stream).await.unwrap();
    assert_eq!(first.unwrap(), ModelEvent::Delta("Good ".to_owned()));
}

#[tokio::test]
async fn finish_reasons_are_told_apart() {
    for (reason, expected) in [
        ("stop", FinishReason::Stop),
        ("length", FinishReason::Length),
        ("content_filter", FinishReason::ContentFilter),
        // It says so, but there are none.
        ("tool_calls", FinishReason::Stop),
        ("eos", FinishReason::Other("eos".to_owned())),
        (CANARY, FinishReason::Other("unreadable".to_owned())),
    ] {
        let answer = answer_to(stream_of(&[delta("Hm"), finish(reason), DONE.to_owned()])).await;
        assert_eq!(answer, said("Hm", expected), "{reason}");
    }
}

#[tokio::test]
async fn a_split_anywhere_even_inside_a_character_changes_nothing() {
    let bytes = [delta("Olá, 👋🏽!"), finish("stop"), DONE.to_owned()].concat();
    let bytes = bytes.as_bytes();
    for at in 1..bytes.len() {
        let (left, right) = bytes.split_at(at);
        // A yield between two writes is not enough for two reads.
        let pause = Step::Pause(Duration::from_millis(1));
        let script = vec![head(), send(left), pause, send(right)];
        assert_eq!(
            answer_to(script).await,
            said("Olá, 👋🏽!", FinishReason::Stop),
            "split at {at}"
        );
    }
}

#[tokio::test]
async fn byte_by_byte_is_fine_too() {
    let bytes = [delta("é"), finish("stop"), DONE.to_owned()].concat();
    let chunks = bytes.as_bytes().iter().map(|byte| {
        let mut chunk = b"1\r\n".to_vec();
        chunk.extend([*byte, b'\r', b'\n']);
        send(chunk)
    });
    let mut script = vec![chunked_head()];
    script.extend(chunks);
    script.push(send("0\r\n\r\n"));
    assert_eq!(answer_to(script).await, said("é", FinishReason::Stop));
}

#[tokio::test]
async fn a_long_answer_arrives_whole() {
    let mut events: Vec<String> = (0..5_000).map(|n| delta(&format!("{n} "))).collect();
    events.extend([finish("stop"), DONE.to_owned()]);
    let expected: String = (0..5_000).map(|n| format!("{n} ")).collect();
    assert_eq!(answer_to(stream_of(&events)).await.text, expected);
}

#[tokio::test]
async fn a_finished_answer_gives_its_connection_back() {
    let whole = [delta("Hi"), finish("stop"), DONE.to_owned()].concat();
    // As servers do it: the end of the body is a write of its own.
    let pause = Step::Pause(Duration::from_millis(5));
    let script = vec![
        chunked_head(),
        piece(&whole),
        pause,
        send("0\r\n\r\n"),
        Step::Again,
    ];
    let server = Server::start(script).await;
    let model = model(&server);
    for _ in 0..5 {
        assert_eq!(complete(&model).await.unwrap().text, "Hi");
    }
    assert_eq!((server.seen().len(), server.connections()), (5, 1));
}
