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
use zupa_core::Outbound;

use super::hear::{InWords, in_words};
use super::talk::Came;
use super::{AgentTurn, Parts, Update};
use crate::graph::{Ending, Move, Node};
use crate::remind::reminder;
use crate::turn::{Cx, Stop};

pub(super) struct ResolveContent(pub Arc<Parts>);

#[async_trait]
impl Node<AgentTurn> for ResolveContent {
    async fn run(&self, _: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        let turn = cx.run.turn.clone();
        let range = (turn.first(), turn.last());
        // A reminder that has come due is one line.
        if let Some(reminded) = reminder(&cx.run) {
            let text = reminded.text;
            let lines = vec![format!("[a reminder that was set is due now: {text}]")];
            let heard = Vec::new();
            return Ok(Move::to("recall").with(Update::Input {
                lines,
                range,
                heard,
            }));
        }
        let InWords {
            lines,
            answerable,
            unheard,
            heard,
        } = in_words(&self.0, &turn.inbounds, cx).await?;
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
