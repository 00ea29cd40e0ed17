//! Node `persist`: what goes into the commit.

use super::AgentTurn;
use crate::graph::{Ending, Move};
use crate::turn::{Cx, Stop};

pub(super) async fn persist(turn: &AgentTurn, _: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
    Ok(Move::end(Ending::Answer(turn.outbound.clone())))
}
