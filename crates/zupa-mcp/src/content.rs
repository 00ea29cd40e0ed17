//! What a server answered, as JSON for the model: text as it is, everything
//! else by kind and size. Base64 never reaches a model.

use rmcp::model::{CallToolResult, ContentBlock, ErrorData, ResourceContents};
use serde_json::{Map, Value, json};

/// The longest name, address or media type of a server that is repeated.
const MAX_WORD_BYTES: usize = 512;
/// What a part costs beside its text.
const PART_BYTES: usize = 64;

/// One text is just that text, structured content just that content; several
/// parts are `content`, beside `structured` if there is any. What the server
/// marked as an error becomes `{"error": "tool_failed", "message": …}`.
pub(crate) fn for_model(result: CallToolResult, limit: usize) -> Value {
    let mut room = limit;
    let structured = result
        .structured_content
        .map(|value| bounded(value, &mut room));
    let mut parts = Vec::new();
    let mut left_out = 0;
    for block in result.content {
        // Servers repeat structured content as text for clients that know none.
        if structured.is_some() && repeats(&block, structured.as_ref()) {
            continue;
        }
        if room < PART_BYTES {
            left_out += 1;
            continue;
        }
        room -= PART_BYTES;
        parts.push(part(block, &mut room));
    }
    if left_out > 0 {
        parts.push(Value::from(format!("[{left_out} more parts left out]")));
    }
    let body = joined(parts, structured);
    match result.is_error {
        Some(true) => json!({ "error": "tool_failed", "message": body }),
        _ => body,
    }
}

/// What the server said against the call itself.
pub(crate) fn refusal(error: &ErrorData, limit: usize) -> Value {
    let message = cut(error.message.clone().into_owned(), limit);
    json!({ "error": "refused", "message": message })
}

fn joined(mut parts: Vec<Value>, structured: Option<Value>) -> Value {
    match (structured, parts.len()) {
        (Some(structured), 0) => structured,
        (None, 1) if parts[0].is_string() => parts.swap_remove(0),
        (Some(structured), _) => json!({ "structured": structured, "content": parts }),
        (None, _) => json!({ "content": parts }),
    }
}

fn repeats(block: &ContentBlock, structured: Option<&Value>) -> bool {
    let ContentBlock::Text(text) = block else {
        return false;
    };
    serde_json::from_str::<Value>(&text.text).ok().as_ref() == structured
}

fn part(block: ContentBlock, room: &mut usize) -> Value {
    match block {
        ContentBlock::Text(text) => Value::from(taken(text.text, room)),
        ContentBlock::Image(image) => described("image", &image.mime_type, size(&image.data)),
        ContentBlock::Audio(audio) => described("audio", &audio.mime_type, size(&audio.data)),
        ContentBlock::Resource(embedded) => resource(embedded.resource, room),
        ContentBlock::ResourceLink(link) => {
            let mut part = Map::new();
            part.insert("type".into(), "resource_link".into());
            part.insert("uri".into(), word(&link.uri).into());
            part.insert("name".into(), word(&link.name).into());
            if let Some(mime) = &link.mime_type {
                part.insert("mime".into(), word(mime).into());
            }
            if let Some(bytes) = link.size {
                part.insert("bytes".into(), bytes.into());
            }
            Value::Object(part)
        }
        _ => json!({ "type": "unknown" }),
    }
}

fn resource(contents: ResourceContents, room: &mut usize) -> Value {
    let (uri, mime, text, bytes) = match contents {
        ResourceContents::TextResourceContents {
            uri,
            mime_type,
            text,
            ..
        } => {
            let bytes = text.len();
            (uri, mime_type, Some(text), bytes)
        }
        ResourceContents::BlobResourceContents {
            uri,
            mime_type,
            blob,
            ..
        } => (uri, mime_type, None, size(&blob)),
        _ => return json!({ "type": "unknown" }),
    };
    let mut part = Map::new();
    part.insert("type".into(), "resource".into());
    part.insert("uri".into(), word(&uri).into());
    if let Some(mime) = &mime {
        part.insert("mime".into(), word(mime).into());
    }
    part.insert("bytes".into(), bytes.into());
    if let Some(text) = text {
        part.insert("text".into(), taken(text, room).into());
    }
    Value::Object(part)
}

fn described(kind: &str, mime: &str, bytes: usize) -> Value {
    json!({ "type": kind, "mime": word(mime), "bytes": bytes })
}

/// Of what base64 stands for.
fn size(base64: &str) -> usize {
    let digits = base64.trim_end_matches('=').len();
    digits * 3 / 4
}

fn word(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_WORD_BYTES)]
}

fn taken(text: String, room: &mut usize) -> String {
    let limit = *room;
    *room = limit.saturating_sub(text.len());
    cut(text, limit)
}

/// Structured content cannot be cut and stay what it is.
fn bounded(value: Value, room: &mut usize) -> Value {
    let bytes = value.to_string().len();
    if bytes > *room {
        return json!({ "omitted": format!("structured content of {bytes} bytes") });
    }
    *room -= bytes;
    value
}

/// Cuts at the limit and says so.
pub(crate) fn cut(mut text: String, limit: usize) -> String {
    let bytes = text.len();
    if bytes > limit {
        text.truncate(text.floor_char_boundary(limit));
        text.push_str(&format!(" [cut: {bytes} bytes in all]"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(result: Value, limit: usize, expected: Value) {
        let result: CallToolResult = serde_json::from_value(result).unwrap();
        assert_eq!(for_model(result, limit), expected);
    }

    #[test]
    fn simple_answers_stay_simple() {
        let text = json!({ "type": "text", "text": "sunny" });
        check(json!({ "content": [text] }), 999, json!("sunny"));
        let structured = json!({ "t": 21 });
        let repeated = json!({ "type": "text", "text": "{ \"t\": 21 }" });
        check(
            json!({ "content": [repeated], "structuredContent": structured }),
            999,
            structured.clone(),
        );
        check(
            json!({ "content": [text], "structuredContent": structured }),
            999,
            json!({ "structured": structured, "content": ["sunny"] }),
        );
        check(json!({ "content": [] }), 999, json!({ "content": [] }));
    }

    #[test]
    fn an_error_says_that_it_is_one() {
        check(
            json!({ "content": [{ "type": "text", "text": "no such city" }], "isError": true }),
            999,
            json!({ "error": "tool_failed", "message": "no such city" }),
        );
    }

    #[test]
    fn base64_never_reaches_the_model() {
        let data = "AAAAAAA=";
        check(
            json!({ "content": [
                { "type": "text", "text": "see" },
                { "type": "image", "data": data, "mimeType": "image/png" },
                { "type": "audio", "data": data, "mimeType": "audio/wav" },
                { "type": "resource", "resource": { "uri": "x:1", "mimeType": "a/b", "blob": data } },
                { "type": "resource", "resource": { "uri": "x:2", "text": "abc" } },
                { "type": "resource_link", "uri": "x:3", "name": "n", "size": 9 },
            ] }),
            9999,
            json!({ "content": [
                "see",
                { "type": "image", "mime": "image/png", "bytes": 5 },
                { "type": "audio", "mime": "audio/wav", "bytes": 5 },
                { "type": "resource", "uri": "x:1", "mime": "a/b", "bytes": 5 },
                { "type": "resource", "uri": "x:2", "bytes": 3, "text": "abc" },
                { "type": "resource_link", "uri": "x:3", "name": "n", "bytes": 9 },
            ] }),
        );
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        let text = |text: String| json!({ "type": "text", "text": text });
        check(
            json!({ "content": [text("é".repeat(100))] }),
            PART_BYTES + 5,
            json!("éé [cut: 200 bytes in all]"),
        );
        check(
            json!({ "content": [text("x".repeat(100)), text("y".into()), text("z".into())] }),
            PART_BYTES + 100,
            json!({ "content": ["x".repeat(100), "[2 more parts left out]"] }),
        );
        check(
            json!({ "structuredContent": { "a": "x".repeat(100) } }),
            50,
            json!({ "omitted": "structured content of 108 bytes" }),
        );
    }
}
