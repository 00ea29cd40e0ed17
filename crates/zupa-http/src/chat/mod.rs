//! The web chat: [`post()`] takes messages in, [`events()`] shows what is
//! committed and what is passing.

mod events;
mod frame;
mod message;
mod post;

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts as RequestParts;
use serde::Deserialize;
use zupa_core::id::MAX_ID_CHARS;
use zupa_core::{Address, Alias, Channel};

use crate::parts::Shared;
use crate::problem::{Fault, Problem};
use crate::web_chat::WebChat;

pub(crate) use events::events;
pub(crate) use post::post;

/// The conversation that a path names, at a chat that exists.
#[derive(Debug)]
pub(crate) struct Door {
    chat: WebChat,
    address: Address,
}

#[derive(Deserialize)]
struct Names {
    channel: Option<String>,
    conversation: String,
}

impl FromRequestParts<Arc<Shared>> for Door {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut RequestParts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Problem> {
        let Path(names): Path<Names> =
            Path::from_request_parts(parts, shared)
                .await
                .map_err(|_: PathRejection| {
                    Problem::new(
                        StatusCode::BAD_REQUEST,
                        "invalid_path",
                        "the path is not UTF-8",
                    )
                })?;
        let chat = shared.chat(names.channel.as_deref()).ok_or_else(|| {
            Problem::new(
                StatusCode::NOT_FOUND,
                "unknown_channel",
                "there is no such web chat",
            )
        })?;
        Ok(Self {
            address: Address {
                tenant: chat.tenant().clone(),
                channel: chat.id().clone(),
                alias: conversation(names.conversation)?,
            },
            chat: chat.clone(),
        })
    }
}

fn conversation(name: String) -> Result<Alias, Problem> {
    if name.trim().is_empty() {
        return Err(empty_conversation());
    }
    if name.chars().any(char::is_control) {
        return Err(invalid_conversation(
            "control_character",
            "a conversation has no control characters in its name".to_owned(),
        ));
    }
    Alias::parse(name).map_err(|_| {
        invalid_conversation(
            "too_long",
            format!("a conversation has at most {MAX_ID_CHARS} characters in its name"),
        )
    })
}

pub(crate) fn empty_conversation() -> Problem {
    invalid_conversation("empty", "a conversation needs a name".to_owned())
}

fn invalid_conversation(code: &'static str, detail: String) -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "invalid_conversation",
        detail.clone(),
    )
    .with_errors(vec![Fault {
        pointer: "/conversation".to_owned(),
        place: "path",
        code,
        detail,
    }])
}
