//! Reminders: what a timer that belongs to no parked turn brings back, and when it comes
//! again.

use chrono::{DateTime, Utc};
use croner::Cron;
use serde::{Deserialize, Serialize};
use tracing::warn;
use zupa_core::{Coming, Content, Error, NewWait, Reminder, Result, Timestamp, WaitId, WaitKind};

use crate::turn::Run;

/// What a timer brings back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reminded {
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
    /// Set by a turn that nobody had spoken in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unasked: bool,
}

impl Reminded {
    pub(crate) fn of(reminder: &Reminder, unasked: bool) -> Self {
        Self {
            text: reminder.text.clone(),
            every: reminder.every.clone(),
            unasked,
        }
    }

    /// The timer that brings it back.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`] for what is no JSON.
    pub(crate) fn timer(&self, id: WaitId, due_at: Timestamp) -> Result<NewWait> {
        let payload = serde_json::to_string(self)
            .map_err(|source| Error::invalid("a reminder is not JSON").with_source(source))?;
        Ok(NewWait {
            id,
            kind: WaitKind::Timer,
            subject: "null".into(),
            payload,
            resume: None,
            expires_at: Some(due_at),
        })
    }

    /// When it comes again after `now`, if it does.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`] for a pattern that is none, or that
    /// never comes.
    pub(crate) fn next(&self, now: Timestamp) -> Result<Option<Timestamp>> {
        self.every
            .as_deref()
            .map(|every| after(every, now))
            .transpose()
    }
}

/// What a timer without a parked turn brings back.
pub(crate) fn reminder(run: &Run) -> Option<Reminded> {
    let first = run.turn.inbounds.first()?;
    let wait = run.turn.waits.first()?;
    let timer = matches!(first.content, Content::Settled { .. }) && wait.opened.resume.is_none();
    if !timer {
        return None;
    }
    serde_json::from_str(&wait.opened.payload).ok()
}

/// True for a turn in which nobody has spoken: a wake, a reminder that is due, or what goes
/// on for a turn of these and not by a word of the person.
pub(crate) fn nobody_spoke(run: &Run) -> bool {
    let first = run.turn.inbounds.first().map(|first| &first.content);
    match first {
        Some(Content::Wake { .. }) => true,
        Some(Content::Settled { .. }) => reminder(run).is_some() || goes_on_unasked(run),
        _ => false,
    }
}

/// True for a turn that goes on for one that was parked, in which nobody had spoken.
fn goes_on_unasked(run: &Run) -> bool {
    #[derive(Deserialize)]
    struct Parked {
        #[serde(default)]
        unasked: bool,
    }
    let waits = run.turn.waits.iter();
    let mut parked = waits.filter(|wait| wait.opened.resume.is_some());
    let payload = parked.next().map(|wait| wait.opened.payload.as_str());
    let parked = payload.and_then(|payload| serde_json::from_str::<Parked>(payload).ok());
    parked.is_some_and(|parked| parked.unasked)
}

/// The next time of the reminder that the turn is about, if it comes again. It is set by the
/// turn's end, whatever that is; one that is tried again has set it when it was given up.
pub(crate) fn reminds_again(run: &Run) -> Option<NewWait> {
    let coming = run.turn.inbounds.first()?.coming;
    let reminded = reminder(run).filter(|_| coming != Coming::Redriven)?;
    let next = reminded.next(run.at()).and_then(|due_at| {
        let timer = |due_at| reminded.timer(WaitId(run.path.ids.fresh()), due_at);
        due_at.map(timer).transpose()
    });
    next.unwrap_or_else(|error| {
        warn!(turn_id = %run.turn.turn, %error, "a reminder does not come again");
        None
    })
}

/// Whether a reminder can be set.
///
/// *Errors*: [`zupa_core::ErrorKind::Invalid`] for a time that is over, or a pattern that is
/// none.
pub(crate) fn check(reminder: &Reminder, now: Timestamp) -> Result<()> {
    if let Some(every) = &reminder.every {
        after(every, reminder.due_at)?;
    }
    match reminder.due_at <= now {
        true => Err(Error::invalid(
            "the reminder is due in the past and was not set",
        )),
        false => Ok(()),
    }
}

/// The first time of a pattern after `now`.
///
/// *Errors*: as [`Reminded::next`].
pub(crate) fn after(pattern: &str, now: Timestamp) -> Result<Timestamp> {
    let wrong = |source: croner::errors::CronError| {
        Error::invalid("a reminder's pattern is no cron pattern, or never comes")
            .with("pattern", pattern)
            .with_source(source)
    };
    let cron: Cron = pattern.parse().map_err(wrong)?;
    let now: DateTime<Utc> = DateTime::from_timestamp_micros(now.0)
        .ok_or_else(|| Error::invalid("a time that no calendar has"))?;
    let next = cron.find_next_occurrence(&now, false).map_err(wrong)?;
    Ok(Timestamp(next.timestamp_micros()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01 00:00:00 UTC, a Thursday.
    const NEW_YEAR: Timestamp = Timestamp(1_767_225_600_000_000);

    #[test]
    fn a_pattern_comes_again_and_nonsense_is_refused() {
        let at = |pattern| after(pattern, NEW_YEAR).unwrap().to_string();
        assert!(at("30 9 * * *").starts_with("2026-01-01T09:30:00"));
        assert!(at("0 9 * * 1").starts_with("2026-01-05T09:00:00"));
        assert!(
            at("0 0 1 * *").starts_with("2026-02-01T00:00:00"),
            "after, not at"
        );
        for nonsense in ["", "daily", "61 * * * *", "* * * *", "0 0 30 2 *"] {
            assert!(after(nonsense, NEW_YEAR).is_err(), "{nonsense}");
        }
    }
}
