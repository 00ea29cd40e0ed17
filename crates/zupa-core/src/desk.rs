//! The `Desk` port: what operators and readers see.

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::audit::{AuditEntry, AuditLink};
use crate::dead_letter::{
    DeadAttempt, DeadLetter, DeadLetterAct, DeadLetterActed, DeadLetterFilter, DeadLetterId,
    DeadLetterStats, DeadLetterView,
};
use crate::error::Result;
use crate::hold::{Hold, HoldKind};
use crate::id::{Address, ConversationId, Epoch, EventId, Number, ProcessId, TurnId, WaitId};
use crate::outbound::{DeliveryId, DeliveryState, ReceiptLevel};
use crate::time::Timestamp;
use crate::tool::EffectClass;
use crate::turn::{InboundState, StoredState, TurnState};
use crate::wait::{ClaimAct, ClaimActed, Decision, Wait, WaitClaim, WaitKind, WaitState};

/// What operators and readers see. Never answers from a cache.
#[async_trait]
pub trait Desk: Debug + Send + Sync + 'static {
    /// Finds a turn by its id, or by one of its messages: our event id or the
    /// platform's id.
    ///
    /// *Behaviour*: of a platform's id that several messages have, each of them, the
    /// newest first, at most ten, and no turn. The ledger is asked first, then, for what
    /// it has forgotten, the messages.
    /// *Errors*: none for an unknown id, that is `None`.
    /// *Cancel safety*: safe.
    async fn turn(&self, id: &str) -> Result<Option<TurnView>>;

    /// Counts every inbound by state, with the totals kept at purge.
    ///
    /// *Behaviour*: one consistent snapshot.
    /// *Cancel safety*: safe.
    async fn accounting(&self) -> Result<Accounting>;

    /// Reads a conversation's committed lines with numbers above `after`, in
    /// order, at most `limit`. Unknown addresses have none.
    ///
    /// *Cancel safety*: safe.
    async fn lines(&self, address: &Address, after: Number, limit: usize) -> Result<Vec<Line>>;

    /// Reads a conversation's audit chain from the start.
    ///
    /// *Cancel safety*: safe.
    async fn audit(&self, conversation: ConversationId) -> Result<Vec<AuditLink>>;

    /// Appends an operator's act on the installation as a whole, or on one process of it,
    /// to the audit stream [`crate::audit::SYSTEM`].
    ///
    /// *Behaviour*: one transaction, flushed.
    /// *Errors*: as [`crate::Store::write`].
    /// *Cancel safety*: the entry is there or not; asking again may leave a second one.
    async fn record_act(&self, entry: AuditEntry) -> Result<()>;

    /// Reads the audit stream [`crate::audit::SYSTEM`] from the start.
    ///
    /// *Cancel safety*: safe.
    async fn acts(&self) -> Result<Vec<AuditLink>>;

    /// Reads waits, oldest first, at most `limit`; of one state or of all.
    ///
    /// *Cancel safety*: safe.
    async fn waits(&self, state: Option<WaitState>, limit: usize) -> Result<Vec<Wait>>;

    /// Reads one wait.
    ///
    /// *Cancel safety*: safe.
    async fn wait(&self, id: WaitId) -> Result<Option<Wait>>;

    /// Settles a wait of kind [`crate::WaitKind::Decision`] as of `entry.at`, and
    /// appends `entry` to its conversation's audit chain. When no wait of its parked
    /// turn is open any more, an internal inbound of content
    /// [`crate::Content::Settled`] makes the conversation due.
    ///
    /// *Behaviour*: one transaction, flushed. The first decision counts; a later one
    /// changes nothing and hears how the wait stands. While the claim of another than
    /// `decision.by` stands nothing is decided.
    /// *Errors*: as [`crate::Store::write`].
    /// *Cancel safety*: the decision is taken or not; ask again.
    async fn decide(&self, id: WaitId, decision: Decision, entry: AuditEntry) -> Result<Decided>;

    /// Claims a wait of kind [`crate::WaitKind::Decision`] for an operator as of
    /// `entry.at`, or gives it back, and appends `entry` to its conversation's audit
    /// chain. See [`ClaimAct::on`].
    ///
    /// *Behaviour*: one transaction, flushed. Of several who claim at once one has it;
    /// what changes nothing appends nothing.
    /// *Errors*: as [`crate::Store::write`].
    /// *Cancel safety*: it is done or not; ask again.
    async fn claim_wait(&self, id: WaitId, act: ClaimAct, entry: AuditEntry) -> Result<ClaimActed>;

    /// Reads one conversation.
    ///
    /// *Cancel safety*: safe.
    async fn conversation(&self, id: ConversationId) -> Result<Option<ConversationView>>;

    /// Reads conversations, newest first, those before `before` only, at most `limit`;
    /// held ones or all.
    ///
    /// *Cancel safety*: safe.
    async fn conversations(
        &self,
        held: bool,
        before: Option<ConversationId>,
        limit: usize,
    ) -> Result<Vec<ConversationView>>;

    /// Takes a conversation from the agent as of `entry.at`, and appends `entry` to
    /// its audit chain. See [`crate::hold`].
    ///
    /// *Behaviour*: one transaction, flushed. Open deliveries that are not on the wire
    /// are cancelled, and so are open waits for the person's reply; those on the wire or
    /// in doubt are cancelled if they would have to be sent again, also after the
    /// hand-back. A conversation that
    /// is held already stays as it is, but for a later `human_at`, which is taken
    /// over; nothing is appended then.
    /// *Errors*: as [`crate::Store::write`].
    /// *Cancel safety*: it is taken or not; ask again.
    async fn hold(&self, id: ConversationId, hold: NewHold, entry: AuditEntry) -> Result<Holding>;

    /// Hands a conversation back as of `entry.at`, and appends `entry` to its audit
    /// chain. What the person said up to `answered_until`, or up to the hold's
    /// `human_at` where that is later, ends as answered by a human.
    ///
    /// *Behaviour*: one transaction, flushed. Where a human has spoken, dead letters that
    /// are pending say so from now on (see [`crate::DeadLetter::reason`]), and ask for a
    /// confirmation before they are tried again. An open turn over such messages alone is
    /// superseded; if a run of it holds the conversation, or it has begun an effect
    /// that matters, it goes on instead, and says nothing. Internal inbounds stay.
    /// *Errors*: as [`crate::Store::write`].
    /// *Cancel safety*: it is handed back or not; ask again.
    async fn release(
        &self,
        id: ConversationId,
        answered_until: Option<Timestamp>,
        entry: AuditEntry,
    ) -> Result<Releasing>;

    /// Wakes the agent as of `entry.at` with an inbound of content
    /// [`crate::Content::Wake`] that ends the session, and appends `entry` to the
    /// conversation's audit chain. Answers when the conversation is due; none when
    /// there is no such conversation.
    ///
    /// *Behaviour*: one transaction, flushed.
    /// *Errors*: as [`crate::Store::write`].
    /// *Cancel safety*: the inbound is there or not; a second one does no harm.
    async fn end_session(&self, id: ConversationId, entry: AuditEntry)
    -> Result<Option<Timestamp>>;

    /// Reads dead letters, those that gave up first first, behind `after` only, at most
    /// `limit`. See [`crate::dead_letter`].
    ///
    /// *Errors*: [`crate::ErrorKind::NotFound`] when there is no dead letter `after`.
    /// *Cancel safety*: safe.
    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<DeadLetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>>;

    /// Reads one dead letter with every failure and with what it says.
    ///
    /// *Cancel safety*: safe.
    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetterView>>;

    /// Counts dead letters.
    ///
    /// *Cancel safety*: safe.
    async fn dead_letter_stats(&self) -> Result<DeadLetterStats>;

    /// Does something with a dead letter as of `entry.at`, and appends `entry` to its
    /// conversation's audit chain.
    ///
    /// *Behaviour*: one transaction, flushed. An inbound that is tried again moves to
    /// the end of its conversation, where a new turn takes it; its old place stays
    /// empty. A delivery that is tried again moves there, too: it keeps its id, is marked
    /// late, and waits for nothing and keeps nothing waiting but what is late itself. The
    /// first who acts wins; what is refused changes nothing and appends nothing.
    /// *Errors*: as [`crate::Store::write`].
    /// *Cancel safety*: it is done or not; ask again.
    async fn act_on_dead_letter(
        &self,
        id: DeadLetterId,
        act: DeadLetterAct,
        entry: AuditEntry,
    ) -> Result<DeadLetterActed>;

    /// Describes the store itself.
    ///
    /// *Cancel safety*: safe.
    async fn status(&self) -> Result<StoreStatus>;
}

/// What became of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    /// It counts. The conversation is due if `due_at` is set.
    Done {
        /// Whose wait it was.
        conversation: ConversationId,
        /// When the parked turn can go on; none while other waits are open.
        due_at: Option<Timestamp>,
    },
    /// The wait was settled before.
    Already(WaitState),
    /// Somebody else has claimed it.
    Claimed(WaitClaim),
    /// Operators do not decide on this kind of wait.
    NotTheirs(WaitKind),
    /// There is no such wait.
    NotFound,
}

/// A wish to take a conversation from the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHold {
    /// Why.
    pub kind: HoldKind,
    /// Who, as the audit names them.
    pub by: String,
    /// When the human was last known to speak to the person.
    pub human_at: Option<Timestamp>,
}

/// What became of the wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holding {
    /// The agent is silent from now on.
    Done,
    /// It was already, for this reason.
    Already(Hold),
    /// There is no such conversation.
    NotFound,
}

/// What became of handing a conversation back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Releasing {
    /// The agent has it.
    Done {
        /// Messages that have ended as answered by a human.
        answered: u64,
        /// When the agent has something to do.
        due_at: Option<Timestamp>,
    },
    /// Nobody had taken it.
    NotHeld,
    /// There is no such conversation.
    NotFound,
}

/// A conversation, as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct ConversationView {
    /// Its id.
    pub id: ConversationId,
    /// Where it is reached. An alias may be a phone number.
    pub address: Address,
    /// Who has it instead of the agent.
    pub hold: Option<Hold>,
    /// Inbounds that wait for a turn.
    pub pending: u64,
    /// The turn that is open.
    pub open_turn: Option<TurnId>,
    /// When it has something to claim, or had if it is held.
    pub due_at: Option<Timestamp>,
    /// When the agent is woken if nobody says anything before.
    pub wake_at: Option<Timestamp>,
    /// Since when the person wants nothing that they have not asked for.
    pub opted_out: Option<Timestamp>,
    /// What the agent keeps of it. Customer text.
    pub state: Option<StoredState>,
}

/// A turn and all that belongs to it. Holds no customer text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnView {
    /// The turn; none when the message looked for has not been claimed yet, or
    /// never will be.
    pub turn: Option<TurnSummary>,
    /// Its conversation; of several messages that have one id, that of the first.
    pub conversation: ConversationId,
    /// The inbounds it consumed, or the one looked for; or, without a turn, all that have
    /// the id that was looked for.
    pub inbounds: Vec<InboundView>,
    /// Its journal, in order.
    pub steps: Vec<StepView>,
    /// What it waited for.
    #[serde(default)]
    pub waits: Vec<WaitView>,
    /// What it sent.
    pub deliveries: Vec<DeliveryView>,
    /// What went wrong with its inbounds, under this turn or one before, and then with
    /// what it sent; each oldest first. Kept as long as dead letters are after their end.
    #[serde(default)]
    pub failures: Vec<FailureView>,
    /// Who has its conversation instead of the agent.
    #[serde(default)]
    pub hold: Option<Hold>,
    /// What the audit says of it.
    pub audit: Vec<AuditView>,
}

/// The turn itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TurnSummary {
    /// Its id.
    pub id: TurnId,
    /// Where it stands.
    pub state: TurnState,
    /// First number of its range.
    pub first: Number,
    /// Last number of its range.
    pub last: Number,
    /// The claim it last ran under.
    pub epoch: Epoch,
    /// Starts.
    pub runs: u32,
    /// Failures that counted.
    pub failures: u32,
    /// When it was first claimed.
    pub claimed_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When it may run again, if it waits.
    pub not_before: Option<Timestamp>,
    /// Why it is silent, waits or gave up.
    pub reason: Option<String>,
}

/// One entry of a journal, without what went in and came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepView {
    /// Logical node name, visit and effect.
    pub key: String,
    /// What a crash in the middle of it means.
    pub class: EffectClass,
    /// False for an intent: the effect may have happened.
    pub has_result: bool,
}

/// One wait, without what it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitView {
    /// Its id.
    pub id: WaitId,
    /// What settles it.
    pub kind: WaitKind,
    /// Where it stands.
    pub state: WaitState,
    /// When it settles by itself.
    pub expires_at: Option<Timestamp>,
    /// Who decided.
    pub decided_by: Option<String>,
}

/// One failure: of a run, or of an attempt to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureView {
    /// What could not be sent; none: a run failed.
    pub delivery: Option<DeliveryId>,
    /// When and why, and when it was to be tried again.
    #[serde(flatten)]
    pub attempt: DeadAttempt,
}

/// One inbound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InboundView {
    /// Our id.
    pub event: EventId,
    /// Its place.
    pub number: Number,
    /// Where it stands.
    pub state: InboundState,
    /// Why, where the state does not say it all.
    pub reason: Option<String>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// How often it was delivered again.
    pub duplicates: u64,
    /// The request that brought it.
    pub request_id: Option<String>,
    /// The trace that the request was part of.
    #[serde(default)]
    pub trace_id: Option<String>,
}

/// One delivery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeliveryView {
    /// Its id.
    pub id: DeliveryId,
    /// Its place.
    pub number: Number,
    /// Where it stands.
    pub state: DeliveryState,
    /// Why, where the state does not say it all.
    pub reason: Option<String>,
    /// Attempts so far.
    pub attempts: u32,
    /// What the platform says.
    pub receipt: ReceiptLevel,
    /// True when an operator has had it sent again, outside of its order.
    #[serde(default)]
    pub late: bool,
    /// How often it was sent again although it may have left before: the person may have
    /// it more than once.
    #[serde(default)]
    pub doubled: u32,
    /// When it was settled.
    pub settled_at: Option<Timestamp>,
}

/// One audit entry, as shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditView {
    /// Its place in the conversation's chain.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// Why.
    pub reason: String,
    /// Digest of the configuration in force, in hexadecimal.
    pub config: String,
    /// Hash of the entry, in hexadecimal.
    pub hash: String,
}

/// Where every accepted inbound is. Invariant 7.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounting {
    /// How many were ever accepted.
    pub accepted: u64,
    /// Open ones, by state.
    pub open: BTreeMap<String, u64>,
    /// Ended ones, by state.
    pub ended: BTreeMap<String, u64>,
    /// Totals of rows that were purged.
    pub purged: u64,
    /// Deliveries, by state.
    pub deliveries: BTreeMap<String, u64>,
}

impl Accounting {
    /// True when nothing is missing and nothing counted twice.
    pub fn is_balanced(&self) -> bool {
        self.missing() == 0
    }

    /// Inbounds that were accepted and are in no state; negative when some are
    /// counted that nobody accepted.
    pub fn missing(&self) -> i64 {
        let sum: u64 = self.open.values().chain(self.ended.values()).sum();
        let (accepted, found) = (self.accepted, sum + self.purged);
        match accepted >= found {
            true => i64::try_from(accepted - found).unwrap_or(i64::MAX),
            false => i64::try_from(found - accepted).map_or(i64::MIN, |more| -more),
        }
    }
}

/// One committed line of a conversation.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Its place.
    pub number: Number,
    /// Who said it, and under which id.
    pub from: Speaker,
    /// What was said, as plain text.
    pub text: String,
    /// True for a message of the agent that went out late, outside of its order.
    pub late: bool,
}

/// Who said a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Speaker {
    /// The person; the platform's id of it.
    Person(String),
    /// The agent; its delivery.
    Agent(DeliveryId),
}

/// The store itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreStatus {
    /// Kind and version of the engine.
    pub engine: String,
    /// Where it lies, without credentials.
    pub location: String,
    /// Version of the schema.
    pub schema_version: i64,
    /// Version of the schema that this build wants.
    pub schema_wanted: i64,
    /// Size on disk, in bytes.
    pub bytes: u64,
    /// Size of the log, in bytes.
    pub log_bytes: u64,
    /// How commits are made durable.
    pub durability: String,
    /// Conversations.
    pub conversations: u64,
    /// What packing saves.
    #[serde(default)]
    pub packed: Packed,
    /// The processes that serve the store or did so lately, newest first.
    #[serde(default)]
    pub processes: Vec<ProcessView>,
}

/// What packing saves, on those of the newest thousand messages whose payload is packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// How many they are.
    pub payloads: u64,
    /// Bytes as they came.
    pub bytes: u64,
    /// Bytes as they are stored.
    pub stored_bytes: u64,
}

/// A process that serves a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessView {
    /// Its id; a restart is another.
    pub id: ProcessId,
    /// When it started.
    pub started_at: Timestamp,
    /// Its last sign of life.
    pub heartbeat_at: Timestamp,
    /// Whether it lives, by the store's clock.
    pub state: ProcessState,
    /// Writes of it that were refused because its claim was lost.
    pub stale: u64,
}

/// Whether a process lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessState {
    /// It shows signs of life.
    Alive,
    /// It has shown none for longer than it said.
    Silent,
    /// It said goodbye.
    Ended,
}
