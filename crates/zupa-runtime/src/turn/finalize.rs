//! Node `finalize`: from a completion to what is sent.

use zupa_core::{Completion, Content, Lane, Outbound};

use crate::commit::End;

pub(super) fn finalize(completion: Completion) -> End {
    let content = Content::text(completion.text.trim());
    End::Answered(vec![Outbound {
        content,
        lane: Lane::Reply,
    }])
}
