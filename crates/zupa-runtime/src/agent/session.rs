//! Sessions: stretches of a conversation, and what is remembered of those that ended.

use serde::{Deserialize, Serialize};
use zupa_core::turn::Message;
use zupa_core::{Number, Role, Timestamp};

use super::talk::Entry;

/// Ended sessions that are remembered.
pub(super) const EPISODES: usize = 4;

/// The longest summary, in characters.
const SUMMARY: usize = 400;

/// The longest quotation in a summary that no model has made, in characters.
const QUOTED: usize = 120;

/// How often a model is asked for a summary before the plain one stays.
pub(super) const TRIES: u32 = 3;

/// A stretch of a conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Which, from 1; 0 before the first message.
    pub number: u64,
    /// The number of its first message: what lies before is not in the prompt.
    pub first: Number,
    /// When its newest message was accepted.
    pub last_at: Timestamp,
    /// True once it is over; the next message begins another.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over: bool,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Nobody said anything for long.
    Idle,
    /// The person began anew.
    User,
    /// The model closed it.
    Model,
    /// An operator closed it.
    Operator,
    /// The agent could not help.
    Error,
}

impl EndReason {
    /// Every reason.
    pub const ALL: [Self; 5] = [
        Self::Idle,
        Self::User,
        Self::Model,
        Self::Operator,
        Self::Error,
    ];
    /// What the audit calls the end.
    pub(crate) const ENDED: &str = "session.ended";

    /// The end, for the audit.
    pub(super) fn entry(self) -> Entry {
        (Self::ENDED, self.as_str().to_owned())
    }

    /// The word for the audit.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::User => "user",
            Self::Model => "model",
            Self::Operator => "operator",
            Self::Error => "error",
        }
    }
}

/// A session that ended, in a few words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// Which.
    pub session: u64,
    /// The number of its first message.
    pub first: Number,
    /// The number of the first message that is not part of it any more.
    pub end: Number,
    /// When its newest message was accepted.
    pub at: Timestamp,
    /// Why it ended.
    pub reason: EndReason,
    /// What was said, in short.
    pub summary: String,
    /// How often a model was asked in vain to summarise it; none once one has, or when
    /// none will be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tries: Option<u32>,
}

impl Session {
    /// True while messages belong to it.
    pub fn is_open(&self) -> bool {
        self.number > 0 && !self.over
    }

    /// What is remembered of it, with a plain summary of its lines; nothing if it has
    /// none.
    pub(super) fn remembered(
        &self,
        lines: &[Message],
        end: Number,
        reason: EndReason,
    ) -> Option<Episode> {
        let lines = within(lines, self.first, end);
        let summary = plain(&lines)?;
        Some(Episode {
            session: self.number,
            first: self.first,
            end,
            at: self.last_at,
            reason,
            summary,
            tries: Some(0),
        })
    }
}

impl Episode {
    /// True when a model is to be asked for a better summary.
    pub(super) fn is_wanted(&self) -> bool {
        self.tries.is_some_and(|tries| tries < TRIES)
    }

    /// Takes what a model has made of it, or notes that it could not.
    pub(super) fn summarised(&mut self, summary: Option<String>) {
        match summary.as_deref().map(str::trim) {
            Some(text) if !text.is_empty() => {
                self.summary = clipped(text, SUMMARY);
                self.tries = None;
            }
            _ => self.tries = self.tries.map(|tries| tries + 1),
        }
    }

    /// Its lines among newer ones.
    pub(super) fn lines(&self, lines: &[Message]) -> Vec<Message> {
        let own = within(lines, self.first, self.end);
        own.into_iter().cloned().collect()
    }
}

fn within(lines: &[Message], first: Number, end: Number) -> Vec<&Message> {
    let own = |line: &&Message| line.number >= first && line.number < end;
    lines.iter().filter(own).collect()
}

/// A summary without a model: how it began, and the last that was said.
fn plain(lines: &[&Message]) -> Option<String> {
    let of = |role| move |line: &&&Message| line.role == role;
    let first = lines.iter().find(of(Role::User))?;
    let mut summary = format!("The person began with: {}", clipped(&first.text, QUOTED));
    let last = lines.iter().rev().find(of(Role::Assistant));
    if let Some(last) = last {
        summary += &format!(" — the last answer was: {}", clipped(&last.text, QUOTED));
    }
    Some(summary)
}

fn clipped(text: &str, most: usize) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match one_line.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &one_line[..at]),
        None => one_line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(number: u64, role: Role, text: &str) -> Message {
        Message {
            number: Number(number),
            role,
            text: text.into(),
        }
    }

    #[test]
    fn a_plain_summary_says_how_it_began_and_ended_and_is_bounded() {
        let session = Session {
            number: 2,
            first: Number(3),
            ..Session::default()
        };
        let lines = [
            line(1, Role::User, "of another session"),
            line(3, Role::User, "a\nburger"),
            line(4, Role::Assistant, &"x".repeat(1_000)),
            line(9, Role::User, "of the next one"),
        ];
        let episode = session
            .remembered(&lines, Number(9), EndReason::Idle)
            .unwrap();
        assert!(
            episode
                .summary
                .starts_with("The person began with: a burger — the last")
        );
        assert!(episode.summary.chars().count() < 350);
        assert_eq!(episode.lines(&lines).len(), 2);
        assert!(
            session
                .remembered(&lines[..1], Number(9), EndReason::Idle)
                .is_none()
        );
    }

    #[test]
    fn a_model_is_asked_three_times() {
        let session = Session::default();
        let lines = [line(1, Role::User, "hello")];
        let mut episode = session
            .remembered(&lines, Number(2), EndReason::Idle)
            .unwrap();
        for _ in 0..TRIES {
            assert!(episode.is_wanted());
            episode.summarised(Some("  ".into()));
        }
        assert!(!episode.is_wanted());
        episode.summarised(Some("y".repeat(1_000)));
        assert_eq!(episode.summary.chars().count(), SUMMARY + 1);
        assert!(!episode.is_wanted());
    }
}
