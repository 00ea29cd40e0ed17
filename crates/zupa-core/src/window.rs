//! How long after a person's last word a channel may be spoken through freely.

use std::time::Duration;

use crate::error::ErrorKind;
use crate::time::Timestamp;

/// A platform's reply window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyWindow {
    /// How long it is open after the person's last word, by the platform's time of it.
    pub open_for: Duration,
    /// What becomes of what may not leave any more.
    pub closed: WhenClosed,
}

/// What becomes of a message that may not leave, because the window is closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhenClosed {
    /// It fails, and is shown to an operator as a dead letter.
    #[default]
    Review,
    /// It waits until the person is heard; templates behind it need not.
    Wait {
        /// How long; then it is reviewed.
        at_most: Duration,
    },
    /// It is cancelled.
    Drop,
    /// Its words go into a template of the channel's, if they have at most so many
    /// characters; else it is reviewed.
    Template {
        /// Characters.
        chars: usize,
    },
}

impl ReplyWindow {
    /// The reason of a delivery that waits for the person, or was ended by a closed window:
    /// [`ErrorKind::WindowClosed`] in words.
    pub const REASON: &'static str = "window_closed";

    /// Whether it is open. Of a person who was never heard it is closed.
    pub fn is_open(&self, heard_at: Option<Timestamp>, now: Timestamp) -> bool {
        heard_at.is_some_and(|heard_at| now < heard_at.plus(self.open_for))
    }

    /// What the delivery fails with.
    pub const KIND: ErrorKind = ErrorKind::WindowClosed;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_closes_to_the_second() {
        let window = ReplyWindow {
            open_for: Duration::from_secs(86_400),
            closed: WhenClosed::Review,
        };
        let at = |seconds: i64| Timestamp(seconds * 1_000_000);
        assert!(window.is_open(Some(at(0)), at(86_399)));
        assert!(!window.is_open(Some(at(0)), at(86_400)));
        assert!(!window.is_open(Some(at(0)), at(86_401)));
        assert!(!window.is_open(None, at(0)));
        assert_eq!(ReplyWindow::REASON, ReplyWindow::KIND.as_str());
    }
}
