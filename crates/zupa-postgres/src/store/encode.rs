//! A batch as the arguments of `zupa.write`.

use uuid::Uuid;
use zupa_core::Result;
use zupa_core::store::{Batch, Durability};

use super::accept::InboundItem;
use super::claim::{ClaimItem, RenewalItem};
use super::deliver::{AttemptItem, SettlementItem};
use super::finish::{FinishItem, OutboundItem};
use super::receipts::ReceiptItem;
use super::record::RecordItem;
use super::{accept, claim, deliver, finish, receipts, record};

/// The arguments, in the function's order.
#[derive(Debug)]
pub(super) struct Call {
    pub said: i64,
    pub flush: bool,
    pub conversations: Vec<Uuid>,
    pub names: Vec<String>,
    pub channels: Vec<String>,
    pub tenants: Vec<String>,
    pub settlements: Vec<SettlementItem>,
    pub receipts: Vec<ReceiptItem>,
    pub records: Vec<RecordItem>,
    pub finishes: Vec<FinishItem>,
    pub inbounds: Vec<InboundItem>,
    pub attempts: Vec<AttemptItem>,
    pub claims: Vec<ClaimItem>,
    pub renewals: Vec<RenewalItem>,
}

impl Call {
    /// About how many bytes it has on the wire: its texts, and what each item
    /// has beside them.
    pub(super) fn bytes(&self) -> usize {
        const ITEM: usize = 400;
        let inbounds = self
            .inbounds
            .iter()
            .map(|item| ITEM + item.content.len() + item.raw.as_ref().map_or(0, Vec::len));
        let lines = |rows: &[OutboundItem]| -> usize {
            rows.iter().map(|row| ITEM / 4 + row.content.len()).sum()
        };
        let records = self
            .records
            .iter()
            .map(|item| ITEM / 2 + item.result.as_ref().map_or(0, String::len) + lines(&item.say));
        let finishes = self.finishes.iter().map(|item| {
            let kept = item.state.as_ref().map_or(0, String::len);
            let waits = item
                .waits
                .iter()
                .map(|wait| ITEM / 2 + wait.subject.len() + wait.payload.len());
            let facts = item.facts.iter().map(|fact| ITEM / 4 + fact.payload.len());
            2 * ITEM + lines(&item.outbox) + kept + waits.chain(facts).sum::<usize>()
        });
        let receipts = self.receipts.iter();
        let news = receipts.map(|item| item.content.as_ref().map_or(0, String::len));
        let small = self.settlements.len()
            + self.receipts.len()
            + self.attempts.len()
            + self.claims.len()
            + self.renewals.len();
        inbounds
            .chain(records)
            .chain(finishes)
            .chain(news)
            .sum::<usize>()
            + small * ITEM / 4
    }
}

/// Spells a batch out.
pub(super) fn call(batch: &Batch) -> Result<Call> {
    let mut conversations: Vec<Uuid> = std::iter::empty()
        .chain(batch.settle.iter().map(|item| item.conversation.0))
        .chain(batch.record.iter().map(|item| item.conversation.0))
        .chain(batch.finish.iter().map(|item| item.conversation.0))
        .chain(batch.attempt.iter().map(|item| item.conversation.0))
        .chain(batch.renew.iter().map(|item| item.conversation.0))
        .collect();
    conversations.sort_unstable();
    conversations.dedup();
    let (mut names, mut channels, mut tenants) = (Vec::new(), Vec::new(), Vec::new());
    for item in &batch.accept {
        let address = &item.inbound.address;
        for alias in std::iter::once(&address.alias).chain(&item.inbound.also) {
            names.push(alias.as_str().to_owned());
            channels.push(address.channel.as_str().to_owned());
            tenants.push(address.tenant.as_str().to_owned());
        }
    }
    let receipts = batch.receipts.iter();
    let receipts: Vec<_> = receipts
        .map(|item| receipts::receipt(item, batch.now))
        .collect::<Result<_>>()?;
    for item in &receipts {
        for name in item.names.iter().flatten() {
            names.push(name.clone());
            channels.push(item.channel.clone());
            tenants.push(item.tenant.clone());
        }
    }
    Ok(Call {
        said: batch.now.0,
        flush: batch.durability() == Durability::Flushed,
        conversations,
        names,
        channels,
        tenants,
        settlements: batch.settle.iter().map(deliver::settlement).collect(),
        receipts,
        records: each(&batch.record, record::record)?,
        finishes: each(&batch.finish, finish::finish)?,
        inbounds: each(&batch.accept, accept::inbound)?,
        attempts: batch.attempt.iter().map(deliver::attempt).collect(),
        claims: batch.claim.iter().map(claim::claim).collect(),
        renewals: batch.renew.iter().map(claim::renewal).collect(),
    })
}

fn each<T, S>(items: &[T], spell: impl Fn(&T) -> Result<S>) -> Result<Vec<S>> {
    items.iter().map(spell).collect()
}
