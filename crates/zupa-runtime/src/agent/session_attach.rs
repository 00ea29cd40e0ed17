//! Node `session_attach`: the message belongs to the open session, or, after a long
//! silence, to a new one.

use std::sync::Arc;

use async_trait::async_trait;

use super::{AgentTurn, Parts, Session, Update};
use crate::graph::{Move, Node};
use crate::turn::{Cx, Stop};

pub(super) struct SessionAttach(pub Arc<Parts>);

#[async_trait]
impl Node<AgentTurn> for SessionAttach {
    async fn run(&self, turn: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        let open = turn.kept.session;
        let claimed = cx.run.turn.clone();
        let (Some(first), Some(last)) = (claimed.inbounds.first(), claimed.inbounds.last()) else {
            return Ok(Move::to("command_gate"));
        };
        // Idleness is the gap between acceptances: a slow answer is none.
        let idle = first.accepted_at.since(open.last_at);
        let is_over = open.number > 0 && idle > self.0.agent.session_idle;
        if is_over {
            cx.audit("session.ended", "idle");
        }
        let session = if open.number == 0 || is_over {
            Session {
                number: open.number + 1,
                first: first.number,
                last_at: last.accepted_at,
            }
        } else {
            Session {
                last_at: last.accepted_at.max(open.last_at),
                ..open
            }
        };
        Ok(Move::to("command_gate").with(Update::Session(session)))
    }
}
