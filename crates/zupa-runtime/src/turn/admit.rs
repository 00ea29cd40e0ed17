//! Node `admit`: the agent's own access rule, before anything is paid for.

use zupa_core::Content;

use super::Cx;
use crate::commit::End;

/// A range that holds nothing but reactions asks for no answer.
pub(super) fn admit(cx: &Cx<'_>) -> Result<(), End> {
    let only_reactions = cx
        .turn
        .inbounds
        .iter()
        .all(|inbound| matches!(inbound.content, Content::Reaction { .. }));
    if only_reactions {
        Err(End::Silent("only reactions".into()))
    } else {
        Ok(())
    }
}
