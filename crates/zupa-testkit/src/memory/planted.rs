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
    /// A renewal is answered as held, whoever holds the claim.
    RenewsAnything,
    /// A claim does not look whether the turn is suspected of deaths.
    SuspicionIgnored,
    /// An end that comes again is not told its numbers.
    NumbersForgotten,
}

impl Planted {
    /// Every defect.
    pub const ALL: [Self; 14] = [
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
    ];
}
