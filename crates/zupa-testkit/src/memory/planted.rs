//! Defects to plant: a checker that was never seen to fail proves nothing.

/// A defect of a store. The contract suite must find each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Planted {
    /// A duplicate is acknowledged as a new message.
    DuplicateAsNew,
    /// The dedupe key leaves the tenant out.
    KeyWithoutTenant,
    /// A commit looks at the turn, but not at the epoch.
    CommitWithoutEpoch,
    /// Outbox rows are written before the fence is checked.
    OutboxBeforeFence,
    /// A claim hands the newest inbound over first.
    OrderBroken,
    /// A claim does not look whether somebody holds the conversation.
    HolderIgnored,
    /// A re-run takes what came meanwhile, too.
    RangeGrows,
    /// A settlement moves a sent delivery back.
    SettleMovesBack,
    /// The audit head is not compared.
    HeadNotCompared,
    /// The purge forgets keys of open inbounds.
    PurgeTakesOpen,
    /// A receipt lowers the level.
    ReceiptGoesDown,
    /// A human's word from before the hand-back takes the conversation again.
    OldEchoHolds,
    /// A status with our key that says failed settles nothing.
    FailedStatusIgnored,
    /// An edit or a revoke that comes before its message is not kept.
    EarlyNewsForgotten,
    /// A renewal is answered as held, whoever holds the claim.
    RenewsAnything,
    /// A claim does not look whether the turn is suspected of deaths.
    SuspicionIgnored,
    /// An end that comes again is not told its numbers.
    NumbersForgotten,
    /// Side messages are written before the fence is checked.
    SayBeforeFence,
    /// A step that comes again says what goes with it again.
    SaidTwice,
    /// A commit writes the state before the fence is checked.
    StateBeforeFence,
    /// A claim takes a conversation whose state it cannot load.
    NewerTaken,
    /// A claim mixes messages of the person with internal inbounds.
    RangeMixes,
    /// A decision counts although there was one before.
    DecidesTwice,
    /// A claim does not say who spoke in a group.
    SpeakerForgotten,
    /// A claim takes a review that somebody else has claimed.
    ClaimsTwice,
    /// A decision does not look who has claimed the review.
    ClaimIgnored,
    /// A parked turn goes on at the first of its waits that is settled.
    ResumesEarly,
    /// A claim does not look whether a human has the conversation.
    HoldIgnored,
    /// What the agent asks under a hold waits for the person's next message.
    AsksUnderHold,
    /// What a human has answered is answered again after the hand-back.
    BacklogAnswered,
    /// What gives up leaves no dead letter.
    NoDeadLetters,
    /// A dead letter that is tried again can be tried again meanwhile.
    RedrivenTwice,
    /// A try that is left behind keeps its key for ever.
    LeaseForEver,
    /// A try that has lost its key can keep an answer all the same.
    AnybodyKeeps,
    /// One lane waits for another.
    LanesWait,
    /// A resend without evidence is not counted.
    DoubtForgotten,
    /// A model that works again hastens what has failed by itself.
    HastensAnything,
    /// A conversation is sent to as fast as there is something to send.
    PaceForgotten,
}

impl Planted {
    /// Every defect.
    pub const ALL: [Self; 28] = [
        Self::DuplicateAsNew,
        Self::KeyWithoutTenant,
        Self::CommitWithoutEpoch,
        Self::OutboxBeforeFence,
        Self::OrderBroken,
        Self::HolderIgnored,
        Self::RangeGrows,
        Self::SettleMovesBack,
        Self::HeadNotCompared,
        Self::PurgeTakesOpen,
        Self::ReceiptGoesDown,
        Self::RenewsAnything,
        Self::SuspicionIgnored,
        Self::NumbersForgotten,
        Self::SayBeforeFence,
        Self::SaidTwice,
        Self::StateBeforeFence,
        Self::NewerTaken,
        Self::RangeMixes,
        Self::DecidesTwice,
        Self::ResumesEarly,
        Self::HoldIgnored,
        Self::AsksUnderHold,
        Self::BacklogAnswered,
        Self::NoDeadLetters,
        Self::RedrivenTwice,
        Self::LeaseForEver,
        Self::AnybodyKeeps,
    ];
}
