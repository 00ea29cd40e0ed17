//! Node `summarize`: a model makes a better summary of a session that has ended.
//!
//! *Arrives*: a woken turn, after what had to end has ended.
//! *Leaves*: the summary, or the plain one and the time of the next try.
//! *If the process dies here*: what was made is not paid again.
//!
//! Whoever speaks meanwhile does not wait for it: the turn ends at once, and the
//! summary is made after the next silence.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use zupa_core::turn::Message;
use zupa_core::{ModelRequest, Prompt, Role};

use super::session::Episode;
use super::{AgentTurn, Parts, Update, recall};
use crate::graph::{Ending, Move, Node};
use crate::resilience::Watch;
use crate::telemetry;
use crate::turn::{Cx, Run, Stop};

const INSTRUCTION: &str = "Summarise this conversation between a person and an assistant for \
    the assistant's own memory: at most three sentences, in the language of the conversation. \
    Keep names, wishes, decisions and open questions. Answer with the summary alone.";

/// The longest line that a summary is made of, in characters.
const LINE: usize = 500;

/// The longest summary that a model is to make, in tokens.
const TOKENS: u64 = 250;

/// Until the second try; each later one takes four times as long.
const AGAIN: Duration = Duration::from_secs(60);

pub(super) struct Summarize(pub Arc<Parts>);

#[async_trait]
impl Node<AgentTurn> for Summarize {
    async fn run(&self, turn: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        let mut wanted = turn
            .kept
            .episodes
            .iter()
            .filter(|episode| episode.is_wanted());
        let Some(episode) = wanted.next() else {
            return Ok(Move::end(Ending::Silent("woken".into())));
        };
        let lines = recall::lines(&self.0, turn, cx).await?;
        let lines = episode.lines(&lines);
        let run = cx.run.clone();
        let summary = tokio::select! {
            biased;
            () = run.claim.called() => {
                let wake_at = Some(cx.now().plus(AGAIN));
                let gave_way = Move::end(Ending::Silent("gave way to a message".into()));
                return Ok(gave_way.with(Update::WakeAt(wake_at)));
            }
            summary = self.ask(episode, &lines, cx) => summary?,
        };
        let tried = episode.tries.unwrap_or_default();
        let again = match &summary {
            None => Some(AGAIN * 4_u32.pow(tried)),
            Some(_) => wanted.next().map(|_| Duration::ZERO),
        };
        let wake_at = again
            .map(|after| cx.now().plus(after))
            .or(turn.kept.wake_at);
        let done = Ending::Silent("summarised a session".into());
        Ok(Move::end(done).with(Update::Summarised {
            session: episode.session,
            summary,
            wake_at,
        }))
    }
}

impl Summarize {
    /// A summary, if the model makes one. Its failure is nobody's: the plain one is
    /// there.
    async fn ask(
        &self,
        episode: &Episode,
        lines: &[Message],
        cx: &mut Cx,
    ) -> Result<Option<String>, Stop> {
        if lines.is_empty() {
            return Ok(None);
        }
        let run = cx.run.clone();
        let input = (episode.session, episode.tries, spoken(lines));
        cx.effect("summary", &input, || self.call(&run, lines))
            .await
    }

    async fn call(&self, run: &Run, lines: &[Message]) -> Result<Option<String>, Stop> {
        let messages = vec![
            Prompt::line(Role::System, INSTRUCTION),
            Prompt::line(Role::User, spoken(lines)),
        ];
        let mut request = ModelRequest::new(messages, run.left_for_model());
        request.max_tokens = Some(TOKENS);
        run.claim.check()?;
        let watch = Watch {
            show: None,
            judge: Ok,
            may_go_on: &|| run.may_go_on().is_ok() && run.claim.check().is_ok(),
        };
        let began = run.path.clock.monotonic();
        let completion = self.0.model.complete(request, watch).await;
        let took = run.path.clock.monotonic().saturating_sub(began);
        let called = telemetry::model_called(&run.turn, took, completion.as_ref());
        run.path.bus.emit(called);
        match completion {
            Ok(completion) => Ok(Some(completion.text)),
            Err(error) => {
                tracing::info!(kind = error.kind().as_str(), "a session was not summarised");
                Ok(None)
            }
        }
    }
}

/// The lines as one text.
fn spoken(lines: &[Message]) -> String {
    let line = |line: &Message| {
        let who = match line.role {
            Role::Assistant => "Assistant",
            _ => "Person",
        };
        let said: String = line.text.chars().take(LINE).collect();
        format!("{who}: {said}")
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}
