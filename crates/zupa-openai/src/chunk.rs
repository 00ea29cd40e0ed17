//! What an event of the stream brings.
//!
//! Picked from loose JSON, field by field: servers leave fields out, add some,
//! send `null`, empty text or numbers where the original sends words, and none
//! of that is a reason to lose an answer.

use serde_json::Value;
use zupa_core::{FinishReason, Usage};

use crate::calls::Fragment;
use crate::fault::{Fault, word};

/// One event, read.
#[derive(Default)]
pub(crate) struct Chunk {
    pub(crate) text: String,
    pub(crate) calls: Vec<Fragment>,
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
        // An answer in one piece has a message instead.
        let delta = match &choice["delta"] {
            Value::Null => &choice["message"],
            delta => delta,
        };
        let mut text = text_of(&delta["content"]);
        // What a model says when it declines comes in a field of its own.
        text.push_str(delta["refusal"].as_str().unwrap_or_default());
        Ok(Self {
            text,
            calls: calls_of(&delta["tool_calls"]),
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

fn calls_of(calls: &Value) -> Vec<Fragment> {
    let calls = calls.as_array().map(Vec::as_slice).unwrap_or_default();
    calls.iter().map(fragment_of).collect()
}

fn fragment_of(call: &Value) -> Fragment {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let function = &call["function"];
    Fragment {
        index: call["index"].as_u64(),
        id: text(&call["id"]),
        name: text(&function["name"]),
        arguments: match &function["arguments"] {
            Value::Null => String::new(),
            Value::String(piece) => piece.clone(),
            // Some gateways forget to write the object as text.
            whole => whole.to_string(),
        },
    }
}

/// Some servers send an empty reason with every chunk.
fn finish_of(reason: &str) -> Option<FinishReason> {
    match reason {
        "" => None,
        "stop" => Some(FinishReason::Stop),
        "tool_calls" => Some(FinishReason::ToolCalls),
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
