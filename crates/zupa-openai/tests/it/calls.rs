//! Calls of tools, as servers are known to send them. The fixtures are written
//! after their formats, with invented contents.

use serde_json::json;
use zupa_core::{Completion, ErrorKind, FinishReason, ModelEvent, Outcome, Retry, ToolCall, Usage};

use crate::server::{Server, Step};
use crate::support::*;

fn look_up(id: &str, arguments: &str) -> ToolCall {
    ToolCall {
        id: id.to_owned(),
        name: "look_up".to_owned(),
        arguments: arguments.to_owned(),
    }
}

/// What nearly all fixtures say: two cities are to be looked up.
fn both(first: &str, second: &str) -> Vec<ToolCall> {
    vec![
        look_up(first, r#"{"city":"Faro"}"#),
        look_up(second, r#"{"city":"Évora"}"#),
    ]
}

const USAGE: Option<Usage> = Some(Usage {
    input_tokens: 61,
    output_tokens: 34,
});

#[track_caller]
fn check(name: &str, answer: &Completion, text: &str, calls: &[ToolCall]) {
    assert_eq!(answer.calls, calls, "{name}");
    assert_eq!(
        (answer.text.as_str(), &answer.finish),
        (text, &FinishReason::ToolCalls),
        "{name}"
    );
}

#[tokio::test]
async fn calls_come_whole_and_in_order_before_the_end() {
    let server = Server::start(recorded("openai_two_calls.sse")).await;
    let calls = both("call_Rw1", "call_Xk2").into_iter();
    let mut expected: Vec<_> = calls.map(ModelEvent::Call).collect();
    expected.push(ModelEvent::Done {
        finish: FinishReason::ToolCalls,
        usage: USAGE,
        model: Some("gpt-5-mini-2026-08-07".to_owned()),
    });
    assert_eq!(events(&model(&server)).await, expected);
}

#[tokio::test]
async fn every_flavour_of_server_is_understood() {
    let spaced = |first: &str, second: &str| {
        vec![
            look_up(first, r#"{"city": "Faro"}"#),
            look_up(second, r#"{"city": "Évora"}"#),
        ]
    };
    let vllm = spaced("chatcmpl-tool-a1", "chatcmpl-tool-b2");
    for (name, text, calls) in [
        (
            "ollama_calls_all_with_index_0.sse",
            "",
            both("call_a1", "call_b2"),
        ),
        (
            "ollama_calls_without_index.sse",
            "",
            both("call_a1", "call_b2"),
        ),
        ("vllm_fragments_after_thoughts.sse", "\n\n", vllm.clone()),
        ("vllm_new_id_with_every_fragment.sse", "", vllm),
        ("llama_cpp_fragments.sse", "", both("Ab3", "Cd4")),
        (
            "llama_cpp_calls_without_ids.sse",
            "",
            both("call_0", "call_1"),
        ),
        (
            "litellm_text_then_calls.sse",
            "I look it up.",
            spaced("toolu_01", "toolu_02"),
        ),
        (
            "litellm_empty_finish_reasons.sse",
            "",
            both("call_0", "call_1"),
        ),
        ("gateway_missing_fields.sse", "", both("call_0", "call_1")),
    ] {
        let answer = answer_to(recorded(name)).await;
        check(name, &answer, text, &calls);
    }
}

#[tokio::test]
async fn usage_comes_with_the_last_chunk_with_every_one_or_not_at_all() {
    for (name, usage) in [
        ("ollama_calls_all_with_index_0.sse", USAGE),
        ("vllm_fragments_after_thoughts.sse", USAGE),
        ("llama_cpp_fragments.sse", USAGE),
        ("litellm_text_then_calls.sse", USAGE),
        ("llama_cpp_calls_without_ids.sse", None),
    ] {
        assert_eq!(answer_to(recorded(name)).await.usage, usage, "{name}");
    }
}

#[tokio::test]
async fn arguments_that_are_no_json_are_passed_on_as_they_are() {
    let name = "vllm_arguments_that_are_no_json.sse";
    let call = look_up("chatcmpl-tool-a1", "{'city': 'Faro', }");
    check(name, &answer_to(recorded(name)).await, "", &[call]);
}

#[tokio::test]
async fn a_call_without_arguments_has_an_empty_object_of_them() {
    let name = "litellm_call_without_arguments.sse";
    let call = ToolCall {
        name: "now".to_owned(),
        ..look_up("toolu_01", "{}")
    };
    check(name, &answer_to(recorded(name)).await, "", &[call]);
}

#[tokio::test]
async fn an_answer_in_one_piece_is_taken_too() {
    let body = fixture("litellm_whole_answer.json");
    let answer = answer_to(answer(200, JSON, &body)).await;
    check("whole", &answer, "", &both("call_a1", "call_b2"));
    assert_eq!(
        (answer.usage, answer.model.as_deref()),
        (USAGE, Some("qwen3"))
    );
}

#[tokio::test]
async fn calls_cut_short_by_the_limit_say_so() {
    let answer = answer_to(recorded("llama_cpp_cut_off_by_the_limit.sse")).await;
    assert_eq!(answer.calls, [look_up("Ab3", r#"{"ci"#)]);
    assert_eq!(answer.finish, FinishReason::Length);
}

#[tokio::test]
async fn a_cut_off_stream_gives_no_call() {
    let whole = fixture("openai_two_calls.sse");
    let until_finish = whole.find("\"finish_reason\":\"tool_calls\"").unwrap();
    let at = whole[..until_finish].rfind("data: ").unwrap();
    let error = failure_on(vec![head(), send(&whole.as_bytes()[..at])]).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
}

#[tokio::test]
async fn a_split_anywhere_changes_no_call() {
    let whole = fixture("litellm_text_then_calls.sse");
    let answer = answer_to(vec![head(), send(whole.as_bytes())]).await;
    let bytes = whole.as_bytes();
    for at in (1..bytes.len()).step_by(97) {
        let pause = Step::Pause(std::time::Duration::from_millis(1));
        let (left, right) = bytes.split_at(at);
        let script = vec![head(), send(left), pause, send(right)];
        assert_eq!(answer_to(script).await, answer, "split at {at}");
    }
}

#[tokio::test]
async fn calls_without_end_are_about_the_input_and_nameless_ones_a_matter_of_protocol() {
    let call = |index: usize, name: &str, arguments: &str| {
        let function = json!({"name": name, "arguments": arguments});
        event(
            &json!({"choices": [{"delta": {"tool_calls": [{"index": index, "function": function}]}}]}),
        )
    };
    let many: Vec<_> = (0..65).map(|index| call(index, "a", "{}")).collect();
    let large = CANARY.repeat(10_000);
    let long: Vec<_> = (0..6).map(|_| call(0, "a", &large)).collect();
    let nameless = vec![call(0, "", CANARY), finish("tool_calls")];
    let endless = (ErrorKind::Invalid, Retry::Never, Outcome::Applied);
    let nonsense = (ErrorKind::Protocol, Retry::Now, Outcome::Unknown);
    for (name, script, expected) in [
        ("many", many, endless),
        ("long", long, endless),
        ("nameless", nameless, nonsense),
    ] {
        let error = failure_on(stream_of(&script)).await;
        let said = (error.kind(), error.retry(), error.outcome());
        assert_eq!(said, expected, "{name}: {error:?}");
    }
}
