//! What is sent of a conversation: lines, calls of tools and their results.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::json;
use zupa_core::{Prompt, ToolCall};

/// One message, in the roles of the wire.
#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
pub(crate) enum Message<'a> {
    System {
        content: Cow<'a, str>,
    },
    User {
        content: &'a str,
    },
    Assistant {
        content: Option<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<Call<'a>>,
    },
    Tool {
        tool_call_id: &'a str,
        content: &'a str,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "function")]
pub(crate) struct Call<'a> {
    id: &'a str,
    function: CalledFunction<'a>,
}

#[derive(Serialize)]
pub(crate) struct CalledFunction<'a> {
    name: &'a str,
    arguments: Cow<'a, str>,
}

impl<'a> Message<'a> {
    pub(crate) fn of(prompt: &'a Prompt) -> Self {
        match prompt {
            Prompt::System { text } => Self::System {
                content: Cow::Borrowed(text),
            },
            Prompt::User { text } => Self::User { content: text },
            Prompt::Assistant { text, calls } => Self::Assistant {
                // Beside calls some servers refuse an empty text, and others
                // take any text for the whole message and drop the calls.
                content: (calls.is_empty() || !text.is_empty()).then_some(text),
                tool_calls: calls.iter().map(Call::of).collect(),
            },
            Prompt::Tool { call, result } => Self::Tool {
                tool_call_id: call,
                content: result,
            },
        }
    }
}

impl<'a> Call<'a> {
    fn of(call: &'a ToolCall) -> Self {
        Self {
            id: &call.id,
            function: CalledFunction {
                name: &call.name,
                arguments: readable(&call.arguments),
            },
        }
    }
}

/// vLLM, Ollama and llama.cpp parse the arguments of past calls and answer 400
/// to anything but an object, so one slip of a model would end its conversation.
fn readable(arguments: &str) -> Cow<'_, str> {
    let is_json = || serde_json::from_str::<IgnoredAny>(arguments).is_ok();
    match arguments.trim_start().bytes().next() {
        None => Cow::Borrowed("{}"),
        Some(b'{') if is_json() => Cow::Borrowed(arguments),
        _ => Cow::Owned(json!({ "INVALID_JSON": arguments }).to_string()),
    }
}

/// Adds to the first system message: many chat templates take one at most, and
/// only at the beginning.
pub(crate) fn instruct(messages: &mut Vec<Message<'_>>, instruction: &str) {
    if let Some(Message::System { content }) = messages.first_mut() {
        let both = format!("{content}\n\n{instruction}");
        *content = Cow::Owned(both);
        return;
    }
    let content = Cow::Owned(instruction.to_owned());
    messages.insert(0, Message::System { content });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn past_arguments_are_always_an_object() {
        for (written, sent) in [
            (r#"{"b": 1, "a":2}"#, r#"{"b": 1, "a":2}"#),
            ("", "{}"),
            (" \n", "{}"),
            (r#"{"a":"#, r#"{"INVALID_JSON":"{\"a\":"}"#),
            ("[1]", r#"{"INVALID_JSON":"[1]"}"#),
            ("null", r#"{"INVALID_JSON":"null"}"#),
            ("soon", r#"{"INVALID_JSON":"soon"}"#),
        ] {
            assert_eq!(readable(written), sent, "{written:?}");
        }
    }
}
