//! The newest lines of the conversations that talk now, so that a turn need not
//! read what the turn before it has just written.
//!
//! An entry is as of an epoch: each claim raises the epoch by one, and history
//! changes only under a claim, so an entry is good for the claim that follows
//! it directly, and for no other. A server that crashes may take a claim back, and
//! with it its epoch; but each commit adds an entry to the audit, so the head tells
//! whether anybody else has committed.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;
use zupa_core::store::{ClaimedTurn, Commit, Verdict};
use zupa_core::turn::Message;
use zupa_core::{Claimed, ConversationId, Epoch, Number, Role};

/// Conversations whose lines are kept: some megabytes with usual lines.
const KEPT: NonZeroUsize = NonZeroUsize::new(2_048).unwrap();

/// The newest lines of the conversations that talk now.
#[derive(Debug)]
pub(crate) struct Memory {
    lines: usize,
    kept: Mutex<LruCache<ConversationId, Kept>>,
}

#[derive(Debug)]
struct Kept {
    as_of: Epoch,
    /// The audit's last entry then.
    audit: u64,
    lines: Vec<Message>,
}

impl Memory {
    /// Keeps at most `lines` lines of each conversation.
    pub(crate) fn new(lines: usize) -> Self {
        Self {
            lines,
            kept: Mutex::new(LruCache::new(KEPT)),
        }
    }

    /// The lines before a claim, if they are known for sure.
    pub(crate) fn recall(&self, turn: &ClaimedTurn) -> Option<Vec<Message>> {
        let mut kept = self.lock();
        let known = kept.get_mut(&turn.conversation)?;
        let follows = known.as_of == turn.epoch || known.as_of.0 + 1 == turn.epoch.0;
        if !follows || known.audit != turn.audit.number {
            return None;
        }
        known.as_of = turn.epoch;
        Some(known.lines.clone())
    }

    /// Keeps what the store said for a claim.
    pub(crate) fn keep(&self, turn: &ClaimedTurn, lines: Vec<Message>) {
        self.lock().put(
            turn.conversation,
            Kept {
                as_of: turn.epoch,
                audit: turn.audit.number,
                lines,
            },
        );
    }

    /// Adds what a commit has written, as the store will tell it.
    /// `entries` is how many the commit has added to the audit.
    pub(crate) fn committed(
        &self,
        turn: &ClaimedTurn,
        commit: &Commit,
        entries: u64,
        numbers: &[Number],
    ) {
        let mut kept = self.lock();
        let known = match kept.get_mut(&turn.conversation) {
            Some(known) if known.as_of == turn.epoch => known,
            // What is not of this claim cannot be continued.
            _ => {
                kept.pop(&turn.conversation);
                return;
            }
        };
        known.audit = turn.audit.number + entries;
        if !matches!(commit.verdict, Verdict::Dead(_) | Verdict::Refused(_)) {
            known
                .lines
                .extend(turn.inbounds.iter().filter(is_said).map(|inbound| Message {
                    number: inbound.number,
                    role: Role::User,
                    text: inbound.content.as_prompt_text(),
                }));
        }
        known.lines.extend(
            commit
                .outbound
                .iter()
                .zip(numbers)
                .filter(|(row, _)| !row.outbound.aside)
                .map(|(row, number)| Message {
                    number: *number,
                    role: Role::Assistant,
                    text: row.outbound.content.as_prompt_text(),
                }),
        );
        let surplus = known.lines.len().saturating_sub(self.lines);
        known.lines.drain(..surplus);
    }

    /// Forgets what is not known for sure: a commit whose answer was lost may have
    /// added lines.
    pub(crate) fn forget(&self, conversation: ConversationId) {
        self.lock().pop(&conversation);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LruCache<ConversationId, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was settled, or woke the agent, is not said by anybody.
fn is_said(inbound: &&Claimed) -> bool {
    !inbound.content.is_internal()
}

#[cfg(test)]
mod tests {
    use zupa_core::store::OutboxRow;
    use zupa_core::{
        Address, Alias, AuditHead, ChannelId, Coming, Content, Correlation, DeliveryState, EventId,
        Ids, Outbound, TenantId, Timestamp, TurnId,
    };

    use super::*;
    use crate::system::SystemIds;

    fn claim(conversation: ConversationId, epoch: u64) -> ClaimedTurn {
        ClaimedTurn {
            turn: TurnId(SystemIds.fresh()),
            conversation,
            address: Address {
                tenant: TenantId::default_tenant(),
                channel: ChannelId::parse("main").unwrap(),
                alias: Alias::parse("ana").unwrap(),
            },
            epoch: Epoch(epoch),
            runs: 1,
            failures: 0,
            provider_failures: 0,
            inbounds: vec![Claimed {
                event: EventId(SystemIds.fresh()),
                number: Number(epoch * 2 - 1),
                accepted_at: Timestamp(0),
                content: Content::text(format!("q{epoch}")),
                speaker: None,
                coming: Coming::New,
            }],
            steps: Vec::new(),
            said: 0,
            state: None,
            waits: Vec::new(),
            // One entry for each turn before.
            audit: AuditHead {
                number: epoch - 1,
                ..AuditHead::default()
            },
            outbox_busy: false,
            correlation: Correlation::default(),
        }
    }

    fn answer(memory: &Memory, turn: &ClaimedTurn) {
        let outbound = Outbound::reply("a");
        let row = OutboxRow {
            outbound,
            state: DeliveryState::Sent,
            answer_by: None,
        };
        let commit = Commit::of(Verdict::Answered, vec![row]);
        memory.committed(turn, &commit, 1, &[Number(turn.epoch.0 * 2)]);
    }

    #[test]
    fn lines_are_known_claim_after_claim_and_bounded() {
        let (memory, conversation) = (Memory::new(3), ConversationId(SystemIds.fresh()));
        let first = claim(conversation, 1);
        assert!(memory.recall(&first).is_none(), "nothing is known yet");
        memory.keep(&first, Vec::new());
        answer(&memory, &first);
        for epoch in 2..6 {
            let turn = claim(conversation, epoch);
            let lines = memory.recall(&turn).expect("the claim follows directly");
            assert_eq!(lines.len(), if epoch == 2 { 2 } else { 3 });
            assert_eq!(
                lines.last().map(|line| line.number),
                Some(Number((epoch - 1) * 2))
            );
            answer(&memory, &turn);
        }
    }

    #[test]
    fn a_claim_between_makes_the_lines_unknown() {
        let (memory, conversation) = (Memory::new(3), ConversationId(SystemIds.fresh()));
        let first = claim(conversation, 1);
        memory.keep(&first, Vec::new());
        answer(&memory, &first);
        let mut taken_back = claim(conversation, 2);
        taken_back.audit.number = 2;
        assert!(
            memory.recall(&taken_back).is_none(),
            "somebody has committed under an epoch that a crash took back"
        );
        assert!(memory.recall(&claim(conversation, 3)).is_none());
        answer(&memory, &claim(conversation, 3));
        assert!(
            memory.recall(&claim(conversation, 4)).is_none(),
            "it was not continued"
        );
    }
}
