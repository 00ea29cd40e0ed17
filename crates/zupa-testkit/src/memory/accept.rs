//! Stop 1, `accept`, in memory.
//!
//! *Arrives*: inbounds with a fresh event id and a fresh conversation id each.
//! *Leaves*: a ledger row, aliases and the inbound of every first sighting; a
//! count for every duplicate.
//! *If the process dies here*: the batch was applied under one lock, or not.

use zupa_core::store::{Accept, Accepted};
use zupa_core::{
    Address, Alias, ConversationId, Error, InboundState, PlatformId, Result, Timestamp,
};

use super::planted::Planted;
use super::rows::{Conversation, DedupeKey, EarlyNews, InboundRow, Origin, Seen, State};

impl State {
    pub(super) fn accept(&mut self, accept: Accept, now: Timestamp) -> Result<Accepted> {
        let Some(platform_id) = accept.inbound.platform_id.clone() else {
            return Err(Error::invalid("an inbound to accept has no platform id"));
        };
        let key = self.dedupe_key(&accept, platform_id.clone());
        if let Some(seen) = self.ledger.get(&key).copied()
            && self.planted != Some(Planted::DuplicateAsNew)
        {
            return Ok(self.seen_before(seen, &accept));
        }

        let digest = accept.inbound.content.digest();
        let expired = accept
            .inbound
            .platform_time
            .is_some_and(|sent| sent < accept.expires_before);
        let early = self.early_news_of(&accept, &platform_id);
        let inbound = accept.inbound;
        let id = self.resolve(&inbound.address, &inbound.also, accept.conversation);
        let door = (
            inbound.address.tenant.clone(),
            inbound.address.channel.clone(),
        );
        let also = inbound.also;
        let said_at = inbound.platform_time.map_or(now, |at| at.min(now));
        let alias = inbound.address.alias.clone();
        let conversation = self
            .conversations
            .entry(id)
            .or_insert_with(|| Conversation::new(id, inbound.address, accept.burst));
        conversation.burst = accept.burst;
        if !expired {
            conversation.is_reached_at(&alias, said_at);
        }
        let number = conversation.next_number();
        let state = if expired {
            InboundState::Expired
        } else {
            InboundState::Queued
        };
        let mut row = InboundRow {
            event: accept.event,
            origin: Origin::External,
            platform_id,
            accepted_at: now,
            platform_time: inbound.platform_time,
            speaker: inbound.speaker,
            content: inbound.content,
            edited_at: None,
            raw: inbound.raw,
            correlation: inbound.correlation,
            state,
            reason: None,
            turn: None,
            duplicates: 0,
            redriven: false,
        };
        if let Some(early) = early.filter(|_| !expired) {
            row.change(early.content, early.said_at);
        }
        let is_revoked = row.state == InboundState::Silent;
        conversation.inbounds.insert(number, row);
        let due_at = conversation.due_at().unwrap_or(now);
        self.accepted += 1;
        self.note_contest(id, door, &also, now);
        self.ledger.insert(
            key,
            Seen {
                event: accept.event,
                conversation: id,
                number,
                digest,
                at: now,
            },
        );
        Ok(if expired {
            Accepted::Expired { conversation: id }
        } else if is_revoked {
            Accepted::Revoked {
                conversation: id,
                number,
            }
        } else {
            Accepted::Queued {
                conversation: id,
                number,
                due_at,
            }
        })
    }

    /// News that has come before its message. It names no scope, so it is about what has
    /// none.
    fn early_news_of(&mut self, accept: &Accept, platform_id: &PlatformId) -> Option<EarlyNews> {
        let Address {
            tenant, channel, ..
        } = accept.inbound.address.clone();
        if !accept.inbound.scope.is_empty() {
            return None;
        }
        self.early_news
            .remove(&(tenant, channel, platform_id.clone()))
    }

    /// A first sighting decides for good: its content is what later ones are
    /// compared with, whatever edits it went through.
    fn seen_before(&mut self, seen: Seen, accept: &Accept) -> Accepted {
        if seen.digest != accept.inbound.content.digest() {
            return Accepted::Conflict { event: seen.event };
        }
        self.resolve(
            &accept.inbound.address,
            &accept.inbound.also,
            seen.conversation,
        );
        if let Some(row) = self
            .conversations
            .get_mut(&seen.conversation)
            .and_then(|conversation| conversation.inbounds.get_mut(&seen.number))
        {
            row.duplicates += 1;
        }
        Accepted::Duplicate { event: seen.event }
    }

    /// The conversation that the aliases lead to, the primary one first, else
    /// `otherwise`. New aliases lead there from now on; known ones stay where
    /// they are, so nothing is merged.
    pub(super) fn resolve(
        &mut self,
        address: &Address,
        also: &[Alias],
        otherwise: ConversationId,
    ) -> ConversationId {
        let keys: Vec<_> = std::iter::once(&address.alias)
            .chain(also)
            .map(|alias| {
                (
                    address.tenant.clone(),
                    address.channel.clone(),
                    alias.clone(),
                )
            })
            .collect();
        let id = keys
            .iter()
            .find_map(|key| self.aliases.get(key).copied())
            .unwrap_or(otherwise);
        for key in keys {
            self.aliases.entry(key).or_insert(id);
        }
        id
    }

    fn dedupe_key(&self, accept: &Accept, platform_id: PlatformId) -> DedupeKey {
        let address = &accept.inbound.address;
        let tenant = if self.planted == Some(Planted::KeyWithoutTenant) {
            zupa_core::TenantId::default_tenant()
        } else {
            address.tenant.clone()
        };
        DedupeKey {
            tenant,
            channel: address.channel.clone(),
            scope: accept.inbound.scope.clone(),
            platform_id,
        }
    }
}
