//! News about a person, in memory: a human who writes to them by hand, another address,
//! what they want to hear.

use zupa_core::desk::NewHold;
use zupa_core::{
    Address, Alias, AuditEntry, Burst, ChannelId, ConversationId, DeliveryState, Hold, HoldKind,
    Lane, Person, Receipt, ReceiptNews, TenantId, Timestamp, Wish, is_newer_edit,
};

use super::planted::Planted;
use super::rows::{Conversation, DeliveryRow, State};

/// Whom news is about, if it is about a person.
pub(super) fn person_of(news: &ReceiptNews) -> Option<&Person> {
    match news {
        ReceiptNews::Echo { to } => Some(to),
        ReceiptNews::Moved { who } | ReceiptNews::Wish { who, .. } => Some(who),
        _ => None,
    }
}

impl State {
    pub(super) fn news_of(&mut self, receipt: &Receipt, person: &Person, now: Timestamp) {
        let at = receipt.happened_at(now);
        if matches!(receipt.news, ReceiptNews::Echo { .. }) && self.has_sent(receipt) {
            return;
        }
        let id = self.conversation_of(receipt, person, now);
        let Some(conversation) = self.conversations.get_mut(&id) else {
            return;
        };
        match &receipt.news {
            ReceiptNews::Echo { .. } => {
                let is_old = conversation.handed_back_at.is_some_and(|back| at <= back);
                if is_old && self.planted != Some(Planted::OldEchoHolds) {
                    return;
                }
                let wish = NewHold {
                    kind: HoldKind::Human,
                    by: Hold::BY_DEVICE.into(),
                    human_at: Some(at),
                };
                let entry = AuditEntry::told(now, Hold::BY_DEVICE, "conversation.held");
                self.hold(id, wish, entry);
            }
            ReceiptNews::Moved { .. } if conversation.is_reached_at(&person.alias, at) => {
                conversation.append(AuditEntry::told(now, "person", "conversation.moved"));
            }
            ReceiptNews::Wish { wish, .. } => conversation.wishes(*wish, at, now),
            _ => {}
        }
    }

    /// True for an echo of our own send.
    fn has_sent(&self, receipt: &Receipt) -> bool {
        let ours = self.conversations.values().filter(|conversation| {
            let address = &conversation.address;
            address.tenant == receipt.tenant && address.channel == receipt.channel
        });
        ours.flat_map(|conversation| conversation.outbox.values())
            .any(|row| row.platform_id.as_ref() == Some(&receipt.about))
    }

    /// The conversation of a person, who may have none yet.
    fn conversation_of(
        &mut self,
        receipt: &Receipt,
        person: &Person,
        now: Timestamp,
    ) -> ConversationId {
        let address = Address {
            tenant: receipt.tenant.clone(),
            channel: receipt.channel.clone(),
            alias: person.alias.clone(),
        };
        let fresh = ConversationId::of_news(now, &address);
        let id = self.resolve(&address, &person.also, fresh);
        self.conversations
            .entry(id)
            .or_insert_with(|| Conversation::new(id, address, Burst::default()));
        let door = (receipt.tenant.clone(), receipt.channel.clone());
        self.note_contest(id, door, &person.also, now);
        id
    }

    /// Says once in the audit that addresses of one person lead to several conversations.
    pub(super) fn note_contest(
        &mut self,
        id: ConversationId,
        (tenant, channel): (TenantId, ChannelId),
        also: &[Alias],
        now: Timestamp,
    ) {
        let leads_elsewhere = |alias: &Alias| {
            let key = (tenant.clone(), channel.clone(), alias.clone());
            self.aliases.get(&key).is_some_and(|known| *known != id)
        };
        if !also.iter().any(leads_elsewhere) {
            return;
        }
        if let Some(conversation) = self.conversations.get_mut(&id)
            && !conversation.is_contested
        {
            conversation.is_contested = true;
            conversation.append(AuditEntry::told(now, "runtime", "conversation.contested"));
        }
    }
}

impl Conversation {
    /// Takes an address as the one that replies go to, unless a later message named
    /// another; true if that is another one than before.
    pub(super) fn is_reached_at(&mut self, alias: &Alias, at: Timestamp) -> bool {
        if self.alias_at.is_some_and(|last| at < last) {
            return false;
        }
        self.alias_at = Some(at);
        let is_new = self.address.alias != *alias;
        self.address.alias = alias.clone();
        is_new
    }

    fn wishes(&mut self, wish: Wish, at: Timestamp, now: Timestamp) {
        if !is_newer_edit(Some(at), self.wished_at) {
            return;
        }
        self.wished_at = Some(at);
        if self.wish != wish {
            self.wish = wish;
            let action = match wish {
                Wish::Anything => "conversation.opted_in",
                Wish::Nothing => "conversation.opted_out",
            };
            self.append(AuditEntry::told(now, "person", action));
        }
    }
}

impl DeliveryRow {
    /// True for what would be sent, and the person does not want to hear.
    pub(super) fn is_unwanted(&self, wish: Wish) -> bool {
        let waits = matches!(self.state, DeliveryState::Queued | DeliveryState::Retry);
        let unasked = self.unasked || self.lane == Lane::Proactive;
        waits && wish == Wish::Nothing && unasked
    }

    pub(super) fn opt_out(&mut self, now: Timestamp) {
        (self.state, self.until) = (DeliveryState::Cancelled, None);
        self.reason = Some(Lane::OPTED_OUT.into());
        self.settled_at = Some(now);
    }
}
