//! How Meta writes a body, and how it signs one.

use std::fmt::Write as _;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// JSON with everything beyond ASCII as lower-case `\uXXXX`, in UTF-16.
pub fn escaped(value: &Value) -> Vec<u8> {
    let text = value.to_string();
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_ascii() {
            out.push(letter);
            continue;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out.into_bytes()
}

/// The value of `X-Hub-Signature-256`: HMAC-SHA256 (RFC 2104) over the raw bytes. Its own,
/// apart from what is tested with it.
pub fn signature(secret: &str, body: &[u8]) -> String {
    let mut key = [0; 64];
    if secret.len() > key.len() {
        key[..32].copy_from_slice(&Sha256::digest(secret));
    } else {
        key[..secret.len()].copy_from_slice(secret.as_bytes());
    }
    let inner = Sha256::new()
        .chain_update(key.map(|byte| byte ^ 0x36))
        .chain_update(body);
    let outer = Sha256::new()
        .chain_update(key.map(|byte| byte ^ 0x5c))
        .chain_update(inner.finalize());
    format!("sha256={}", hex::encode(outer.finalize()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_vectors_of_rfc_4231_hold() {
        assert_eq!(
            signature("Jefe", b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        let long = "\u{7f}".repeat(65);
        assert_ne!(signature(&long, b"x"), signature(&long[..64], b"x"));
    }

    #[test]
    fn everything_beyond_ascii_is_escaped_in_lower_case() {
        let body = escaped(&json!({ "text": "\u{e9}\u{1F600}\"" }));
        assert_eq!(
            String::from_utf8(body).unwrap(),
            r#"{"text":"\u00e9\ud83d\ude00\""}"#
        );
    }
}
