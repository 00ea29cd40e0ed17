//! Takes the code fence off a structured answer.
//!
//! Models that are only told to write JSON, or whose server ignored the schema,
//! like to write it between fences. No JSON begins with one, so nothing that
//! makes sense is lost.

const FENCE: &str = "```";
/// A first line that is longer names no language.
const MAX_LANGUAGE_BYTES: usize = 64;
/// Inside JSON no text holds a bare line end, so this is never a part of it.
const CLOSING: &str = "\n```";

/// Where in the answer the reading is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before anything that tells.
    #[default]
    Before,
    /// In an answer without fence.
    Bare,
    /// Between the fences.
    Inside,
    /// Behind the closing one.
    Behind,
}

/// Text goes in as it comes and out as soon as it is known to be no fence.
#[derive(Default)]
pub(crate) struct Fence {
    place: Place,
    held: String,
}

impl Fence {
    /// What may be shown of the answer after this piece.
    pub(crate) fn open(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        if self.place == Place::Before {
            self.look_at_the_beginning();
        }
        match self.place {
            Place::Before => String::new(),
            Place::Bare => std::mem::take(&mut self.held),
            Place::Inside => self.inside(),
            Place::Behind => {
                self.held.clear();
                String::new()
            }
        }
    }

    /// What is left when the answer has ended.
    pub(crate) fn end(self) -> String {
        match self.place {
            // It only looked like one.
            Place::Before | Place::Bare => self.held,
            // Line ends and the closing fence.
            Place::Inside | Place::Behind => String::new(),
        }
    }

    fn look_at_the_beginning(&mut self) {
        let text = self.held.trim_start();
        if FENCE.starts_with(text) {
            return;
        }
        if !text.starts_with(FENCE) {
            self.place = Place::Bare;
            return;
        }
        // The first line names the language.
        if let Some(end) = text.find('\n') {
            self.place = Place::Inside;
            self.held = text[end + 1..].to_owned();
        } else if text.len() > MAX_LANGUAGE_BYTES {
            self.place = Place::Bare;
        }
    }

    /// Holds back what may turn out to be the closing fence.
    fn inside(&mut self) -> String {
        if let Some(end) = self.held.find(CLOSING) {
            self.place = Place::Behind;
            let rest = std::mem::take(&mut self.held);
            return rest[..end].to_owned();
        }
        let shown = self
            .held
            .trim_end_matches(|c: char| c == '`' || c.is_whitespace())
            .len();
        let held = self.held.split_off(shown);
        std::mem::replace(&mut self.held, held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(pieces: &[&str]) -> String {
        let mut fence = Fence::default();
        let mut text: String = pieces.iter().map(|piece| fence.open(piece)).collect();
        text.push_str(&fence.end());
        text
    }

    #[test]
    fn a_fence_comes_off_however_it_is_cut() {
        for (written, expected) in [
            ("```json\n{\"a\": \"`é`\"}\n```", "{\"a\": \"`é`\"}"),
            ("\n```\n{\n  \"a\": 1\n}\n```\n", "{\n  \"a\": 1\n}"),
            ("```json\r\n{\"a\":1}\n```\n\nThere you are.", "{\"a\":1}"),
            ("```json\n{\"a\":\"```\"}```", "{\"a\":\"```\"}"),
            ("{\"a\":\"```\\n\"}\n", "{\"a\":\"```\\n\"}\n"),
            ("{\"a\":1}", "{\"a\":1}"),
            ("Sorry, no.", "Sorry, no."),
            ("``", "``"),
            ("```", "```"),
            ("", ""),
        ] {
            assert_eq!(opened(&[written]), expected, "{written:?}");
            let characters: Vec<&str> = written.split("").collect();
            assert_eq!(opened(&characters), expected, "{written:?} in characters");
        }
    }

    #[test]
    fn an_answer_without_fence_is_not_held_back() {
        let mut fence = Fence::default();
        assert_eq!(fence.open(" "), "");
        assert_eq!(fence.open("{"), " {");
        assert_eq!(fence.open("\n"), "\n");
    }
}
