//! Servers that bend the format. Each row is an answer that must not be lost.

use std::time::Duration;

use serde_json::json;
use zupa_core::{FinishReason, Usage};

use crate::server::Step;
use crate::support::*;

const TOKENS: Option<Usage> = Some(Usage {
    input_tokens: 9,
    output_tokens: 2,
});

#[tokio::test]
async fn ollama_repeats_the_role_and_sends_empty_fields() {
    let chunk = |text: &str, reason| {
        event(&json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "llama3.2",
            "system_fingerprint": "fp_ollama",
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": reason}],
        }))
    };
    let usage = json!({"model": "llama3.2", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}});
    let answer = answer_to(stream_of(&[
        chunk("Hi", json!(null)),
        chunk("", json!("stop")),
        event(&usage),
        DONE.to_owned(),
    ]))
    .await;
    assert_eq!(
        (answer.text.as_str(), answer.finish, answer.usage),
        ("Hi", FinishReason::Stop, TOKENS)
    );
    assert_eq!(answer.model.as_deref(), Some("llama3.2"));
}

#[tokio::test]
async fn vllm_sends_usage_with_every_chunk_and_fields_of_its_own() {
    let chunk = |delta, reason, out| {
        event(&json!({
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason, "stop_reason": 128001, "token_ids": [1]}],
            "usage": {"prompt_tokens": 9, "completion_tokens": out, "prompt_tokens_details": null},
            "prompt_token_ids": null, "service_tier": "on_demand",
        }))
    };
    let answer = answer_to(stream_of(&[
        chunk(json!({"role": "assistant", "content": ""}), json!(null), 0),
        chunk(
            json!({"reasoning_content": "hm", "content": null}),
            json!(null),
            0,
        ),
        chunk(json!({"content": "Hi"}), json!(""), 1),
        chunk(json!({}), json!("stop"), 2),
        DONE.to_owned(),
    ]))
    .await;
    assert_eq!(
        (answer.text.as_str(), answer.finish, answer.usage),
        ("Hi", FinishReason::Stop, TOKENS)
    );
}

#[tokio::test]
async fn odd_chunks_lose_nothing() {
    let odd = [
        ("no fields at all", json!({})),
        (
            "choices null",
            json!({"choices": null, "usage": null, "model": null, "error": null}),
        ),
        ("delta null", json!({"choices": [{"delta": null}]})),
        (
            "integer where text belongs",
            json!({"id": 7, "model": 7, "choices": [{"delta": {"content": 7}, "finish_reason": 7}]}),
        ),
        (
            "usage of another kind",
            json!({"choices": [], "usage": {"tokens": "many"}}),
        ),
        ("choices as an object", json!({"choices": {"delta": {}}})),
    ];
    for (name, chunk) in odd {
        let events = [
            event(&chunk),
            delta("Hi"),
            event(&chunk),
            finish("stop"),
            event(&chunk),
            DONE.to_owned(),
        ];
        assert_eq!(
            answer_to(stream_of(&events)).await,
            said("Hi", FinishReason::Stop),
            "{name}"
        );
    }
}

#[tokio::test]
async fn text_may_come_in_parts_or_as_a_refusal() {
    for delta in [
        json!({"content": [{"type": "thinking", "thinking": [{"text": "hm"}]}, {"type": "text", "text": "Hi"}]}),
        json!({"content": null, "refusal": "Hi"}),
    ] {
        let chunk = event(&json!({"choices": [{"delta": delta, "finish_reason": "stop"}]}));
        let answer = answer_to(stream_of(&[chunk, DONE.to_owned()])).await;
        assert_eq!(answer, said("Hi", FinishReason::Stop));
    }
}

#[tokio::test]
async fn an_answer_may_come_in_one_piece() {
    let body = json!({
        "object": "chat.completion", "type": "of no concern",
        "choices": [{"message": {"role": "assistant", "content": "Hi\n"}, "finish_reason": "stop"}],
    });
    let pretty = serde_json::to_string_pretty(&body).unwrap();
    for headers in [JSON, "content-type: Application/JSON; charset=utf-8\r\n"] {
        let answer = answer_to(answer(200, headers, &pretty)).await;
        assert_eq!(answer, said("Hi\n", FinishReason::Stop));
    }
}

#[tokio::test]
async fn an_answer_may_end_in_many_ways() {
    let hi = delta("Hi");
    let stop = finish("stop");
    let rows = [
        ("no [DONE]", stream_of(&[hi.clone(), stop.clone()])),
        ("no reason", stream_of(&[hi.clone(), DONE.to_owned()])),
        (
            "no reason, and [DONE] in pieces",
            vec![
                head(),
                send(format!("{hi}data: [DO")),
                Step::Pause(Duration::from_millis(5)),
                send("NE]\n\n"),
            ],
        ),
        (
            "open after [DONE]",
            vec![head(), send(format!("{hi}{stop}{DONE}")), Step::Stall],
        ),
        (
            "more after [DONE]",
            stream_of(&[hi.clone(), stop.clone(), DONE.to_owned(), delta("!")]),
        ),
        (
            "no last blank line",
            vec![head(), send(format!("{hi}{stop}data: [DONE]"))],
        ),
        (
            "cut after the reason",
            vec![chunked_head(), piece(&hi), piece(&stop)],
        ),
        (
            "silence after the reason",
            vec![head(), send(format!("{hi}{stop}")), Step::Stall],
        ),
        (
            "garbage after the reason",
            stream_of(&[hi.clone(), stop.clone(), "data: {no json\n\n".to_owned()]),
        ),
        (
            "error after the reason",
            stream_of(&[
                hi.clone(),
                stop.clone(),
                event(&json!({"error": {"code": 500}})),
            ]),
        ),
    ];
    for (name, script) in rows {
        assert_eq!(
            answer_to(script).await,
            said("Hi", FinishReason::Stop),
            "{name}"
        );
    }
}

#[tokio::test]
async fn line_ends_comments_names_and_media_types_vary() {
    let body = [delta("Hi"), finish("stop"), DONE.to_owned()].concat();
    let windows = body.replace('\n', "\r\n");
    let commented = format!(": ping\n\nid: 1\nevent: message\nretry: 10\n{body}");
    let tight = body.replace("data: ", "data:");
    let plain = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
    let shouting = "HTTP/1.1 200 OK\r\ncontent-type: Text/Event-Stream;charset=UTF-8\r\n\r\n";
    for (name, script) in [
        ("crlf", vec![head(), send(windows)]),
        ("comments", vec![head(), send(commented)]),
        ("no space", vec![head(), send(tight)]),
        ("no media type", vec![send(plain), send(body.clone())]),
        (
            "a media type in capitals",
            vec![send(shouting), send(body.clone())],
        ),
        (
            "status 201",
            vec![
                send("HTTP/1.1 201 Created\r\ncontent-type: text/event-stream\r\n\r\n"),
                send(body.clone()),
            ],
        ),
    ] {
        assert_eq!(
            answer_to(script).await,
            said("Hi", FinishReason::Stop),
            "{name}"
        );
    }
}
