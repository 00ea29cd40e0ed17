//! What the agent says by itself, and what counts as yes and no, in a language.

use serde::Deserialize;
use zupa_core::{Error, Result};

/// What is said of a voice message where a language has no words for it.
const ASK_FOR_TEXT: &str = "I could not understand your voice message. Please write it to me.";

/// The words of a language, from a TOML file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Language {
    /// When a message was given up.
    pub fallback: String,
    /// When somebody has written more than is answered; empty says nothing.
    #[serde(default)]
    pub overload: String,
    /// When the model's provider fails and the answer has to wait; empty says nothing.
    #[serde(default)]
    pub model_down: String,
    /// When a voice message was not understood; empty takes the English one, since a
    /// turn is never without a word.
    pub ask_for_text: String,
    /// When an operator has to approve something; empty says nothing.
    pub approval_asked: String,
    /// When nobody knows whether something took place and an operator is asked; empty says
    /// nothing.
    #[serde(default)]
    pub review_asked: String,
    /// In front of a question that was not answered with yes or no.
    pub yes_or_no: String,
    /// In front of the list of commands.
    pub help: String,
    /// When a command is unknown or misused; `{command}` stands for it.
    pub bad_command: String,
    /// When a command is not for this person.
    pub forbidden_command: String,
    /// After `/reset`.
    pub reset: String,
    /// When a human was asked to take the conversation over; empty says nothing.
    #[serde(default)]
    pub human_asked: String,
    /// When no human has come; empty says nothing.
    #[serde(default)]
    pub nobody_free: String,
    /// What `/help` does.
    pub help_of_help: String,
    /// What `/reset` does.
    pub help_of_reset: String,
    /// What `/human` does.
    #[serde(default)]
    pub help_of_human: String,
    /// Words that agree.
    pub yes: Vec<String>,
    /// Words that do not.
    pub no: Vec<String>,
    /// Words that mean nothing beside a yes.
    #[serde(default)]
    pub fillers: Vec<String>,
    /// What operators are told who decide by chat; without it, the English words.
    #[serde(default = "english_reviews")]
    pub reviews: ReviewWords,
}

/// What operators are told who decide by chat. `{id}` stands for the review, `{by}` for
/// who decided or has claimed it, `{until}` for the end of the claim.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReviewWords {
    /// They have approved it.
    pub approved: String,
    /// They have rejected it.
    pub rejected: String,
    /// It was approved before.
    pub approved_before: String,
    /// It was rejected before.
    pub rejected_before: String,
    /// Its time is over, or nobody needs it any more.
    pub over: String,
    /// Somebody else has claimed it.
    pub claimed: String,
    /// There is no such review.
    pub unknown: String,
    /// Their note is too long; `{most}` stands for its most characters.
    pub note_too_long: String,
    /// They have decided in one of several messages that came together.
    pub among_others: String,
    /// What `/approve` does.
    pub help_of_approve: String,
    /// What `/reject` does.
    pub help_of_reject: String,
}

fn english_reviews() -> ReviewWords {
    Language::english().reviews
}

/// What an answer to a question means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Yes,
    No,
    Unclear(String),
}

impl Language {
    /// English.
    pub fn english() -> Self {
        Self::built_in(include_str!("words/en.toml"))
    }

    /// Portuguese.
    pub fn portuguese() -> Self {
        Self::built_in(include_str!("words/pt.toml"))
    }

    /// By its code: `en` or `pt`.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`] for any other.
    pub fn named(code: &str) -> Result<Self> {
        match code {
            "en" => Ok(Self::english()),
            "pt" => Ok(Self::portuguese()),
            _ => Err(
                Error::invalid("there is no such language: en and pt are built in")
                    .with("language", code),
            ),
        }
    }

    /// Reads a language file.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`] for what is not such a file.
    pub fn parse(toml: &str) -> Result<Self> {
        toml::from_str(toml).map_err(|source| {
            Error::invalid("the language file cannot be read").with_source(source)
        })
    }

    /// What a person's messages mean as an answer to a question. Yes is nothing but words
    /// that agree and words that mean nothing, in all of them; a first word that does not
    /// agree is a no in any of them; everything else is unclear.
    pub(super) fn answer<'a>(&self, said: impl IntoIterator<Item = &'a str>) -> Answer {
        let (mut agreed, mut whole) = (true, String::new());
        for text in said {
            match self.one_answer(text) {
                Answer::No => return Answer::No,
                Answer::Yes => {}
                Answer::Unclear(_) => agreed = false,
            }
            whole = format!("{whole} {text}");
        }
        match whole.trim() {
            "" => Answer::Unclear(String::new()),
            _ if agreed => Answer::Yes,
            whole => Answer::Unclear(whole.chars().take(500).collect()),
        }
    }

    fn one_answer(&self, said: &str) -> Answer {
        let lower = said.to_lowercase();
        let words: Vec<&str> = lower
            .split(|c: char| !c.is_alphanumeric() && c != '👍' && c != '👎')
            .filter(|word| !word.is_empty())
            .collect();
        let is = |list: &[String], word: &str| list.iter().any(|known| known == word);
        let asks = said.contains('?');
        let first_is_no = words.first().is_some_and(|first| is(&self.no, first));
        let agrees = words.iter().any(|word| is(&self.yes, word));
        let nothing_else = |word: &&str| is(&self.yes, word) || is(&self.fillers, word);
        if first_is_no && !asks && words.len() <= 6 && !agrees {
            Answer::No
        } else if agrees && !asks && words.iter().all(nothing_else) {
            Answer::Yes
        } else {
            Answer::Unclear(said.to_owned())
        }
    }

    /// What asks for a text in place of a voice message: never empty.
    pub(super) fn ask_for_text(&self) -> &str {
        match self.ask_for_text.trim() {
            "" => ASK_FOR_TEXT,
            text => text,
        }
    }

    fn built_in(toml: &str) -> Self {
        // A test reads both.
        Self::parse(toml).unwrap_or_else(|_| Self::empty())
    }

    fn empty() -> Self {
        let none = String::new;
        Self {
            fallback: none(),
            overload: none(),
            model_down: none(),
            ask_for_text: none(),
            approval_asked: none(),
            review_asked: none(),
            yes_or_no: none(),
            help: none(),
            bad_command: none(),
            forbidden_command: none(),
            reset: none(),
            human_asked: none(),
            nobody_free: none(),
            help_of_help: none(),
            help_of_reset: none(),
            help_of_human: none(),
            yes: Vec::new(),
            no: Vec::new(),
            fillers: Vec::new(),
            reviews: ReviewWords::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_can_be_read() {
        for code in ["en", "pt"] {
            let language = Language::named(code).unwrap();
            assert!(
                !language.yes.is_empty()
                    && !language.fallback.is_empty()
                    && !language.ask_for_text.is_empty()
                    && !language.reviews.approved.is_empty(),
                "{code}"
            );
        }
        assert!(Language::named("xx").is_err());
    }

    #[test]
    fn there_are_always_words_for_what_was_not_understood() {
        let mut language = Language::english();
        assert_eq!(language.ask_for_text(), ASK_FOR_TEXT);
        language.ask_for_text = " ".into();
        assert_eq!(language.ask_for_text(), ASK_FOR_TEXT);
        assert_ne!(Language::portuguese().ask_for_text(), ASK_FOR_TEXT);
    }

    #[test]
    fn yes_no_and_anything_else_are_told_apart() {
        let (en, pt) = (Language::english(), Language::portuguese());
        for said in ["Yes", "yes, please!", "OK", "sure", "👍"] {
            assert_eq!(en.answer([said]), Answer::Yes, "{said}");
        }
        for said in ["no", "No, thanks", "cancel", "👎"] {
            assert_eq!(en.answer([said]), Answer::No, "{said}");
        }
        for said in [
            "",
            "maybe",
            "ok how much is it",
            "sure, but without onions",
            "right now I am busy",
            "yes wait",
            "ok later",
            "yeah never mind",
            "yes and no",
            "how much is it with the yes burger and no fries",
            "what is the right price?",
            "is that ok?",
            "ok?",
            "the right one, please",
            "[reaction: 👍]",
        ] {
            assert!(matches!(en.answer([said]), Answer::Unclear(_)), "{said}");
        }
        assert_eq!(pt.answer(["Sim, pode ser"]), Answer::Yes);
        assert_eq!(pt.answer(["não"]), Answer::No);
    }
}
