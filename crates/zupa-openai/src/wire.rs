//! What is said on the wire.
//!
//! Requests are typed. Answers are picked from loose JSON instead, field by
//! field: servers leave fields out, add some, send `null`, empty text or numbers
//! where the original sends words, and none of that is a reason to lose an
//! answer.

use reqwest::Url;
use serde::Serialize;
use serde_json::Value;
use zupa_core::{FinishReason, Prompt, Usage};

use crate::config::OpenAiConfig;
use crate::fault::{Fault, word};

/// The body of a request.
#[derive(Serialize)]
pub(crate) struct Request<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
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
    pub(crate) fn new(config: &'a OpenAiConfig, limit: TokenLimit, prompts: &'a [Prompt]) -> Self {
        let limited_by = |field| config.max_tokens.filter(|_| limit == field);
        Self {
            model: &config.model,
            messages: prompts
                .iter()
                .map(|prompt| Message {
                    role: prompt.role.as_str(),
                    content: &prompt.text,
                })
                .collect(),
            stream: true,
            stream_options: StreamOptions {
                include_usage: true,
            },
            temperature: config.temperature,
            max_tokens: limited_by(TokenLimit::MaxTokens),
            max_completion_tokens: limited_by(TokenLimit::MaxCompletionTokens),
        }
    }
}

/// What one event of the stream brings.
#[derive(Default)]
pub(crate) struct Chunk {
    pub(crate) text: String,
    pub(crate) finish: Option<FinishReason>,
    pub(crate) usage: Option<Usage>,
    pub(crate) model: Option<String>,
}

/// Why an event is no chunk.
pub(crate) enum NoChunk {
    Fault(Fault),
    Nonsense,
}

impl Chunk {
    pub(crate) fn read(event: &Value) -> Result<Self, NoChunk> {
        if !event.is_object() {
            return Err(NoChunk::Nonsense);
        }
        if let Some(fault) = Fault::of_event(event) {
            return Err(NoChunk::Fault(fault));
        }
        // The chunk that carries the usage has no choices.
        let choice = &event["choices"][0];
        let delta = &choice["delta"];
        let mut text = text_of(&delta["content"]);
        // What a model says when it declines comes in a field of its own.
        text.push_str(delta["refusal"].as_str().unwrap_or_default());
        Ok(Self {
            text,
            finish: choice["finish_reason"].as_str().and_then(finish_of),
            usage: usage_of(&event["usage"]),
            model: event["model"].as_str().and_then(name_of),
        })
    }
}

/// Text, or a list of parts of which only texts are shown (Mistral).
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect(),
        _ => String::new(),
    }
}

/// Some servers send an empty reason with every chunk.
fn finish_of(reason: &str) -> Option<FinishReason> {
    match reason {
        "" => None,
        "stop" => Some(FinishReason::Stop),
        "length" => Some(FinishReason::Length),
        "content_filter" => Some(FinishReason::ContentFilter),
        other => {
            let reason = word(other).unwrap_or_else(|| "unreadable".to_owned());
            Some(FinishReason::Other(reason))
        }
    }
}

fn usage_of(usage: &Value) -> Option<Usage> {
    let input_tokens = usage["prompt_tokens"].as_u64();
    let output_tokens = usage["completion_tokens"].as_u64();
    if input_tokens.is_none() && output_tokens.is_none() {
        return None;
    }
    Some(Usage {
        input_tokens: input_tokens.unwrap_or_default(),
        output_tokens: output_tokens.unwrap_or_default(),
    })
}

/// It goes into audit entries and metrics, so it is kept short and on one line.
fn name_of(model: &str) -> Option<String> {
    let is_fine = !model.is_empty() && model.len() <= 200 && !model.contains(char::is_control);
    is_fine.then(|| model.to_owned())
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
