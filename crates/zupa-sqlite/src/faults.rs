//! Planted bugs, to show that the checkers catch them. Without the feature
//! `faults` there is only `None`.

/// A bug to plant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "faults"),
    allow(dead_code, reason = "planted by the feature alone")
)]
pub enum Planted {
    /// No bug.
    #[default]
    None,
    /// The dedupe key leaves the tenant out.
    DedupeWithoutTenant,
    /// A commit does not look at the epoch.
    CommitWithoutEpoch,
    /// Outbox rows are written after the turn's transaction.
    OutboxOutsideTransaction,
}

#[cfg(feature = "faults")]
impl Planted {
    /// Reads the name used on the command line; unknown names plant nothing.
    pub fn named(name: &str) -> Self {
        match name {
            "dedupe-without-tenant" => Self::DedupeWithoutTenant,
            "commit-without-epoch" => Self::CommitWithoutEpoch,
            "outbox-outside-transaction" => Self::OutboxOutsideTransaction,
            _ => Self::None,
        }
    }
}
