//! Dead letters as operators see them, and what operators do with them. Shared by the
//! routes and the command line, so that both show and do the same.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use zupa_core::{
    Content, DeadAttempt, DeadLetter, DeadLetterAct, DeadLetterActed, DeadLetterFilter,
    DeadLetterId, DeadLetterKind, DeadLetterState, DeadLetterView, Desk, RawPayload, Result,
    TenantId, Timestamp,
};

use crate::conversations::{Act, Fault};

/// Longest reason, tag, and other word of an operator's, in characters.
pub(crate) const MAX_CHARS: usize = 255;

/// Longest words of an edit, in characters.
const MAX_TEXT_CHARS: usize = 65_536;

/// Which dead letters, as people spell it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// `inbound` or `delivery`.
    pub kind: Option<String>,
    /// The kind of message: `text`, `media`, …
    #[serde(rename = "type")]
    pub content: Option<String>,
    /// What went wrong: `context_length`, `crashed`, …
    pub class: Option<String>,
    /// What an operator has called it.
    pub tag: Option<String>,
    /// Where it stands.
    pub state: Option<String>,
    /// Whose it is.
    pub tenant: Option<String>,
    /// Its last failure is longer ago: `7d`, `12h`, `30m`, `90s`.
    pub older_than: Option<String>,
    /// Its last failure is no longer ago.
    pub newer_than: Option<String>,
}

impl Wanted {
    /// What is meant, as of `now`; what is wrong with it if nothing is.
    pub fn filter(&self, now: Timestamp) -> std::result::Result<DeadLetterFilter, Fault> {
        let word = |name: &'static str, known: String| (name, "not_allowed", known);
        let kind = self.kind.as_deref().map(|word_| {
            let known = DeadLetterKind::ALL.map(DeadLetterKind::as_str).join("`, `");
            DeadLetterKind::parse(word_).ok_or_else(|| word("kind", format!("one of `{known}`")))
        });
        let state = self.state.as_deref().map(|word_| {
            let known = DeadLetterState::ALL
                .map(DeadLetterState::as_str)
                .join("`, `");
            DeadLetterState::parse(word_).ok_or_else(|| word("state", format!("one of `{known}`")))
        });
        let tenant = self.tenant.as_deref().map(|tenant| {
            TenantId::parse(tenant).map_err(|_| word("tenant", "the id of a tenant".to_owned()))
        });
        Ok(DeadLetterFilter {
            kind: kind.transpose()?,
            content: self.content.clone(),
            class: self.class.clone(),
            tag: self.tag.clone(),
            state: state.transpose()?,
            tenant: tenant.transpose()?,
            failed_before: ago("older_than", self.older_than.as_deref(), now)?,
            failed_from: ago("newer_than", self.newer_than.as_deref(), now)?,
            ended_before: None,
        })
    }
}

/// The time so long before `now`.
fn ago(
    name: &'static str,
    age: Option<&str>,
    now: Timestamp,
) -> std::result::Result<Option<Timestamp>, Fault> {
    let Some(age) = age else {
        return Ok(None);
    };
    let seconds = age.char_indices().next_back().and_then(|(at, unit)| {
        let unit = match unit {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            _ => return None,
        };
        age[..at].parse::<u64>().ok()?.checked_mul(unit)
    });
    let seconds = seconds.ok_or_else(|| {
        let detail = "an age like 90s, 30m, 12h or 7d, since the last failure";
        (name, "malformed", detail.to_owned())
    })?;
    Ok(Some(now.minus(Duration::from_secs(seconds))))
}

/// A page of dead letters, those that gave up first first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetters {
    /// Without what they say.
    pub dead_letters: Vec<DeadLetter>,
    /// What the next page begins behind, if there is one.
    pub next: Option<DeadLetterId>,
}

/// A dead letter with all that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// It.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// Every failure, oldest first.
    pub history: Vec<DeadAttempt>,
    /// What it says, if that was asked for. Customer text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub says: Option<Content>,
    /// The payload that it came in, if that was asked for and is still kept. Customer text.
    #[serde(flatten)]
    pub raw: Option<RawPayload>,
}

impl Shown {
    /// Of what the desk gives.
    pub fn of(view: DeadLetterView, words: Words) -> Self {
        Self {
            letter: view.letter,
            history: view.attempts,
            says: view.content.filter(|_| words == Words::Shown),
            raw: view.raw.filter(|_| words == Words::Shown),
        }
    }
}

/// Whether what a person said is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Words {
    /// It is.
    Shown,
    /// It is not.
    Hidden,
}

/// What has become of an act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dealt {
    /// As it stands now.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// False when there was nothing to do.
    pub changed: bool,
}

/// What has become of an act on one dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, or was before.
    Done(Box<Dealt>),
    /// It cannot be done: code, and a sentence for people.
    Refused(&'static str, String),
    /// There is no such dead letter.
    NotFound,
}

/// What has become of trying many again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retried {
    /// Pending ones that were meant, at most as many as were asked for.
    pub matched: u64,
    /// How many of them are tried again now.
    pub retried: u64,
    /// Those that need a confirmation of their own, or cannot be tried again.
    pub skipped: Vec<DeadLetterId>,
    /// Where to go on: behind this one there are more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<DeadLetterId>,
}

/// Whether anything is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// It is.
    Real,
    /// It is only told what would be.
    Dry,
}

/// What is wrong with an act.
pub fn faults(act: &DeadLetterAct) -> Vec<Fault> {
    let (name, text, most) = match act {
        DeadLetterAct::Edit { text, .. } => ("text", text, MAX_TEXT_CHARS),
        DeadLetterAct::Discard { reason } | DeadLetterAct::Poison { reason } => {
            ("reason", reason, MAX_CHARS)
        }
        DeadLetterAct::Tag(Some(tag)) => ("tag", tag, MAX_CHARS),
        DeadLetterAct::Retry { .. } | DeadLetterAct::Tag(None) | DeadLetterAct::Forget => {
            return Vec::new();
        }
    };
    wrong_words(name, text, most)
}

/// What is wrong with words of an operator's; those of a person, `text`, may have lines.
pub(crate) fn wrong_words(name: &'static str, text: &str, most: usize) -> Vec<Fault> {
    let is_control = |c: char| c.is_control() && (name != "text" || c == '\0');
    if text.trim().is_empty() {
        vec![(name, "empty", "this must not be empty".to_owned())]
    } else if text.chars().count() > most {
        vec![(name, "too_long", format!("at most {most} characters"))]
    } else if text.chars().any(is_control) {
        let detail = "no control characters".to_owned();
        vec![(name, "control_character", detail)]
    } else {
        Vec::new()
    }
}

/// Reads a page of dead letters behind `after`, at most `limit`.
///
/// *Errors*: as [`Desk::dead_letters`].
/// *Cancel safety*: safe.
pub async fn list(
    desk: &dyn Desk,
    filter: &DeadLetterFilter,
    after: Option<DeadLetterId>,
    limit: usize,
) -> Result<DeadLetters> {
    let mut dead_letters = desk
        .dead_letters(filter, after, limit.saturating_add(1))
        .await?;
    let more = dead_letters.len() > limit;
    dead_letters.truncate(limit);
    let last = dead_letters.last().map(|letter| letter.id);
    Ok(DeadLetters {
        dead_letters,
        next: last.filter(|_| more),
    })
}

/// Does something with a dead letter.
///
/// *Errors*: as [`Desk::act_on_dead_letter`].
/// *Cancel safety*: it is done or not; ask again.
pub async fn deal(
    desk: &dyn Desk,
    id: DeadLetterId,
    what: DeadLetterAct,
    act: &Act,
) -> Result<Outcome> {
    let (action, goal, why) = match &what {
        DeadLetterAct::Retry { .. } => ("retried", Some(DeadLetterState::Reprocessing), None),
        DeadLetterAct::Edit { .. } => ("edited", None, None),
        DeadLetterAct::Discard { reason } => {
            ("discarded", Some(DeadLetterState::Discarded), Some(reason))
        }
        DeadLetterAct::Poison { reason } => {
            ("poisoned", Some(DeadLetterState::Poison), Some(reason))
        }
        DeadLetterAct::Tag(_) => ("tagged", None, None),
        DeadLetterAct::Forget => ("forgotten", None, None),
    };
    let why = why.map_or_else(|| id.to_string(), |why| format!("{id}: {why}"));
    let entry = act.entry(&format!("dead_letter.{action}"), Some(why));
    let changed = match desk.act_on_dead_letter(id, what, entry).await? {
        DeadLetterActed::Done { .. } => true,
        DeadLetterActed::Already(state) if goal == Some(state) => false,
        DeadLetterActed::Already(state) => {
            let detail = format!("the dead letter is {} already", state.as_str());
            return Ok(Outcome::Refused("already_dealt_with", detail));
        }
        DeadLetterActed::Unconfirmed => {
            let detail = "an effect that matters was begun, or nobody knows whether it was \
                          sent, or a human has replied since: it may happen twice, so \
                          confirm it";
            return Ok(Outcome::Refused("unconfirmed", detail.to_owned()));
        }
        DeadLetterActed::NotPossible => {
            let detail = "what nobody has said is not tried again, unless it is a reminder, \
                          and neither that nor what the agent has said is edited; nor is \
                          what no door could read, of which there is no other copy";
            return Ok(Outcome::Refused("not_possible", detail.to_owned()));
        }
        DeadLetterActed::NotFound => return Ok(Outcome::NotFound),
    };
    Ok(match desk.dead_letter(id).await? {
        Some(DeadLetterView { letter, .. }) => Outcome::Done(Box::new(Dealt { letter, changed })),
        None => Outcome::NotFound,
    })
}

/// Tries pending ones behind `after` again, at most `limit`, those that gave up first
/// first. What has to be confirmed is left out, and poison is never meant.
///
/// *Errors*: as [`Desk::dead_letters`] and [`Desk::act_on_dead_letter`]; what was tried
/// before one stays so.
/// *Cancel safety*: some are tried again; ask again for the rest.
pub async fn retry_all(
    desk: &dyn Desk,
    filter: &DeadLetterFilter,
    (after, limit): (Option<DeadLetterId>, usize),
    run: Run,
    act: &Act,
) -> Result<(Retried, Vec<DeadLetter>)> {
    let filter = DeadLetterFilter {
        state: Some(DeadLetterState::Pending),
        ..filter.clone()
    };
    let DeadLetters {
        dead_letters: meant,
        next,
    } = list(desk, &filter, after, limit).await?;
    let mut retried = Retried {
        matched: meant.len() as u64,
        next,
        ..Retried::default()
    };
    let mut moved = Vec::new();
    if run == Run::Dry {
        return Ok((retried, moved));
    }
    for letter in meant {
        let again = DeadLetterAct::Retry { confirmed: false };
        match deal(desk, letter.id, again, act).await? {
            Outcome::Done(dealt) if dealt.changed => {
                retried.retried += 1;
                moved.push(dealt.letter);
            }
            _ => retried.skipped.push(letter.id),
        }
    }
    Ok((retried, moved))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_a_number_and_a_unit() {
        let now = Timestamp(86_400_000_000 * 10);
        let ago = |age| ago("older_than", Some(age), now).map_err(|(_, code, _)| code);
        assert_eq!(ago("7d"), Ok(Some(Timestamp(86_400_000_000 * 3))));
        assert_eq!(ago("90s"), Ok(Some(now.minus(Duration::from_secs(90)))));
        for bad in ["", "7", "d", "-1d", "7w", "1é", "99999999999999999999d"] {
            assert_eq!(ago(bad), Err("malformed"), "{bad}");
        }
    }
}
