//! Node `resolve_content`: what the person said, in words.
//!
//! *Arrives*: the claimed messages, voice among them.
//! *Leaves*: a line for each. If nothing but voice came and none of it was understood,
//! the turn ends and asks for text; if there is something else, that is answered, and
//! a side message asks for the rest.
//! *If the process dies here*: what was transcribed is not paid again, and what was not
//! understood is not tried again.

use std::sync::Arc;

use async_trait::async_trait;
use zupa_core::{Claimed, Content, Number, Outbound, Transcriber};

use super::hear::{Heard, hear};
use super::modality::is_voice;
use super::talk::Came;
use super::{AgentTurn, Parts, Update};
use crate::graph::{Ending, Move, Node};
use crate::remind::reminder;
use crate::turn::{Cx, Stop};

/// The line of a voice message that was not understood.
const UNHEARD: &str = "[a voice message that could not be understood]";

pub(super) struct ResolveContent(pub Arc<Parts>);

/// The messages of a turn, in words.
#[derive(Default)]
struct Resolved {
    lines: Vec<String>,
    /// Something of it can be answered.
    answerable: bool,
    /// Something of it was not understood.
    unheard: bool,
    /// What was heard in voice, by the messages' numbers.
    heard: Vec<(Number, String)>,
}

#[async_trait]
impl Node<AgentTurn> for ResolveContent {
    async fn run(&self, _: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        let turn = cx.run.turn.clone();
        let range = (turn.first(), turn.last());
        // A reminder that has come due is one line.
        if let Some(reminded) = reminder(&cx.run) {
            cx.remind_again(&reminded)?;
            let text = reminded.text;
            let lines = vec![format!("[a reminder that was set is due now: {text}]")];
            let heard = Vec::new();
            return Ok(Move::to("recall").with(Update::Input {
                lines,
                range,
                heard,
            }));
        }
        let Resolved {
            lines,
            answerable,
            unheard,
            heard,
        } = self.resolve(cx).await?;
        let language = &self.0.agent.language;
        if unheard && !answerable {
            let ask = Outbound::reply(language.ask_for_text());
            let fallback = Update::Came(Came::ToFallback);
            return Ok(Move::end(Ending::Answer(vec![ask])).with(fallback));
        }
        if unheard {
            cx.say(language.ask_for_text()).await?;
        }
        Ok(Move::to("recall").with(Update::Input {
            lines,
            range,
            heard,
        }))
    }
}

impl ResolveContent {
    async fn resolve(&self, cx: &mut Cx) -> Result<Resolved, Stop> {
        let claimed = cx.run.turn.clone();
        let mut resolved = Resolved::default();
        let mut down = false;
        for (place, inbound) in claimed.inbounds.iter().enumerate() {
            let content = &inbound.content;
            let ear = self.0.agent.transcriber.as_deref();
            let Some(ear) = ear.filter(|_| is_voice(content)) else {
                resolved.read(content);
                continue;
            };
            // Whoever is down would let every message wait for its own timeout.
            if down {
                resolved.not_understood();
                continue;
            }
            match Box::pin(self.hear(place, ear, content, cx)).await? {
                Heard::Words(words) => resolved.heard(words, inbound),
                Heard::Nothing { down: gone, .. } => {
                    resolved.not_understood();
                    down = gone;
                }
            }
        }
        Ok(resolved)
    }

    /// The effect's input is the message alone: what was paid for stays, whoever
    /// transcribes the next one.
    async fn hear(
        &self,
        place: usize,
        ear: &dyn Transcriber,
        content: &Content,
        cx: &mut Cx,
    ) -> Result<Heard, Stop> {
        let run = cx.run.clone();
        let name = format!("transcribe/{place}");
        cx.effect(&name, content, || hear(&self.0, ear, content, &run))
            .await
    }
}

impl Resolved {
    fn read(&mut self, content: &Content) {
        // A reaction alone asks for no answer.
        self.answerable |= !matches!(content, Content::Reaction { .. });
        self.lines.push(content.as_prompt_text());
    }

    fn heard(&mut self, words: String, inbound: &Claimed) {
        self.answerable = true;
        let line = match &inbound.content {
            Content::Media {
                caption: Some(caption),
                ..
            } => format!("{words}\n{caption}"),
            _ => words,
        };
        self.heard.push((inbound.number, line.clone()));
        self.lines.push(line);
    }

    fn not_understood(&mut self) {
        self.unheard = true;
        self.lines.push(UNHEARD.into());
    }
}
