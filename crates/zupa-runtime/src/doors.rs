//! The doors of this process: the path asks them what they can do and sends through
//! them, by the id that stands in an address.

use std::collections::HashMap;
use std::sync::Arc;

use zupa_core::{Acknowledges, Address, Capabilities, Channel, ChannelId, Hint};

use crate::resilience::GuardedChannel;

/// The configured doors, by id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Doors(Arc<HashMap<ChannelId, GuardedChannel>>);

impl Doors {
    /// Of two doors with one id the later one counts.
    pub(crate) fn new(channels: Vec<GuardedChannel>) -> Self {
        let by_id = channels
            .into_iter()
            .map(|channel| (channel.id().clone(), channel));
        Self(Arc::new(by_id.collect()))
    }

    pub(crate) fn get(&self, id: &ChannelId) -> Option<&GuardedChannel> {
        self.0.get(id)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &GuardedChannel> {
        self.0.values()
    }

    /// Those that take a message now.
    pub(crate) fn open(&self) -> impl Iterator<Item = &GuardedChannel> {
        self.all().filter(|door| door.admits())
    }

    pub(crate) fn capabilities(&self, id: &ChannelId) -> Option<Capabilities> {
        self.get(id).map(|door| door.capabilities())
    }

    /// True for a door whose readers read what was committed, on any replica.
    pub(crate) fn has_readers(&self, id: &ChannelId) -> bool {
        self.capabilities(id)
            .is_some_and(|door| door.acknowledges == Acknowledges::AtCommit)
    }

    /// True for a door whose readers see an answer while it is written.
    pub(crate) fn shows_drafts(&self, id: &ChannelId) -> bool {
        self.capabilities(id).is_some_and(|door| door.drafts)
    }

    pub(crate) fn hint(&self, to: &Address, hint: Hint) {
        if let Some(door) = self.get(&to.channel) {
            door.hint(to, hint);
        }
    }
}
