//! News about known messages, in memory: levels that only go up, evidence that
//! settles, edits and revokes of what no turn has taken.

use zupa_core::{
    ChannelId, Content, DeliveryId, DeliveryState, InboundState, PlatformId, Receipt, ReceiptLevel,
    ReceiptNews, TenantId, Timestamp,
};

use super::planted::Planted;
use super::rows::{DedupeKey, DeliveryRow, InboundRow, State};

impl State {
    pub(super) fn receipt(&mut self, receipt: Receipt, now: Timestamp) {
        let Receipt {
            tenant,
            channel,
            about,
            news,
            ..
        } = receipt;
        match news {
            ReceiptNews::Status { level, key } => {
                let key = key.and_then(|key| DeliveryId::parse(&key).ok());
                self.status(tenant, channel, about, level, key, now);
            }
            ReceiptNews::Edit { content } => self.edit(tenant, channel, about, content),
            ReceiptNews::Revoke => self.revoke(tenant, channel, about),
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
        let goes_down = self.planted == Some(Planted::ReceiptGoesDown);
        let place = (tenant.clone(), channel.clone(), about.clone());
        let early = self.early.remove(&place).unwrap_or_default();
        let Some(row) = self.delivery_mut(&tenant, &channel, &about, key) else {
            self.early.insert(place, level.max(early));
            return;
        };
        // Only our key proves that the row left; the platform's id is known
        // for rows that were settled.
        let proves = level >= ReceiptLevel::Accepted && level != ReceiptLevel::Failed;
        if proves && (row.attempts > 0 || row.late) {
            row.sent(now);
        }
        row.platform_id.get_or_insert(about);
        row.receipt = if goes_down {
            level
        } else {
            level.max(row.receipt).max(early)
        };
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

    fn edit(&mut self, tenant: TenantId, channel: ChannelId, about: PlatformId, content: Content) {
        if let Some(row) = self.unclaimed_mut(tenant, channel, about) {
            row.content = content;
        }
    }

    fn revoke(&mut self, tenant: TenantId, channel: ChannelId, about: PlatformId) {
        if let Some(row) = self.unclaimed_mut(tenant, channel, about) {
            row.state = InboundState::Silent;
            row.reason = Some("revoked".into());
        }
    }

    /// The inbound that an edit or a revoke reaches. Later it is history.
    fn unclaimed_mut(
        &mut self,
        tenant: TenantId,
        channel: ChannelId,
        about: PlatformId,
    ) -> Option<&mut InboundRow> {
        let key = DedupeKey {
            tenant,
            channel,
            // A receipt names no scope, so it reaches what has none.
            scope: String::new(),
            platform_id: about,
        };
        let seen = self.ledger.get(&key)?;
        self.conversations
            .get_mut(&seen.conversation)?
            .inbounds
            .get_mut(&seen.number)
            .filter(|row| row.state == InboundState::Queued)
    }
}
