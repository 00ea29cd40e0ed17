//! The agent: replies are typed cards, vocabulary is its state, reminders are timers.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zupa::core::{Effect, Reminder, Result, ToolContext, ToolOutput};
use zupa::runtime::{Agent, tool};

const PROMPT: &str = "You teach Portuguese and English. You correct kindly, on cards.";

/// What the tutor says: always a card.
#[derive(Debug, Deserialize, JsonSchema)]
struct Card {
    /// What the learner reads.
    text: String,
    /// The corrected sentence, if there was something to correct.
    correction: Option<String>,
}

impl Card {
    fn said(self) -> String {
        match self.correction {
            Some(correction) => format!("{} → {correction}", self.text),
            None => self.text,
        }
    }
}

/// What is kept of a learner.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Learner {
    words: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Word {
    word: String,
    meaning: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Soon {
    /// In how many milliseconds.
    millis: u64,
}

/// The tutor.
pub fn agent() -> Agent {
    Agent::new("tutor", PROMPT)
        .replies(Card::said)
        .tool(tool("learn", "Keeps a word.", Effect::IDEMPOTENT, learn).into_tool())
        .tool(
            tool(
                "remind",
                "Reminds of all words.",
                Effect::IDEMPOTENT,
                remind,
            )
            .into_tool(),
        )
}

async fn learn(word: Word, cx: ToolContext) -> Result<ToolOutput> {
    let mut learner: Learner = cx.state_as()?;
    learner.words.insert(word.word, word.meaning);
    let known = match learner.words.len() {
        1 => "1 word".to_owned(),
        count => format!("{count} words"),
    };
    ToolOutput::of(known).keeping(&cx, &learner)
}

async fn remind(soon: Soon, cx: ToolContext) -> Result<ToolOutput> {
    let learner: Learner = cx.state_as()?;
    let words: Vec<_> = learner.words.into_keys().collect();
    let mut set = ToolOutput::of("set");
    let due_at = cx.at.plus(Duration::from_millis(soon.millis));
    set.remind.push(Reminder::once(due_at, words.join(", ")));
    Ok(set)
}
