//! The benchmark's door: it sends to nowhere, drops repeats as any door with
//! keys would, and tells whoever waits that the answer has left.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::sync::oneshot;
use zupa_core::channel::no_media;
use zupa_core::{
    Acknowledges, Address, Alias, Capabilities, Channel, ChannelId, Content, Correlation,
    Deduplicates, Hint, Inbound, IntakeBatch, Media, Outgoing, PlatformId, Result, SendReceipt,
    TenantId, Timestamp, Voice,
};

use super::super::clock;
use super::super::meter::Meter;
use super::super::workload::Workload;

/// The door and the conversations behind it.
#[derive(Debug)]
pub(super) struct Door {
    id: ChannelId,
    tenant: TenantId,
    meter: Arc<Meter>,
    /// For each conversation, the message that waits for its answer.
    waiting: Vec<Mutex<Option<Sent>>>,
    /// Conversations that wait for nothing, longest first.
    free: Mutex<VecDeque<u32>>,
}

#[derive(Debug)]
struct Sent {
    at: Instant,
    answered: oneshot::Sender<()>,
}

impl Door {
    pub(super) fn new(
        id: ChannelId,
        tenant: TenantId,
        conversations: u32,
        meter: Arc<Meter>,
    ) -> Self {
        Self {
            id,
            tenant,
            meter,
            waiting: (0..conversations).map(|_| Mutex::default()).collect(),
            free: Mutex::new((0..conversations).collect()),
        }
    }

    /// Takes the conversation that has rested longest and notes that it was
    /// sent a message; the receiver tells of the answer.
    pub(super) fn take(&self, at: Instant) -> Option<(u32, oneshot::Receiver<()>)> {
        let conversation = lock(&self.free).pop_front()?;
        let (answered, answer) = oneshot::channel();
        *lock(&self.waiting[conversation as usize]) = Some(Sent { at, answered });
        Some((conversation, answer))
    }

    /// Notes a message that no conversation was free for.
    pub(super) fn refuse(&self) {
        self.meter.refused();
    }

    /// Gives a conversation back whose message was refused.
    pub(super) fn give_back(&self, conversation: u32) {
        self.refuse();
        lock(&self.waiting[conversation as usize]).take();
        lock(&self.free).push_back(conversation);
    }

    /// How many messages wait for their answer.
    pub(super) fn in_flight(&self) -> u64 {
        (self.waiting.len() - lock(&self.free).len()) as u64
    }

    /// A message of a conversation, as a channel hands it in.
    pub(super) fn message(
        &self,
        workload: &Workload,
        conversation: u32,
        sequence: u64,
    ) -> Result<IntakeBatch> {
        let inbound = Inbound {
            address: Address {
                tenant: self.tenant.clone(),
                channel: self.id.clone(),
                alias: Alias::parse(conversation.to_string())?,
            },
            also: Vec::new(),
            speaker: None,
            platform_id: Some(PlatformId::parse(workload.platform_id(sequence))?),
            scope: String::new(),
            platform_time: None,
            content: Content::text(workload.text(sequence)),
            raw: None,
            correlation: Correlation::default(),
        };
        Ok(IntakeBatch {
            inbounds: vec![inbound],
            receipts: Vec::new(),
        })
    }
}

#[async_trait]
impl Channel for Door {
    fn id(&self) -> &ChannelId {
        &self.id
    }

    fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Acknowledges::OnSend, Deduplicates::ByKey)
    }

    async fn send(&self, message: Outgoing) -> Result<SendReceipt> {
        let now = clock::now();
        let conversation = message.to.alias.as_str().parse::<u32>().ok();
        let waiting = conversation.and_then(|number| self.waiting.get(number as usize));
        if let (Some(conversation), Some(waiting)) = (conversation, waiting)
            && let Some(sent) = lock(waiting).take()
        {
            self.meter.answered(sent.at, now);
            lock(&self.free).push_back(conversation);
            // An open loop does not wait.
            let _ = sent.answered.send(());
        }
        Ok(SendReceipt::default())
    }

    /// It hears nothing of what it has taken.
    fn is_open(&self) -> bool {
        true
    }

    fn caught_up_since(&self) -> Option<Timestamp> {
        None
    }

    fn voice(&self) -> Voice {
        Voice::TextOnly
    }

    async fn media(&self, _handle: &str, _max_bytes: u64, _timeout: Duration) -> Result<Media> {
        Err(no_media(&self.id))
    }

    fn hint(&self, _to: &Address, _hint: Hint) {}
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
