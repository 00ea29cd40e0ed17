//! What is sent: the prompt, the tools, the form of the answer and its limits.
//!
//! The body is typed here and not taken from async-openai, whose types know
//! OpenAI's own servers only.

use std::borrow::Cow;

use reqwest::Url;
use serde::Serialize;
use serde_json::{Value, json};
use zupa_core::{ModelRequest, ReplySchema, ToolSpec};

use crate::config::{OpenAiConfig, Structured};
use crate::message::{Message, instruct};
use crate::schema;

/// The body of a request.
#[derive(Serialize)]
pub(crate) struct Request<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    stream: bool,
    stream_options: StreamOptions,
    // Servers refuse an empty list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "function")]
struct Tool<'a> {
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    parameters: Cow<'a, Value>,
}

/// Which field limits the answer. OpenAI's newer models refuse `max_tokens`,
/// most other servers know nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenLimit {
    MaxTokens,
    MaxCompletionTokens,
}

impl TokenLimit {
    pub(crate) fn of(base_url: &Url) -> Self {
        match base_url.host_str() {
            Some(host) if host == "api.openai.com" || host.ends_with(".openai.azure.com") => {
                Self::MaxCompletionTokens
            }
            _ => Self::MaxTokens,
        }
    }
}

impl<'a> Request<'a> {
    pub(crate) fn new(
        config: &'a OpenAiConfig,
        limit: TokenLimit,
        request: &'a ModelRequest,
    ) -> Self {
        // Both are the most that is wanted.
        let configured = config.max_tokens.map(u64::from);
        let most = configured.into_iter().chain(request.max_tokens).min();
        let limited_by = |field| most.filter(|_| limit == field);
        let mut messages: Vec<_> = request.messages.iter().map(Message::of).collect();
        let mut response_format = None;
        match (&request.reply, config.structured) {
            (None, _) => {}
            (Some(reply), Structured::Native) => response_format = Some(form_of(reply)),
            (Some(reply), Structured::Prompt) => instruct(&mut messages, &form_in_words(reply)),
        }
        Self {
            model: &config.model,
            messages,
            stream: true,
            stream_options: StreamOptions {
                include_usage: true,
            },
            tools: request.tools.iter().map(Tool::of).collect(),
            response_format,
            temperature: config.temperature,
            max_tokens: limited_by(TokenLimit::MaxTokens),
            max_completion_tokens: limited_by(TokenLimit::MaxCompletionTokens),
        }
    }
}

impl<'a> Tool<'a> {
    fn of(spec: &'a ToolSpec) -> Self {
        Self {
            function: Function {
                name: &spec.name,
                description: &spec.description,
                parameters: schema::of_arguments(&spec.parameters),
            },
        }
    }
}

/// The form of the answer, for servers that hold the model to it.
fn form_of(reply: &ReplySchema) -> Value {
    let mut form = json!({ "name": schema::name(&reply.name) });
    match schema::strict(&reply.schema) {
        Some(narrowed) => {
            form["strict"] = json!(true);
            form["schema"] = narrowed;
        }
        None => form["schema"] = reply.schema.clone(),
    }
    json!({ "type": "json_schema", "json_schema": form })
}

/// The form of the answer, for servers that cannot.
fn form_in_words(reply: &ReplySchema) -> String {
    format!(
        "Unless you call a tool, answer with one JSON object and nothing else: no text before \
         or after it, no code fence. It must be valid under this JSON Schema:\n{}",
        reply.schema
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_openai_gets_the_newer_token_limit() {
        for (base_url, expected) in [
            ("https://api.openai.com/v1", TokenLimit::MaxCompletionTokens),
            (
                "https://me.openai.azure.com/openai/v1",
                TokenLimit::MaxCompletionTokens,
            ),
            ("http://localhost:11434/v1", TokenLimit::MaxTokens),
            ("https://api.openai.com.example/v1", TokenLimit::MaxTokens),
        ] {
            let base_url = Url::parse(base_url).unwrap();
            assert_eq!(TokenLimit::of(&base_url), expected, "{base_url}");
        }
    }
}
