//! What nodes read and change.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use zupa_core::{Error, ErrorKind, Result, Timestamp, Wait, WaitKind};

use super::Question;

/// The state of one turn, and in it what the conversation keeps from turn to turn.
///
/// What is serialised goes with a parked turn and comes back when it goes on. What
/// is kept must not be part of that (`#[serde(skip)]`): a turn that goes on sees
/// today's.
pub trait State: Clone + Default + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Version of both forms. Raise it with every change that an older binary could
    /// not read.
    const VERSION: u32 = 1;

    /// Whether turns are run that nobody has spoken in: after [`Self::wake_at`], or when an
    /// operator ends a session. Else they end without a word.
    const WAKES: bool = false;

    /// What a node may change.
    type Update: Send + 'static;

    /// What the conversation keeps.
    type Kept: Default + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Applies a change. Pure: the same changes in the same order give the same
    /// state.
    fn apply(&mut self, update: Self::Update);

    /// What the conversation keeps of it.
    fn kept(&self) -> &Self::Kept;

    /// Takes what the conversation has kept.
    fn attach(&mut self, kept: Self::Kept);

    /// Comes once, when a turn is about to end: the last change of what is kept. What it
    /// asks for is a question to operators, with the node that goes on once one has
    /// decided; the turn ends all the same. Asked for by a turn that waits or gives up,
    /// it is not opened.
    ///
    /// Pure, as [`Self::apply`].
    fn leave(&mut self, _: Left, _: Timestamp) -> Option<(&'static str, Question)> {
        None
    }

    /// Comes before [`Self::leave`] of a turn that gives up: what was settled for it, or
    /// for the turn that it goes on for. Nothing comes of that now.
    ///
    /// Pure, as [`Self::apply`].
    fn give_up(&mut self, _: &[Wait]) {}

    /// Comes once, behind [`Self::leave`]: what the audit is to hear beside how the turn
    /// ended, each an action and its reason. It is committed with the turn, and holds no
    /// customer text.
    fn entries(&mut self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// When the agent is to be woken, with an inbound of content
    /// [`zupa_core::Content::Wake`], if nobody says anything before.
    fn wake_at(&self) -> Option<Timestamp> {
        None
    }

    /// Brings what an older version has stored (a turn's state or what was kept) into
    /// today's form.
    ///
    /// *Errors*: [`ErrorKind::Unsupported`] by default.
    fn migrate_from(version: u32, _stored: Value) -> Result<Value> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "no way from an older state to today's",
        )
        .with("version", version)
        .with("wanted", Self::VERSION))
    }
}

/// How a turn ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// With an answer.
    Answered,
    /// Without a word.
    Silent,
    /// It waits for this.
    Waits(WaitKind),
    /// It gave up, and somebody had spoken in it. The state is what the conversation has
    /// kept, and no more.
    GaveUp,
}

/// Reads what a version has stored.
pub(super) fn load<S: State, T: DeserializeOwned>(version: u32, json: &str) -> Result<T> {
    let corrupt = |source: serde_json::Error| {
        Error::new(ErrorKind::Corrupt, "a stored state cannot be read")
            .with("version", version)
            .with_source(source)
    };
    if version == S::VERSION {
        return serde_json::from_str(json).map_err(corrupt);
    }
    if version > S::VERSION {
        return Err(
            Error::new(ErrorKind::Unsupported, "the state is of a newer version")
                .with("version", version)
                .with("wanted", S::VERSION),
        );
    }
    let stored = serde_json::from_str(json).map_err(corrupt)?;
    serde_json::from_value(S::migrate_from(version, stored)?).map_err(corrupt)
}
