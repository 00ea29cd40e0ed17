//! Stop 1, `accept`: what a channel hands in becomes durable, once.
//!
//! *Arrives*: batches of inbounds and receipts from doors.
//! *Leaves*: each inbound told as accepted or duplicate, after the commit; its
//! conversation woken.
//! *If the process dies here*: whatever was not told is delivered again, and
//! the ledger decides.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::info;
use zupa_core::intake::IntakeQueue;
use zupa_core::store::{Accept, Accepted, Offer};
use zupa_core::{
    Address, Clock, Content, ConversationId, Correlation, Delivered, Digest, Error, ErrorKind,
    EventBus, EventId, Hint, Ids, Inbound, IntakeAnswer, IntakeBatch, Nudge, PlatformId, ProcessId,
    Result, Retry, Timestamp, TurnId, Wakeup,
};

use crate::admission::Admission;
use crate::agent::Agent;
use crate::claim::{Hiring, Permit, Started, Tenants};
use crate::doors::Doors;
use crate::faults::{Faults, Phase};
use crate::settings::Settings;
use crate::telemetry;
use crate::writer::{Pending, Reception, Writer};

/// A day: platform times this close to the retention's end are not trusted.
const MARGIN: Duration = Duration::from_secs(24 * 60 * 60);

/// The stop and what it needs.
pub(crate) struct Acceptor {
    pub process: ProcessId,
    pub writer: Writer,
    pub wakeup: Arc<dyn Wakeup>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub doors: Doors,
    pub agent: Arc<Agent>,
    pub settings: Arc<Settings>,
    /// Open inbounds, roughly: counted up here, down at the end of turns.
    pub backlog: Arc<AtomicU64>,
    pub admission: Arc<Admission>,
    pub hiring: Hiring,
    pub tenants: Arc<Tenants>,
    /// The newest version of a conversation's state that turns here can load.
    pub loads: u32,
    pub bus: EventBus,
    pub faults: Faults,
}

impl Acceptor {
    /// Serves the doors until they are all gone or `stop` is called.
    pub(crate) async fn run(self: Arc<Self>, mut queue: IntakeQueue, stop: CancellationToken) {
        loop {
            // Both arms are cancel safe: a batch is taken or left as a whole.
            let (batch, answer) = tokio::select! {
                () = stop.cancelled() => return,
                next = queue.recv() => match next {
                    Some(next) => next,
                    None => return,
                },
            };
            self.clone().take(batch, answer).await;
        }
    }

    /// Hands one batch to the writer, in the order of arrival, and leaves the
    /// waiting to a task of its own.
    async fn take(self: Arc<Self>, batch: IntakeBatch, answer: oneshot::Sender<IntakeAnswer>) {
        if let Err(refused) = self.admit(&batch) {
            self.bus
                .emit(telemetry::refused(&refused, batch.inbounds.len()));
            let _ = answer.send(Err(refused));
            return;
        }
        // Before anything is handed in: from here on claims are counted.
        let (now, asked) = (self.clock.wall(), self.clock.monotonic());
        let IntakeBatch { inbounds, receipts } = batch;
        let (items, permits): (Vec<_>, Vec<_>) = inbounds
            .into_iter()
            .map(|inbound| self.item(inbound, now))
            .unzip();
        let told: Vec<_> = items.iter().map(Told::of).collect();
        if self.faults.acknowledges_before_commit() {
            let conversation = ConversationId(self.ids.fresh());
            let number = zupa_core::Number::default();
            let claims = |told: &Told| {
                Ok(Delivered::Accepted {
                    event: told.event,
                    conversation,
                    number,
                })
            };
            let _ = answer.send(Ok(told.iter().map(claims).collect()));
            self.faults.mark(self.ids.fresh(), Phase::Accepted).await;
            let items = items
                .into_iter()
                .map(|item| Accept {
                    offer: None,
                    ..item
                })
                .collect();
            let _ = self.writer.accept(items, receipts).await;
            return;
        }
        let pending = self.writer.accept(items, receipts).await;
        tokio::spawn(async move {
            let inbounds = told.len();
            let answers = self.wait(pending, told, permits, asked).await;
            if let Err(error) = &answers {
                self.bus.emit(telemetry::refused(error, inbounds));
            }
            // A door that went away delivers again.
            let _ = answer.send(answers);
        });
    }

    /// Refuses a whole batch, before anything is written; receipts never.
    fn admit(&self, batch: &IntakeBatch) -> Result<()> {
        if batch.inbounds.is_empty() {
            return Ok(());
        }
        if let Some(reason) = self.admission.closed() {
            let inbounds = batch.inbounds.len();
            self.bus.emit(telemetry::turned_away(reason, inbounds));
            return Err(reason.error());
        }
        for inbound in &batch.inbounds {
            let (what, bytes) = match &inbound.content {
                Content::Text { text } => ("a message's text is too long", text.len()),
                Content::Undecodable { payload } => {
                    ("a payload that was not read is too long", payload.len())
                }
                _ => continue,
            };
            if bytes > self.settings.payload_bytes {
                return Err(Error::invalid(what)
                    .with("bytes", bytes)
                    .with("limit", self.settings.payload_bytes));
            }
        }
        Ok(())
    }

    fn item(&self, mut inbound: Inbound, now: Timestamp) -> (Accept, Option<Permit>) {
        let event = EventId(self.ids.fresh());
        if inbound.platform_id.is_none() {
            // No id, no dedupe promised: our own id is as good as any. A UUID
            // has 36 characters, which is within bounds.
            inbound.platform_id = PlatformId::parse(event.to_string()).ok();
        }
        let trusted = self.settings.dedupe_retention.saturating_sub(MARGIN);
        // Whoever is free may have the turn at once.
        let permit = self.hiring.try_hire();
        let offer = permit.as_ref().map(|_| Offer {
            turn: TurnId(self.ids.fresh()),
            process: self.process,
            expires_at: now.plus(self.settings.claim_expiry),
            loads: self.loads,
        });
        let accept = Accept {
            event,
            conversation: ConversationId(self.ids.fresh()),
            inbound,
            burst: self.agent.burst,
            expires_before: now.minus(trusted),
            offer,
        };
        (accept, permit)
    }

    async fn wait(
        &self,
        pending: Pending<Reception>,
        told: Vec<Told>,
        permits: Vec<Option<Permit>>,
        asked: Duration,
    ) -> IntakeAnswer {
        let answered =
            tokio::time::timeout(self.settings.policies.store.timeout, pending.answer()).await;
        let answers = answered.unwrap_or_else(|_| {
            // It may still be written; the next delivery will tell.
            Err(
                Error::new(ErrorKind::Timeout, "the store did not answer in time")
                    .with_retry(Retry::After(Duration::from_secs(1)))
                    .with_outcome(zupa_core::Outcome::Unknown),
            )
        })?;
        let mut delivered = Vec::with_capacity(answers.len());
        let hired = told.into_iter().zip(permits);
        for ((answer, turn), (told, permit)) in answers.into_iter().zip(hired) {
            delivered.push(match answer {
                Ok(accepted) => {
                    let at_once = turn.is_some();
                    let told = self.told(accepted, &told, at_once).await;
                    if let (Some(turn), Some(permit)) = (turn, permit) {
                        self.hiring.start(Started {
                            turn,
                            permit,
                            asked,
                        });
                    }
                    Ok(told)
                }
                Err(error) => {
                    self.bus.emit(telemetry::refused(&error, 1));
                    Err(error)
                }
            });
        }
        Ok(delivered)
    }

    async fn told(&self, accepted: Accepted, told: &Told, at_once: bool) -> Delivered {
        let (event, address) = (told.event, &told.address);
        self.bus.emit(telemetry::accepted(event, &accepted));
        match accepted {
            Accepted::Queued {
                conversation,
                number,
                ..
            } => {
                self.backlog.fetch_add(1, Ordering::Relaxed);
                told.log(event, "accepted a message", Some(conversation));
                self.faults.mark(event.0, Phase::Accepted).await;
                if !at_once {
                    self.tenants.note(conversation, &address.tenant);
                    self.wakeup.wake(Nudge::Due(conversation));
                }
                self.doors.hint(address, Hint::Look);
                if self.doors.has_readers(&address.channel) {
                    self.wakeup.wake(Nudge::News(address.clone()));
                }
                Delivered::Accepted {
                    event,
                    conversation,
                    number,
                }
            }
            Accepted::Revoked {
                conversation,
                number,
            } => {
                let what = "noted a message that was taken back before it came";
                told.log(event, what, Some(conversation));
                Delivered::Accepted {
                    event,
                    conversation,
                    number,
                }
            }
            Accepted::Expired { conversation } => {
                told.log(event, "noted a message that is too old", Some(conversation));
                Delivered::Expired { event }
            }
            Accepted::Duplicate { event } => {
                told.log(event, "a message was delivered again", None);
                Delivered::Duplicate { event }
            }
            Accepted::Conflict { event } => {
                told.log(event, "refused another message under a known id", None);
                Delivered::Conflict { event }
            }
        }
    }
}

/// What is remembered of an inbound until it is told what became of it.
struct Told {
    event: EventId,
    address: Address,
    correlation: Correlation,
    dedupe_key: Option<String>,
}

impl Told {
    fn of(item: &Accept) -> Self {
        let inbound = &item.inbound;
        // Platform ids may say who wrote when: logs get a digest of the key.
        let dedupe_key = tracing::enabled!(tracing::Level::INFO).then(|| {
            let key = (
                &inbound.address.tenant,
                &inbound.address.channel,
                &inbound.scope,
            );
            let mut digest = Digest::of_json(&(key, &inbound.platform_id)).to_hex();
            digest.truncate(16);
            digest
        });
        Self {
            event: item.event,
            address: inbound.address.clone(),
            correlation: inbound.correlation.clone(),
            dedupe_key,
        }
    }

    fn log(&self, event: EventId, what: &'static str, conversation: Option<ConversationId>) {
        info!(
            event_id = %event,
            conversation_id = conversation.map(tracing::field::display),
            request_id = self.correlation.request_id,
            trace_id = self.correlation.trace_id,
            dedupe_key = self.dedupe_key,
            "{what}"
        );
    }
}
