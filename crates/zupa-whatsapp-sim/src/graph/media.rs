//! Media: uploaded by businesses or sent by people, found by id, fetched by an address that
//! expires.

use std::collections::HashMap;

use hyper::body::Bytes;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::Answer;
use super::multipart::parts;
use super::refusal::{Refusal, missing};
use crate::shared::Shared;

/// All media, by id.
#[derive(Debug, Default)]
pub(crate) struct Media {
    pieces: HashMap<String, Piece>,
    /// Which piece an address leads to, and until when.
    addresses: HashMap<String, (String, Instant)>,
}

#[derive(Debug)]
struct Piece {
    mime: String,
    bytes: Bytes,
    sha256: String,
}

impl Media {
    /// Returns the digest, in hex.
    pub(crate) fn keep(&mut self, id: String, mime: &str, bytes: Vec<u8>) -> String {
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let piece = Piece {
            mime: mime.to_owned(),
            bytes: bytes.into(),
            sha256: sha256.clone(),
        };
        self.pieces.insert(id, piece);
        sha256
    }

    pub(crate) fn knows(&self, id: &str) -> bool {
        self.pieces.contains_key(id)
    }
}

/// `POST /{version}/{phone_number_id}/media`.
pub(super) fn upload(shared: &Shared, content_type: Option<&str>, body: &[u8]) -> Answer {
    let Some(parts) = content_type.and_then(|content_type| parts(content_type, body)) else {
        return Answer::refused(&Refusal::new(100, "the body is no multipart/form-data"));
    };
    let part = |name: &str| parts.iter().find(|part| part.name == name);
    if part("messaging_product").is_none_or(|part| part.bytes != b"whatsapp") {
        return Answer::refused(&missing("messaging_product"));
    }
    let Some(file) = part("file") else {
        return Answer::refused(&missing("file"));
    };
    let kind = part("type").and_then(|part| std::str::from_utf8(part.bytes).ok());
    let Some(mime) = file.content_type.or(kind) else {
        return Answer::refused(&missing("type"));
    };
    let mut world = shared.world();
    let id = world.new_id().to_string();
    world.media.keep(id.clone(), mime, file.bytes.to_vec());
    Answer::Json(200, json!({ "id": id }))
}

/// `GET /{version}/{media_id}`: an address, good for some minutes.
pub(super) fn look(shared: &Shared, id: &str) -> Answer {
    let mut world = shared.world();
    let (nth, until) = (world.new_id(), Instant::now() + world.limits.media_address);
    let Some(piece) = world.media.pieces.get(id) else {
        return Answer::refused(&Refusal::new(100, "there is no media with this id"));
    };
    let token = format!("{id}-{nth}");
    let found = json!({
        "messaging_product": "whatsapp",
        "id": id,
        "url": format!("{}/media/{token}", shared.address),
        "mime_type": piece.mime,
        "sha256": piece.sha256,
        "file_size": piece.bytes.len(),
    });
    let lead = (id.to_owned(), until);
    world.media.addresses.insert(token, lead);
    Answer::Json(200, found)
}

/// `GET` of such an address.
pub(super) fn download(shared: &Shared, token: &str) -> Answer {
    let world = shared.world();
    let good = world.media.addresses.get(token);
    let good = good.filter(|(_, until)| Instant::now() < *until);
    match good.and_then(|(id, _)| world.media.pieces.get(id)) {
        Some(piece) => Answer::Bytes {
            mime: piece.mime.clone(),
            bytes: piece.bytes.clone(),
        },
        None => Answer::Empty(404),
    }
}
