//! The rows that `MemoryStore` keeps: what a database would have as tables.

use std::collections::BTreeMap;

use uuid::Uuid;
use zupa_core::idempotency::KeptAnswer;
use zupa_core::store::ClaimMode;
use zupa_core::{
    Address, Alias, AuditHead, AuditLink, Burst, ChannelId, Content, ConversationId, Correlation,
    DeadAttempt, DeadLetter, DeadLetterId, DeliveryId, DeliveryState, Digest, Epoch, EventId, Fact,
    Hold, IdempotencyKey, InboundState, Lane, Number, Paced, PlatformId, ProcessId, ReceiptLevel,
    Step, StoredState, TenantId, Timestamp, TurnId, TurnState, Wait, Wish,
};

use super::planted::Planted;

/// Everything. It outlives a simulated death of the process because whoever
/// restarts keeps the `Arc` around it.
#[derive(Debug, Default)]
pub(super) struct State {
    pub planted: Option<Planted>,
    /// Whether several processes serve it at once.
    pub replicated: bool,
    /// The latest time that anybody spoke of: the store's own clock.
    pub now: Timestamp,
    /// The processes, in the order of their starts.
    pub lives: Vec<LifeRow>,
    /// Counted at accept, apart from the rows, so that the sum can be wrong.
    pub accepted: u64,
    pub aliases: BTreeMap<(TenantId, ChannelId, Alias), ConversationId>,
    pub ledger: BTreeMap<DedupeKey, Seen>,
    /// Levels that overtook the platform id they speak of.
    pub early: BTreeMap<(TenantId, ChannelId, PlatformId), EarlyLevel>,
    /// Edits and revokes that overtook their message.
    pub early_news: BTreeMap<(TenantId, ChannelId, PlatformId), EarlyNews>,
    pub conversations: BTreeMap<ConversationId, Conversation>,
    /// Dead letters so far.
    pub dead_letters: u64,
    /// The audit of the installation.
    pub acts: Vec<AuditLink>,
    pub keys: BTreeMap<IdempotencyKey, KeyRow>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct EarlyLevel {
    pub level: ReceiptLevel,
    /// When the first of it came.
    pub at: Timestamp,
}

#[derive(Debug)]
pub(super) struct EarlyNews {
    /// The words of the edit that counts; none if it was taken back.
    pub content: Option<Content>,
    pub said_at: Option<Timestamp>,
    /// When the first of it came.
    pub at: Timestamp,
}

/// A key of an act.
#[derive(Debug)]
pub(super) struct KeyRow {
    pub request: Digest,
    /// The try that has it.
    pub holder: Uuid,
    /// Of the lease, or of the keeping.
    pub expires_at: Timestamp,
    /// None while the try is at it.
    pub answer: Option<KeptAnswer>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DedupeKey {
    pub tenant: TenantId,
    pub channel: ChannelId,
    pub scope: String,
    pub platform_id: PlatformId,
}

/// A row of the ledger: where the first sighting lies, and what it said then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub event: EventId,
    pub conversation: ConversationId,
    pub number: Number,
    pub digest: Digest,
    pub at: Timestamp,
}

#[derive(Debug)]
pub(super) struct Conversation {
    pub id: ConversationId,
    pub address: Address,
    pub burst: Burst,
    pub last_number: Number,
    pub epoch: Epoch,
    pub open: Option<TurnId>,
    pub holder: Option<Holder>,
    /// Up to here inbounds are claimed one by one.
    pub split_until: Number,
    pub inbounds: BTreeMap<Number, InboundRow>,
    pub outbox: BTreeMap<Number, DeliveryRow>,
    pub turns: BTreeMap<TurnId, TurnRow>,
    /// In the order of opening.
    pub waits: Vec<WaitRow>,
    /// What the agent keeps, as the last commit left it.
    pub state: Option<StoredState>,
    pub facts: Vec<(TurnId, Fact)>,
    /// When the agent is woken if nobody says anything before.
    pub wake_at: Option<Timestamp>,
    /// Who has it instead of the agent.
    pub hold: Option<Hold>,
    /// Last.
    pub handed_back_at: Option<Timestamp>,
    /// When the message was sent that named the address.
    pub alias_at: Option<Timestamp>,
    /// The person's addresses lead to other conversations, too, and the audit says so.
    pub is_contested: bool,
    pub wish: Wish,
    /// When the person last said what they want.
    pub wished_at: Option<Timestamp>,
    /// The turn that goes on although a human has answered: nothing of it leaves.
    pub silenced: Option<TurnId>,
    /// The burst that it is in, or was in last.
    pub paced: Option<Paced>,
    pub audit: Vec<AuditLink>,
    /// What went wrong with its inbounds and deliveries, oldest first.
    pub failures: Vec<(DeadLetterId, DeadAttempt)>,
    pub dead_letters: Vec<DeadLetterRow>,
}

#[derive(Debug)]
pub(super) struct DeadLetterRow {
    /// Its place among all.
    pub place: u64,
    pub letter: DeadLetter,
}

#[derive(Debug)]
pub(super) struct WaitRow {
    pub wait: Wait,
    /// The last number given when it was opened: only what came behind it can
    /// be an answer. Times would leave that open within one transaction.
    pub opened_behind: Number,
}

/// A process, as it showed itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct LifeRow {
    pub id: ProcessId,
    pub started_at: Timestamp,
    pub heartbeat_at: Timestamp,
    pub expires_at: Timestamp,
    pub stale: u64,
    /// It said goodbye.
    pub ended: bool,
    /// A start has found that it died.
    pub mourned: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Holder {
    pub process: ProcessId,
    pub expires_at: Timestamp,
}

/// Where an inbound comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A person.
    External,
    /// A wait that was settled, or a wake.
    Internal,
}

#[derive(Debug)]
pub(super) struct InboundRow {
    pub event: EventId,
    pub origin: Origin,
    pub platform_id: PlatformId,
    pub accepted_at: Timestamp,
    /// By the platform, if it tells.
    pub platform_time: Option<Timestamp>,
    pub speaker: Option<Alias>,
    pub content: Content,
    /// When the person made the edit that counts.
    pub edited_at: Option<Timestamp>,
    pub raw: Option<Vec<u8>>,
    pub correlation: Correlation,
    pub state: InboundState,
    pub reason: Option<String>,
    /// The last turn that claimed it.
    pub turn: Option<TurnId>,
    pub duplicates: u64,
    /// An operator has had it tried again.
    pub redriven: bool,
}

#[derive(Debug)]
pub(super) struct TurnRow {
    pub id: TurnId,
    pub state: TurnState,
    /// Its range, number by number. Never empty, never changed.
    pub range: Vec<Number>,
    pub epoch: Epoch,
    pub runs: u32,
    pub failures: u32,
    pub provider_failures: u32,
    pub claimed_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    pub not_before: Option<Timestamp>,
    /// Of a retry: the provider has named the time.
    pub asked: bool,
    pub reason: Option<String>,
    pub steps: Vec<Step>,
    /// Outbox rows that its steps have written.
    pub said: u32,
    /// Where its commit stands: the number that its first row got, or would have.
    pub place: Option<Number>,
    /// How the last run was started, or what a death since has made of it.
    pub mode: ClaimMode,
    pub deaths_alone: u32,
}

#[derive(Debug)]
pub(super) struct DeliveryRow {
    pub id: DeliveryId,
    pub lane: Lane,
    pub aside: bool,
    pub content: Content,
    pub state: DeliveryState,
    pub reason: Option<String>,
    pub attempts: u32,
    pub tried_at: Option<Timestamp>,
    /// How often it was sent again although it may have left.
    pub doubled: u32,
    /// Of a retry: not before. On the wire: answer by. In doubt: until.
    pub until: Option<Timestamp>,
    pub platform_id: Option<PlatformId>,
    pub receipt: ReceiptLevel,
    pub committed_at: Timestamp,
    pub settled_at: Option<Timestamp>,
    /// An operator has had it sent again.
    pub late: bool,
    /// Of what waits for the person: when they had been heard last.
    pub heard_at: Option<Timestamp>,
    /// Nobody had asked for it before it was late.
    pub unasked: bool,
    /// It was on the wire, or in doubt, when a human took over.
    pub taken_over: bool,
}

impl Conversation {
    pub fn new(id: ConversationId, address: Address, burst: Burst) -> Self {
        Self {
            id,
            address,
            burst,
            last_number: Number(0),
            epoch: Epoch(0),
            open: None,
            holder: None,
            split_until: Number(0),
            inbounds: BTreeMap::new(),
            outbox: BTreeMap::new(),
            turns: BTreeMap::new(),
            waits: Vec::new(),
            state: None,
            facts: Vec::new(),
            wake_at: None,
            hold: None,
            handed_back_at: None,
            alias_at: None,
            is_contested: false,
            wish: Wish::Anything,
            wished_at: None,
            silenced: None,
            paced: None,
            audit: Vec::new(),
            failures: Vec::new(),
            dead_letters: Vec::new(),
        }
    }

    pub fn next_number(&mut self) -> Number {
        self.last_number = Number(self.last_number.0 + 1);
        self.last_number
    }

    /// The name that the conversation's audit chain is bound to.
    pub fn stream(&self) -> String {
        self.id.to_string()
    }

    pub fn head(&self) -> AuditHead {
        self.audit
            .last()
            .map(|link| AuditHead {
                number: link.number,
                hash: link.hash,
            })
            .unwrap_or_default()
    }

    pub fn open_turn(&self) -> Option<&TurnRow> {
        self.turns.get(&self.open?)
    }

    /// The fence: only the run that took the conversation last, and still holds
    /// it, may write.
    pub fn is_held_by(&self, turn: TurnId, epoch: Epoch) -> bool {
        self.epoch == epoch && self.open == Some(turn) && self.holder.is_some()
    }

    /// Numbers that wait for a turn, in order.
    pub fn pending(&self) -> impl Iterator<Item = (Number, &InboundRow)> {
        self.inbounds
            .iter()
            .filter(|(_, row)| row.state == InboundState::Queued)
            .map(|(number, row)| (*number, row))
    }

    /// When there is something to claim. What came while a turn is open has a
    /// window of its own, which counts once that turn has ended.
    pub fn due_at(&self) -> Option<Timestamp> {
        if let Some(turn) = self.open_turn() {
            return Some(turn.not_before.unwrap_or(turn.claimed_at));
        }
        let (first, opened) = self.pending().next()?;
        if first <= self.split_until {
            return Some(opened.accepted_at);
        }
        if opened.origin == Origin::Internal {
            return Some(opened.accepted_at);
        }
        let (mut count, mut last, mut closed_at) = (0, opened, None);
        for (_, row) in self.pending() {
            if row.origin == Origin::Internal {
                closed_at = Some(row.accepted_at);
                break;
            }
            (count, last) = (count + 1, row);
        }
        let silent = self
            .burst
            .closes_at(opened.accepted_at, last.accepted_at, count);
        Some(closed_at.map_or(silent, |at| silent.min(at)))
    }

    /// What the next turn takes: the next single inbound of a range that was
    /// split, one alone that is internal or that no door could read, or all before
    /// the next of those.
    pub fn next_range(&self, mixes: bool) -> Vec<Number> {
        let Some((first, head)) = self.pending().next() else {
            return Vec::new();
        };
        let is_alone = |row: &InboundRow| {
            row.origin == Origin::Internal && !mixes || row.content.undecoded().is_some()
        };
        if first <= self.split_until || is_alone(head) {
            return vec![first];
        }
        self.pending()
            .take_while(|(_, row)| !is_alone(row))
            .map(|(number, _)| number)
            .collect()
    }
}
