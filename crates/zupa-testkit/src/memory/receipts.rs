//! News about known messages, in memory: levels that only go up, evidence that
//! settles, edits and revokes of what no turn has taken.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use zupa_core::store::{Settle, Settlement};
use zupa_core::{
    ChannelId, Content, DeliveryId, DeliveryState, InboundState, PlatformId, Receipt, ReceiptLevel,
    ReceiptNews, TenantId, Timestamp, is_newer_edit,
};

use super::person::person_of;
use super::planted::Planted;
use super::rows::{DedupeKey, DeliveryRow, EarlyLevel, EarlyNews, InboundRow, State};

impl State {
    pub(super) fn receipt(&mut self, receipt: Receipt, now: Timestamp) {
        if let Some(person) = person_of(&receipt.news) {
            return self.news_of(&receipt, person, now);
        }
        let Receipt {
            tenant,
            channel,
            about,
            news,
            at,
        } = receipt;
        match news {
            ReceiptNews::Status { level, key } => {
                let key = key.and_then(|key| DeliveryId::parse(&key).ok());
                self.status(tenant, channel, about, level, key, now);
            }
            ReceiptNews::Edit { content } => {
                self.change((tenant, channel, about), Some(content), at, now);
            }
            ReceiptNews::Revoke => self.change((tenant, channel, about), None, at, now),
            // News of a later version: nothing here to change.
            _ => {}
        }
    }

    fn status(
        &mut self,
        tenant: TenantId,
        channel: ChannelId,
        about: PlatformId,
        level: ReceiptLevel,
        key: Option<DeliveryId>,
        now: Timestamp,
    ) {
        if level == ReceiptLevel::Failed
            && let Some(end) = key.and_then(|key| self.end_of(&tenant, &channel, &about, key))
        {
            self.settle(end, now);
        }
        let goes_down = self.planted == Some(Planted::ReceiptGoesDown);
        let place = (tenant.clone(), channel.clone(), about.clone());
        let early = self.early.remove(&place);
        let (early, at) = early.map_or((ReceiptLevel::None, now), |early| (early.level, early.at));
        let Some(row) = self.delivery_mut(&tenant, &channel, &about, key) else {
            let level = level.max(early);
            self.early.insert(place, EarlyLevel { level, at });
            return;
        };
        // Only our key proves that the row left; the platform's id is known
        // for rows that were settled.
        let proves = level >= ReceiptLevel::Accepted && level != ReceiptLevel::Failed;
        // The attempt that it is about has failed, and an operator may have sent another since.
        let has_failed = row.platform_id.as_ref() == Some(&about)
            && row.receipt == ReceiptLevel::Failed
            && level < ReceiptLevel::Delivered;
        if proves && !has_failed && (row.attempts > 0 || row.late) {
            // What the platform gave up on, and what arrived all the same.
            if row.state == DeliveryState::Failed && level >= ReceiptLevel::Delivered {
                row.state = DeliveryState::Unknown;
            }
            row.sent(now);
        }
        row.platform_id.get_or_insert(about);
        row.receipt = if goes_down {
            level
        } else {
            level.max(row.receipt).max(early)
        };
    }

    /// The end of a delivery that the platform has given up on: of one that was tried and
    /// is open. An id that its row knows is of an attempt that was settled long ago.
    fn end_of(
        &mut self,
        tenant: &TenantId,
        channel: &ChannelId,
        about: &PlatformId,
        key: DeliveryId,
    ) -> Option<Settle> {
        if self.planted == Some(Planted::FailedStatusIgnored) {
            return None;
        }
        let conversation = self.conversations.values_mut().find(|conversation| {
            let address = &conversation.address;
            address.tenant == *tenant
                && address.channel == *channel
                && conversation.outbox.values().any(|row| row.id == key)
        })?;
        let rows = &mut conversation.outbox;
        let (number, row) = rows.iter_mut().find(|(_, row)| row.id == key)?;
        if !row.state.is_open() || row.attempts == 0 || row.platform_id.as_ref() == Some(about) {
            return None;
        }
        row.state = DeliveryState::InDoubt;
        // From now on it knows this attempt, not one of an earlier life.
        row.platform_id = Some(about.clone());
        Some(Settle {
            conversation: conversation.id,
            number: *number,
            attempt: row.attempts,
            settlement: Settlement::FAILED_BY_STATUS,
        })
    }

    fn delivery_mut(
        &mut self,
        tenant: &TenantId,
        channel: &ChannelId,
        about: &PlatformId,
        key: Option<DeliveryId>,
    ) -> Option<&mut DeliveryRow> {
        self.conversations
            .values_mut()
            .filter(|conversation| {
                conversation.address.tenant == *tenant && conversation.address.channel == *channel
            })
            .flat_map(|conversation| conversation.outbox.values_mut())
            .find(|row| {
                row.platform_id.as_ref() == Some(about)
                    || (key == Some(row.id) && row.state != DeliveryState::Cancelled)
            })
    }

    /// An edit, or, without words, a revoke. It reaches what no turn has taken; later it
    /// is history. News of what nobody knows waits for it.
    fn change(
        &mut self,
        about: (TenantId, ChannelId, PlatformId),
        content: Option<Content>,
        at: Option<Timestamp>,
        now: Timestamp,
    ) {
        let (tenant, channel, platform_id) = about.clone();
        let key = DedupeKey {
            tenant,
            channel,
            // A receipt names no scope, so it reaches what has none.
            scope: String::new(),
            platform_id,
        };
        let Some(seen) = self.ledger.get(&key) else {
            return self.keep_news(about, content, at, now);
        };
        let row = self
            .conversations
            .get_mut(&seen.conversation)
            .and_then(|conversation| conversation.inbounds.get_mut(&seen.number));
        if let Some(row) = row.filter(|row| row.state == InboundState::Queued) {
            row.change(content, at);
        }
    }

    fn keep_news(
        &mut self,
        about: (TenantId, ChannelId, PlatformId),
        content: Option<Content>,
        said_at: Option<Timestamp>,
        at: Timestamp,
    ) {
        if self.planted == Some(Planted::EarlyNewsForgotten) {
            return;
        }
        let news = EarlyNews {
            content,
            said_at,
            at,
        };
        let known = match self.early_news.entry(about) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                place.insert(news);
                return;
            }
        };
        let was_taken_back = known.content.is_none();
        let counts = news.content.is_none() || is_newer_edit(said_at, known.said_at);
        if !was_taken_back && counts {
            *known = EarlyNews {
                at: known.at,
                ..news
            };
        }
    }

    pub(super) fn forget_news(&mut self, before: Timestamp, limit: usize) -> u64 {
        let statuses = forget(&mut self.early, limit, |early| early.at < before);
        let others = forget(&mut self.early_news, limit, |early| early.at < before);
        statuses + others
    }
}

fn forget<K: Ord + Clone, V>(
    map: &mut BTreeMap<K, V>,
    limit: usize,
    is_old: impl Fn(&V) -> bool,
) -> u64 {
    let old = map.iter().filter(|(_, value)| is_old(value)).take(limit);
    let old: Vec<K> = old.map(|(key, _)| key.clone()).collect();
    for key in &old {
        map.remove(key);
    }
    old.len() as u64
}

impl InboundRow {
    /// New words, or none: then it is taken back.
    pub(super) fn change(&mut self, content: Option<Content>, at: Option<Timestamp>) {
        match content {
            Some(content) if is_newer_edit(at, self.edited_at) => {
                self.content = content;
                self.edited_at = at.or(self.edited_at);
            }
            Some(_) => {}
            None => {
                self.state = InboundState::Silent;
                self.reason = Some("revoked".into());
            }
        }
    }
}
