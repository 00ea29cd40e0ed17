//! The loop guard: two bots that talk to each other, and an agent that wakes itself
//! again and again, stop, and a human hears of it.
//!
//! It looks at what the person sent alone, in the turn's first node, before anything is
//! paid for. A conversation at a person's pace keeps nothing of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use zupa_core::{Claimed, Content, Digest, Timestamp};

/// Turns in a row that came faster than a person writes, and with the one before them
/// make ten.
const QUICK: usize = 9;

/// Equal ones among them that make a loop. Two that alternate are enough, too.
const EQUAL: usize = 3;

/// Nobody reads, thinks and sends in less.
const SEND: Duration = Duration::from_secs(2);

/// Nobody types a character in less.
const TYPE: Duration = Duration::from_millis(100);

/// Turns in a row in which nobody has spoken.
const HOPS: u32 = 10;

/// A reminder that nobody asked for, this long after the turn before, is one for whoever
/// forgets to answer.
const REMINDED: Duration = Duration::from_secs(60 * 60);

/// The same for a wake, which is not the person's wish.
const WOKEN: Duration = Duration::from_secs(60);

/// What a conversation keeps of its pace, for as long as it is no person's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Digests of what came too fast for a person, cut short, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    quick: Vec<u16>,
    /// Turns in which nobody has spoken, and when the last of them came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hops: Option<(u32, Timestamp)>,
}

impl Pace {
    /// True when there is nothing to keep.
    pub(super) fn is_calm(&self) -> bool {
        *self == Self::default()
    }

    /// True when this cannot be a person any more.
    pub(super) fn is_loop(&self) -> bool {
        let equal = |digest: &u16| self.quick.iter().filter(|other| *other == digest).count();
        let echoes = self.quick.len() == QUICK && self.quick.iter().any(|one| equal(one) >= EQUAL);
        echoes || self.hops.is_some_and(|(hops, _)| hops > HOPS)
    }

    /// The pace with the messages of one more turn; the one before came at `last_at`. A
    /// reminder that somebody asked for makes no hop, but what it sets does.
    pub(super) fn after(&self, inbounds: &[Claimed], last_at: Timestamp, asked_for: bool) -> Self {
        let Some(first) = inbounds.first() else {
            return self.clone();
        };
        let at = first.accepted_at;
        if first.content.is_internal() {
            let longest = match first.content {
                Content::Wake { .. } => WOKEN,
                _ => REMINDED,
            };
            let before = self.hops.filter(|(_, last)| at.since(*last) < longest);
            let hops = match (before, asked_for) {
                (Some((hops, _)), true) => hops,
                (Some((hops, _)), false) => hops.saturating_add(1),
                (None, _) => 1,
            };
            return Self {
                quick: self.quick.clone(),
                hops: Some((hops, at)),
            };
        }
        let Some(text) = written(inbounds) else {
            return Self::default();
        };
        let characters = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        if at.since(last_at) >= SEND.saturating_add(TYPE.saturating_mul(characters)) {
            return Self::default();
        }
        let mut quick = self.quick.clone();
        quick.push(short(&text));
        let surplus = quick.len().saturating_sub(QUICK);
        quick.drain(..surplus);
        Self { quick, hops: None }
    }
}

/// What was written, if all of it was: pictures come by the dozen.
fn written(inbounds: &[Claimed]) -> Option<String> {
    let texts = inbounds.iter().map(|inbound| match &inbound.content {
        Content::Text { text } => Some(text.trim().to_lowercase()),
        Content::InteractiveReply { choice, .. } => Some(choice.clone()),
        _ => None,
    });
    Some(texts.collect::<Option<Vec<_>>>()?.join("\n"))
}

/// As much of a digest as tells nine texts apart.
fn short(text: &str) -> u16 {
    let Digest([one, other, ..]) = Digest::of(text.as_bytes());
    u16::from_be_bytes([one, other])
}

#[cfg(test)]
mod tests {
    use zupa_core::{Coming, EventId, Number, Wake};

    use super::*;

    const START: Timestamp = Timestamp(1_767_225_600_000_000);

    fn claimed(content: Content, at: Timestamp) -> Claimed {
        Claimed {
            event: EventId(uuid::Uuid::nil()),
            number: Number(1),
            accepted_at: at,
            content,
            speaker: None,
            coming: Coming::New,
        }
    }

    /// The turn at which it is a loop, if texts come at this distance.
    fn stops(texts: &[&str], gap: Duration) -> Option<usize> {
        let (mut pace, mut last_at) = (Pace::default(), Timestamp(0));
        for (turn, text) in (1..).zip(texts) {
            let at = START.plus(gap * turn);
            pace = pace.after(&[claimed(Content::text(*text), at)], last_at, false);
            last_at = at;
            if pace.is_loop() {
                return Some(turn as usize);
            }
        }
        None
    }

    #[test]
    fn what_repeats_faster_than_a_person_writes_stops_at_the_tenth_turn() {
        const SECOND: Duration = Duration::from_secs(1);
        assert_eq!(stops(&["How can I help you?"; 30], SECOND), Some(10));
        assert_eq!(stops(&["ping", "Pong "].repeat(15), SECOND), Some(10));
        let long = "Thank you for your message, we will answer it soon.";
        assert_eq!(stops(&[long; 30], 6 * SECOND), Some(10));
        // A person at a person's pace may say the same as often as they like.
        assert_eq!(stops(&["ok"; 50], 3 * SECOND), None);
        assert_eq!(stops(&[long; 50], 60 * SECOND), None);
        // What is fast and new each time is a feed, or a test of load.
        let texts: Vec<String> = (0..50).map(|place| format!("message {place}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        assert_eq!(stops(&texts, SECOND / 10), None);
    }

    #[test]
    fn pictures_that_come_together_are_no_loop() {
        let picture = Content::Media {
            mime: "image/jpeg".into(),
            handle: "h".into(),
            caption: None,
            filename: None,
            bytes: None,
            sha256: None,
        };
        let mut pace = Pace::default();
        for _ in 0..30 {
            pace = pace.after(&[claimed(picture.clone(), START)], START, false);
            assert!(pace.is_calm());
        }
    }

    #[test]
    fn turns_in_which_nobody_speaks_end_after_ten() {
        let wake = Content::Wake { why: Wake::Due };
        let hop = |pace: &Pace, at| pace.after(&[claimed(wake.clone(), at)], START, false);
        let mut pace = Pace::default();
        for turn in 1..=11 {
            assert!(!pace.is_loop(), "{turn}");
            pace = hop(&pace, START.plus(Duration::from_secs(turn)));
        }
        assert!(pace.is_loop());
        // Whoever says something begins anew, and so does a wake of its own time.
        let said = claimed(Content::text("hello"), START.plus(REMINDED));
        assert!(pace.after(&[said], START, false).is_calm());
        let later = hop(&pace, START.plus(REMINDED));
        assert!(!later.is_loop());
    }

    #[test]
    fn what_is_kept_is_small_and_nothing_at_a_persons_pace() {
        let mut pace = Pace::default();
        for _ in 0..50 {
            pace = pace.after(&[claimed(Content::text("hi"), START)], START, false);
        }
        assert!(serde_json::to_string(&pace).unwrap().len() <= 70);
        let calm = pace.after(&[claimed(Content::text("hi"), START)], Timestamp(0), false);
        assert_eq!(serde_json::to_string(&calm).unwrap(), "{}");
    }
}
