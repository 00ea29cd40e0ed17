//! What exactly is sent of tools, calls, results and forms.

use serde_json::{Value, json};
use zupa_core::{ErrorKind, Model, ModelRequest, Prompt, ReplySchema, Role, ToolCall, ToolSpec};
use zupa_openai::{OpenAiConfig, OpenAiModel, Structured};

use crate::server::Server;
use crate::support::*;

/// The body that is sent for a request.
async fn body(request: ModelRequest, structured: Structured) -> Value {
    let server = Server::start(stream_of(&[finish("stop"), DONE.to_owned()])).await;
    let model = OpenAiModel::new(OpenAiConfig {
        structured,
        ..config(&server.base_url)
    })
    .unwrap();
    drop(model.stream(request).await.unwrap());
    server.seen()[0].body.clone()
}

fn asked(messages: Vec<Prompt>) -> ModelRequest {
    ModelRequest::new(messages, PATIENCE)
}

fn call(id: &str, arguments: &str) -> ToolCall {
    ToolCall {
        id: id.to_owned(),
        name: "look_up".to_owned(),
        arguments: arguments.to_owned(),
    }
}

fn reply(schema: Value) -> Option<ReplySchema> {
    let name = "Place<City>".to_owned();
    Some(ReplySchema { name, schema })
}

fn place() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": { "city": { "type": "string" } },
        "required": ["city"],
    })
}

#[tokio::test]
async fn tools_are_functions_with_their_schema() {
    let tool = |name: &str, description: &str, parameters| ToolSpec {
        name: name.to_owned(),
        description: description.to_owned(),
        parameters,
    };
    let request = ModelRequest {
        tools: vec![
            tool("look_up", "Looks up a city.", place()),
            tool("now", "", json!({ "type": "object" })),
        ],
        ..asked(vec![Prompt::line(Role::User, "Where?")])
    };
    let expected = json!({
        "model": "test-model",
        "messages": [{ "role": "user", "content": "Where?" }],
        "stream": true,
        "stream_options": { "include_usage": true },
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "look_up",
                    "description": "Looks up a city.",
                    "parameters": {
                        "type": "object",
                        "properties": { "city": { "type": "string" } },
                        "required": ["city"],
                    },
                },
            },
            {
                "type": "function",
                "function": {
                    "name": "now",
                    "parameters": { "type": "object", "properties": {} },
                },
            },
        ],
    });
    assert_eq!(body(request, Structured::Native).await, expected);
}

#[tokio::test]
async fn calls_and_their_results_are_sent_back_under_one_id() {
    let request = asked(vec![
        Prompt::line(Role::User, "Where?"),
        Prompt::Assistant {
            text: String::new(),
            calls: vec![call("call_0", r#"{"city": "Faro"}"#), call("call_1", "")],
        },
        Prompt::Tool {
            call: "call_0".to_owned(),
            result: r#"{"south":true}"#.to_owned(),
        },
        Prompt::Tool {
            call: "call_1".to_owned(),
            result: "no city".to_owned(),
        },
        Prompt::Assistant {
            text: "Once more.".to_owned(),
            calls: vec![call("call_2", "{'city'}")],
        },
        Prompt::Tool {
            call: "call_2".to_owned(),
            result: "not JSON".to_owned(),
        },
        Prompt::line(Role::Assistant, "In the south."),
    ]);
    let sent = |id: &str, arguments: &str| {
        json!({
            "type": "function",
            "id": id,
            "function": { "name": "look_up", "arguments": arguments },
        })
    };
    let expected = json!([
        { "role": "user", "content": "Where?" },
        {
            "role": "assistant",
            "content": null,
            "tool_calls": [sent("call_0", r#"{"city": "Faro"}"#), sent("call_1", "{}")],
        },
        { "role": "tool", "tool_call_id": "call_0", "content": r#"{"south":true}"# },
        { "role": "tool", "tool_call_id": "call_1", "content": "no city" },
        {
            "role": "assistant",
            "content": "Once more.",
            "tool_calls": [sent("call_2", r#"{"INVALID_JSON":"{'city'}"}"#)],
        },
        { "role": "tool", "tool_call_id": "call_2", "content": "not JSON" },
        { "role": "assistant", "content": "In the south." },
    ]);
    let body = body(request, Structured::Native).await;
    assert_eq!(body["messages"], expected);
    assert_eq!(body.get("tools"), None);
}

#[tokio::test]
async fn a_form_is_sent_strict_where_its_schema_allows() {
    let strict = json!({
        "type": "object",
        "properties": { "city": { "type": "string" } },
        "required": ["city"],
        "additionalProperties": false,
    });
    let open = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    for (schema, form) in [
        (
            place(),
            json!({ "name": "Place_City_", "schema": strict, "strict": true }),
        ),
        (
            open.clone(),
            json!({ "name": "Place_City_", "schema": open }),
        ),
    ] {
        let messages = vec![Prompt::line(Role::User, "Where?")];
        let request = ModelRequest {
            reply: reply(schema),
            ..asked(messages)
        };
        let body = body(request, Structured::Native).await;
        let expected = json!({ "type": "json_schema", "json_schema": form });
        assert_eq!(body["response_format"], expected);
        let messages = json!([{ "role": "user", "content": "Where?" }]);
        assert_eq!(body["messages"], messages);
    }
}

#[tokio::test]
async fn a_form_in_words_goes_into_the_first_system_message() {
    let schema = json!({ "type": "object" });
    let words = "Unless you call a tool, answer with one JSON object and nothing else: no text \
                 before or after it, no code fence. It must be valid under this JSON Schema:\n\
                 {\"type\":\"object\"}";
    let user = json!({ "role": "user", "content": "Where?" });
    for (system, expected) in [
        (Some("Be brief."), format!("Be brief.\n\n{words}")),
        (None, words.to_owned()),
    ] {
        let mut messages = vec![Prompt::line(Role::User, "Where?")];
        if let Some(text) = system {
            messages.insert(0, Prompt::line(Role::System, text));
        }
        let request = ModelRequest {
            reply: reply(schema.clone()),
            ..asked(messages)
        };
        let body = body(request, Structured::Prompt).await;
        let system = json!({ "role": "system", "content": expected });
        assert_eq!(body["messages"], json!([system, user]));
        assert_eq!(body.get("response_format"), None);
    }
}

#[tokio::test]
async fn the_smaller_token_limit_is_sent() {
    for (configured, asked_for, sent) in [
        (None, Some(20), json!(20)),
        (Some(30), Some(20), json!(20)),
        (Some(30), Some(40), json!(30)),
        (Some(30), None, json!(30)),
        (None, None, Value::Null),
    ] {
        let server = Server::start(stream_of(&[finish("stop")])).await;
        let model = OpenAiModel::new(OpenAiConfig {
            max_tokens: configured,
            ..config(&server.base_url)
        })
        .unwrap();
        let request = ModelRequest {
            max_tokens: asked_for,
            ..request()
        };
        drop(model.stream(request).await.unwrap());
        assert_eq!(server.seen()[0].body["max_tokens"], sent);
    }
}

#[tokio::test]
async fn an_answer_of_no_tokens_is_not_asked_for() {
    let server = Server::start(vec![]).await;
    let request = ModelRequest {
        max_tokens: Some(0),
        ..request()
    };
    let error = model(&server).stream(request).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(server.seen().is_empty());
}
