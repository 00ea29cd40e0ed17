//! Node `session_attach`: the message belongs to the open session, or, after a long
//! silence, to a new one.
//!
//! *Arrives*: messages of the person, or a wake: nobody has spoken for long, the agent
//! has failed too often, or an operator ends the session.
//! *Leaves*: the session of the turn, and of one that has ended what is remembered of
//! it: a plain summary, which costs no model and no time. A conversation that runs in a
//! loop ends here, silently, and operators are asked for a human.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use zupa_core::{Claimed, Coming, Content, Number, Timestamp, Wake};

use super::session::{EndReason, Episode, Session};
use super::state::Attached;
use super::{AgentTurn, Parts, Update, recall};
use crate::graph::{Ending, Move, Node};
use crate::remind::reminder;
use crate::turn::{Cx, Stop};

pub(super) struct SessionAttach(pub Arc<Parts>);

#[async_trait]
impl Node<AgentTurn> for SessionAttach {
    async fn run(&self, turn: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        let claimed = cx.run.turn.clone();
        let (Some(first), Some(last)) = (claimed.inbounds.first(), claimed.inbounds.last()) else {
            return Ok(Move::end(Ending::Silent("nothing was claimed".into())));
        };
        if let Content::Wake { why } = first.content {
            return self.woken(why, turn, cx).await;
        }
        let (open, longest) = (turn.kept.session, self.0.agent.session_idle);
        let has_gap = has_gap(open.last_at, &claimed.inbounds, longest);
        let is_over = open.is_open() && (has_gap || turn.is_given_up());
        let asked_for = reminder(&cx.run).is_some_and(|reminded| !reminded.unasked);
        let over = is_over.then(|| reason(turn));
        let ended = self.end(turn, first.number, over, cx).await?;
        let session = if open.is_open() && !is_over {
            // One that is tried again may be older than the session; any other is its newest,
            // also where the clock was set back.
            let mut inbounds = claimed.inbounds.iter().rev();
            let newest = inbounds.find(|inbound| inbound.coming != Coming::Redriven);
            Session {
                last_at: newest.map_or(open.last_at, |newest| newest.accepted_at),
                ..open
            }
        } else {
            Session {
                number: open.number + 1,
                first: first.number,
                last_at: last.accepted_at,
                over: false,
            }
        };
        let attached = Attached {
            at: cx.now(),
            session,
            ended,
            over,
            wake_at: Some(session.last_at.plus(longest)),
            human_within: self.0.agent.human_within,
            pace: turn
                .kept
                .pace
                .after(&claimed.inbounds, open.last_at, asked_for),
        };
        Ok(match asked_for {
            true => Move::to("command_gate").with(Update::Session(attached)),
            false => on(attached, "command_gate"),
        })
    }
}

/// True where nobody has spoken for longer than a session lasts, before the messages or
/// between them: messages that waited together are all of the new session. Idleness is the
/// gap between acceptances: a slow answer is none.
fn has_gap(last_at: Timestamp, inbounds: &[Claimed], longest: Duration) -> bool {
    let new = |inbound: &&Claimed| inbound.coming != Coming::Redriven;
    let mut before = last_at;
    inbounds.iter().filter(new).any(|inbound| {
        let gap = inbound.accepted_at.since(before);
        before = inbound.accepted_at;
        gap > longest
    })
}

/// Why a session ends that nobody has ended.
fn reason(turn: &AgentTurn) -> EndReason {
    match turn.is_given_up() {
        true => EndReason::Error,
        false => EndReason::Idle,
    }
}

/// To the next node, unless this runs in a loop.
fn on(attached: Attached, next: &'static str) -> Move<AgentTurn> {
    match attached.pace.is_loop() {
        true => Move::end(Ending::Silent("loop".into())).with(Update::Loops(attached)),
        false => Move::to(next).with(Update::Session(attached)),
    }
}

impl SessionAttach {
    /// Nobody has said anything: the session ends if it is time, and what ended is
    /// summarised.
    async fn woken(
        &self,
        why: Wake,
        turn: &AgentTurn,
        cx: &mut Cx,
    ) -> Result<Move<AgentTurn>, Stop> {
        let (open, longest) = (turn.kept.session, self.0.agent.session_idle);
        let reason = match why {
            Wake::Due => reason(turn),
            Wake::EndSession => EndReason::Operator,
        };
        let now = cx.now();
        // Where the clock was set back, the store has moved the wake, and not this.
        let was_set_back = open.last_at > now;
        let at_once = why == Wake::EndSession || turn.is_given_up();
        let its_time = at_once || was_set_back || now.since(open.last_at) >= longest;
        let is_over = open.is_open() && its_time;
        let end = cx.run.turn.first();
        let over = is_over.then_some(reason);
        let ended = self.end(turn, end, over, cx).await?;
        let session = Session {
            over: open.over || is_over,
            ..open
        };
        // Woken too early: somebody has spoken since.
        let wake_at = session.is_open().then(|| open.last_at.plus(longest));
        let pace = (turn.kept.pace).after(&cx.run.turn.inbounds, open.last_at, false);
        let attached = Attached {
            at: now,
            session,
            ended,
            over,
            // What wakes itself is not woken again.
            wake_at: wake_at.filter(|_| !pace.is_loop()),
            human_within: self.0.agent.human_within,
            pace,
        };
        Ok(on(attached, "summarize"))
    }

    /// What is remembered of the session, if it is over.
    async fn end(
        &self,
        turn: &AgentTurn,
        end: Number,
        over: Option<EndReason>,
        cx: &mut Cx,
    ) -> Result<Option<Episode>, Stop> {
        let Some(reason) = over else {
            return Ok(None);
        };
        let lines = recall::lines(&self.0, turn, cx).await?;
        let mut ended = turn.kept.session.remembered(&lines, end, reason);
        if let (false, Some(episode)) = (self.0.agent.model_summaries, &mut ended) {
            episode.tries = None;
        }
        Ok(ended)
    }
}
