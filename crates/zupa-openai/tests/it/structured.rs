//! Answers that have to have a form.

use serde_json::{Value, json};
use zupa_core::model::collect;
use zupa_core::{Completion, FinishReason, Model, ModelRequest, ReplySchema};
use zupa_openai::{OpenAiConfig, OpenAiModel, Structured};

use crate::server::{Server, Step};
use crate::support::*;

async fn formed(script: Vec<Step>, structured: Structured) -> Completion {
    let server = Server::start(script).await;
    let model = OpenAiModel::new(OpenAiConfig {
        structured,
        ..config(&server.base_url)
    })
    .unwrap();
    let request = ModelRequest {
        reply: Some(ReplySchema {
            name: "Place".to_owned(),
            schema: json!({ "type": "object" }),
        }),
        ..request()
    };
    collect(model.stream(request).await.unwrap(), |_| {})
        .await
        .unwrap()
}

#[tokio::test]
async fn a_structured_answer_is_nothing_but_json() {
    for (name, structured) in [
        ("openai_structured.sse", Structured::Native),
        // Told in words, or by a server that ignores schemas.
        ("ollama_fenced_reply.sse", Structured::Prompt),
        ("ollama_fenced_reply.sse", Structured::Native),
    ] {
        let answer = formed(recorded(name), structured).await;
        let value: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(value, json!({ "city": "Faro" }), "{name}");
        assert_eq!(answer.finish, FinishReason::Stop);
    }
}

#[tokio::test]
async fn a_plain_answer_keeps_its_fences() {
    let answer = answer_to(recorded("ollama_fenced_reply.sse")).await;
    assert!(answer.text.starts_with("```json\n") && answer.text.ends_with("```\n"));
}

#[tokio::test]
async fn what_only_looks_like_a_fence_is_not_lost() {
    let script = stream_of(&[delta("``"), finish("length"), DONE.to_owned()]);
    assert_eq!(
        formed(script, Structured::Prompt).await,
        said("``", FinishReason::Length)
    );
}

#[tokio::test]
async fn an_answer_with_a_form_may_call_tools_first() {
    let answer = formed(recorded("openai_two_calls.sse"), Structured::Native).await;
    assert_eq!((answer.text.as_str(), answer.calls.len()), ("", 2));
    assert_eq!(answer.finish, FinishReason::ToolCalls);
}
