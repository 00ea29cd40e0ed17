//! A good answer, as JSON for the model.

use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::content::cut;

/// The longest media type that is repeated.
const MAX_MEDIA_TYPE_BYTES: usize = 128;

/// JSON as it is, other text as a text, anything else by kind and size. What is
/// longer than the limit is not read to its end.
pub(super) async fn read(mut response: Response, limit: usize) -> reqwest::Result<Value> {
    let status = response.status().as_u16();
    let media_type = media_type(&response);
    let mut body = Vec::new();
    let mut is_whole = true;
    while let Some(piece) = response.chunk().await? {
        let room = limit - body.len();
        body.extend_from_slice(&piece[..piece.len().min(room)]);
        if piece.len() > room {
            is_whole = false;
            break;
        }
    }
    Ok(match body.is_empty() {
        true => json!({ "status": status }),
        false => of_body(&body, &media_type, is_whole),
    })
}

fn of_body(body: &[u8], media_type: &str, is_whole: bool) -> Value {
    let is_json = media_type == "application/json" || media_type.ends_with("+json");
    let is_text = is_json
        || media_type.is_empty()
        || media_type.starts_with("text/")
        || media_type.ends_with("/xml")
        || media_type.ends_with("+xml");
    if !is_text {
        let size = if is_whole { "bytes" } else { "bytes_at_least" };
        return json!({ "type": "file", "mime": media_type, size: body.len() });
    }
    if is_whole
        && (is_json || media_type.is_empty())
        && let Ok(value) = serde_json::from_slice(body)
    {
        return value;
    }
    let mut text = String::from_utf8_lossy(body).into_owned();
    if !is_whole {
        text.push_str(" [cut]");
    }
    Value::from(text)
}

fn media_type(response: &Response) -> String {
    let value = response.headers().get(CONTENT_TYPE);
    let value = value.and_then(|value| value.to_str().ok()).unwrap_or("");
    let plain = value.split(';').next().unwrap_or("").trim();
    cut(plain.to_ascii_lowercase(), MAX_MEDIA_TYPE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_keep_their_kind() {
        for (body, media_type, is_whole, expected) in [
            ("{\"a\":1}", "application/json", true, json!({ "a": 1 })),
            ("[1]", "application/hal+json", true, json!([1])),
            ("[1]", "", true, json!([1])),
            ("{\"a\"", "application/json", true, json!("{\"a\"")),
            ("{\"a\"", "application/json", false, json!("{\"a\" [cut]")),
            ("[1]", "text/plain", true, json!("[1]")),
            (
                "\u{1}\u{2}",
                "image/png",
                true,
                json!({ "type": "file", "mime": "image/png", "bytes": 2 }),
            ),
            (
                "ab",
                "image/png",
                false,
                json!({ "type": "file", "mime": "image/png", "bytes_at_least": 2 }),
            ),
        ] {
            let value = of_body(body.as_bytes(), media_type, is_whole);
            assert_eq!(value, expected, "{body} {media_type}");
        }
    }
}
