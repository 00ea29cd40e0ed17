//! Node `hand_back`: the conversation comes back from a human, or nobody has taken it.
//!
//! *Arrives*: the settled question whether a human takes the conversation over.
//! *Leaves*: a word where nobody has come; else none, since the human has spoken. Whoever
//! runs in a loop hears nothing, and is not listened to until it stops.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use zupa_core::machine::conversation::ConversationState;
use zupa_core::{Outbound, Wait, WaitState};

use super::talk::{Came, Talk};
use super::{AgentTurn, Parts, Update};
use crate::graph::{Ending, Move, Node, Question};
use crate::turn::{Cx, Stop};

/// Time runs out at once, unless somebody has the conversation.
const AT_ONCE: Duration = Duration::from_secs(60);

pub(super) struct HandBack(pub Arc<Parts>);

/// What operators are asked.
pub(super) fn question(came: Came) -> Question {
    let loops = came == Came::Loops;
    let why = match loops {
        true => "This conversation runs in a loop, as with another bot; the agent is silent.",
        false => "A human is wanted.",
    };
    let question = format!("{why} Approve: take the conversation over. Reject: the agent goes on.");
    let mut subject = json!({ "review": "takeover", "question": question });
    if loops {
        subject["loop"] = json!(true);
    }
    Question::decision(subject)
}

/// True for a question that a loop has asked.
fn of_a_loop(wait: &Wait) -> bool {
    let subject: Value = serde_json::from_str(&wait.opened.subject).unwrap_or_default();
    subject["loop"] == true
}

/// True where nobody decided in time. What runs out under a hold is settled when it
/// ends: then a human has come, and only the question was left open.
fn ran_out(wait: &Wait) -> bool {
    let (settled, due) = (wait.settled_at, wait.opened.expires_at);
    let late = settled.unwrap_or_default().since(due.unwrap_or_default());
    wait.state == WaitState::Expired && late < AT_ONCE
}

#[async_trait]
impl Node<AgentTurn> for HandBack {
    async fn run(&self, turn: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        let awaits = |talk: &Talk| talk.state() == ConversationState::NeedsHuman;
        let waits_on = turn.kept.talk.as_ref().is_some_and(awaits);
        let nobody_came = waits_on && cx.settled().iter().any(ran_out);
        if nobody_came && cx.settled().iter().any(of_a_loop) {
            let silent = Move::end(Ending::Silent("loop".into()));
            return Ok(silent.with(Update::Came(Came::LoopsOn)));
        }
        let said = &self.0.agent.language.nobody_free;
        let ending = match nobody_came && !said.is_empty() {
            true => Ending::Answer(vec![Outbound::reply(said)]),
            false => Ending::Silent("handed back".into()),
        };
        Ok(Move::end(ending).with(Update::Came(Came::Back)))
    }
}
