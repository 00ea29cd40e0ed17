//! Voice messages, and agents that hear.

use std::sync::Arc;

use zupa_core::{Content, Inbound, Media};
use zupa_testkit::Ear;

use super::world::{Setup, inbound};

/// A voice message of these words, which are its id and its handle, too.
pub fn voice(setup: &Setup, who: &str, words: &str) -> Inbound {
    let media = Media {
        mime: "audio/ogg; codecs=opus".into(),
        bytes: words.into(),
    };
    setup.door().hold(words, Ok(media));
    unfetched(who, words)
}

/// One whose bytes nobody holds.
fn unfetched(who: &str, handle: &str) -> Inbound {
    Inbound {
        content: Content::Media {
            mime: "audio/ogg; codecs=opus".into(),
            handle: handle.into(),
            caption: None,
            filename: None,
            bytes: None,
            sha256: None,
        },
        ..inbound(who, handle, "")
    }
}

impl Setup {
    /// With an agent that hears.
    pub fn hearing(mut self) -> (Self, Arc<Ear>) {
        let ear = Arc::new(Ear::default());
        self.agent = self.agent.hears(ear.clone());
        (self, ear)
    }
}
