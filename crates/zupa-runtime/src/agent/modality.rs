//! Whether an answer is spoken or written.

use zupa_core::{Claimed, Content};

/// The longest answer that [`Modality::Dynamic`] speaks, in characters: about half a
/// minute.
const SPOKEN_CHARS: usize = 400;

/// How an agent that can speak answers. A channel that carries no voice is written to,
/// whatever stands here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Modality {
    /// It always writes.
    Text,
    /// It always speaks.
    Voice,
    /// It speaks to whoever spoke: the newest message of the turn that is no reaction
    /// is a voice message. A turn that goes on after an operator's decision or a timer
    /// has none, and is written.
    #[default]
    Mirror,
    /// It speaks what can be listened to, whatever the person did: at most 400
    /// characters, without a list, a link, a table or code.
    Dynamic,
}

impl Modality {
    /// True if an answer to these messages is spoken.
    pub(super) fn speaks(self, answer: &str, to: &[Claimed]) -> bool {
        match self {
            Self::Text => false,
            Self::Voice => true,
            Self::Mirror => to
                .iter()
                .rfind(|inbound| !matches!(inbound.content, Content::Reaction { .. }))
                .is_some_and(|inbound| is_voice(&inbound.content)),
            Self::Dynamic => can_be_listened_to(answer),
        }
    }
}

/// True for what a person has said aloud.
pub(super) fn is_voice(content: &Content) -> bool {
    matches!(content, Content::Media { mime, .. } if is_audio(mime))
}

fn is_audio(mime: &str) -> bool {
    let kind = mime.trim().split('/').next().unwrap_or_default();
    kind.eq_ignore_ascii_case("audio")
}

fn can_be_listened_to(answer: &str) -> bool {
    let has = |sign: &str| answer.contains(sign);
    answer.chars().count() <= SPOKEN_CHARS
        && !["://", "www.", "```"].into_iter().any(has)
        && !answer.lines().any(is_row)
}

/// True for a line of a list or a table.
fn is_row(line: &str) -> bool {
    let line = line.trim_start();
    let after_number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_numbered = after_number.len() < line.len()
        && [". ", ") "]
            .iter()
            .any(|sign| after_number.starts_with(sign));
    let is_marked = ["- ", "* ", "+ ", "• ", "– ", "|"]
        .iter()
        .any(|sign| line.starts_with(sign));
    is_numbered || is_marked
}

#[cfg(test)]
mod tests {
    use zupa_core::{Coming, EventId, Ids, Number, Timestamp};

    use super::*;
    use crate::system::SystemIds;

    fn claimed(content: Content) -> Claimed {
        Claimed {
            event: EventId(SystemIds.fresh()),
            number: Number(1),
            accepted_at: Timestamp(0),
            content,
            speaker: None,
            coming: Coming::New,
        }
    }

    fn voice(mime: &str) -> Claimed {
        claimed(Content::Media {
            mime: mime.into(),
            handle: "h".into(),
            caption: None,
            filename: None,
            bytes: None,
            sha256: None,
        })
    }

    #[test]
    fn dynamic_speaks_what_can_be_listened_to() {
        for (answer, spoken) in [
            ("We open at nine.", true),
            ("1.5 kilos, - give or take - for 3) people", true),
            ("*Soup* is out.", true),
            (&"é".repeat(400), true),
            (&"é".repeat(401), false),
            ("We have:\n- soup\n- salad", false),
            ("  * soup", false),
            ("• soup", false),
            ("1. soup\n2. salad", false),
            ("12) soup", false),
            ("See https://example.com", false),
            ("See www.example.com", false),
            ("| a | b |", false),
            ("Type ```ls```", false),
        ] {
            assert_eq!(Modality::Dynamic.speaks(answer, &[]), spoken, "{answer}");
        }
    }

    #[test]
    fn mirror_speaks_to_whoever_spoke_last() {
        let text = || claimed(Content::text("hi"));
        let reaction = || {
            claimed(Content::Reaction {
                to: "m".into(),
                emoji: "👍".into(),
            })
        };
        for (to, spoken) in [
            (vec![], false),
            (vec![text()], false),
            (vec![voice("audio/ogg; codecs=opus")], true),
            (vec![voice("Audio/MPEG")], true),
            (vec![voice("video/mp4")], false),
            (vec![text(), voice("audio/ogg")], true),
            (vec![voice("audio/ogg"), text()], false),
            (vec![voice("audio/ogg"), reaction()], true),
        ] {
            assert_eq!(Modality::Mirror.speaks("a", &to), spoken, "{to:?}");
            assert!(Modality::Voice.speaks("a", &to) && !Modality::Text.speaks("a", &to));
        }
    }
}
