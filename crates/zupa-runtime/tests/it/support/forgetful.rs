//! A store that knows what is open and nothing else, so that a test can run as many turns
//! as it likes in the same room. Each message is a conversation of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::Semaphore;
use zupa_core::dead_letter::DeadLettersKept;
use zupa_core::store::{
    Accept, Accepted, Applied, Batch, Claim, ClaimOutcome, ClaimedTurn, Delivery, Due, Finish,
    Finished, Life, OpenDoors, Recorded, Recovery, Renew, Renewed, Store, TurnEnd,
};
use zupa_core::turn::{Claimed, Coming, Message};
use zupa_core::{
    AuditHead, Content, ConversationId, Epoch, Number, ProcessId, Result, Timestamp, TurnId,
};

/// The store.
#[derive(Debug)]
pub struct Forgetful {
    open: Mutex<HashMap<ConversationId, Open>>,
    counts: Mutex<Counts>,
    /// Has a permit for each turn that has ended and was not waited for yet.
    ended: Arc<Semaphore>,
}

/// What the store was told, in numbers.
#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    pub answered: u64,
    pub dead: u64,
    pub retried: u64,
    pub lost: u64,
    pub stale: u64,
    pub renewed: u64,
}

#[derive(Debug)]
struct Open {
    accept: Accept,
    accepted_at: Timestamp,
    turn: TurnId,
    epoch: u64,
    runs: u32,
    failures: u32,
    provider_failures: u32,
    due_at: Timestamp,
    held_until: Option<Timestamp>,
}

impl Default for Forgetful {
    fn default() -> Self {
        Self {
            open: Mutex::default(),
            counts: Mutex::default(),
            ended: Arc::new(Semaphore::new(0)),
        }
    }
}

impl Forgetful {
    pub fn counts(&self) -> Counts {
        *self.count()
    }

    /// Waits until one more turn has ended.
    pub async fn ended(&self) {
        self.ended.acquire().await.unwrap().forget();
    }

    fn count(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, HashMap<ConversationId, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(
        &self,
        accept: Accept,
        now: Timestamp,
    ) -> (Result<Accepted>, Option<Box<ClaimedTurn>>) {
        let conversation = accept.conversation;
        let offer = accept.offer;
        let mut row = Open {
            turn: TurnId(accept.event.0),
            accept,
            accepted_at: now,
            epoch: 0,
            runs: 0,
            failures: 0,
            provider_failures: 0,
            due_at: now,
            held_until: None,
        };
        let taken = offer.map(|offer| Box::new(row.take(offer.turn, offer.expires_at)));
        self.open().insert(conversation, row);
        let accepted = Accepted::Queued {
            conversation,
            number: Number(1),
            due_at: now,
        };
        (Ok(accepted), taken)
    }

    fn claim(&self, wish: &Claim, now: Timestamp) -> ClaimOutcome {
        let mut open = self.open();
        let Some(row) = open.get_mut(&wish.conversation) else {
            return ClaimOutcome::Nothing;
        };
        if let Some(until) = row.held_until.filter(|until| *until > now) {
            return ClaimOutcome::Held(until);
        }
        if row.due_at > now {
            return ClaimOutcome::NotYet(row.due_at);
        }
        ClaimOutcome::Taken(Box::new(row.take(wish.turn, wish.expires_at)))
    }

    /// Takes the claims of first runs away whose message asks for it.
    fn renew(&self, wish: &Renew, now: Timestamp) -> Renewed {
        let mut open = self.open();
        let row = open.get_mut(&wish.conversation);
        let Some(row) = row.filter(|row| row.epoch == wish.epoch.0) else {
            return Renewed::Lost;
        };
        if row.text().ends_with("lose") && row.runs == 1 {
            (row.held_until, row.due_at) = (None, now);
            row.epoch += 1;
            self.count().lost += 1;
            return Renewed::Lost;
        }
        row.held_until = Some(wish.expires_at);
        self.count().renewed += 1;
        Renewed::Held
    }

    fn finish(&self, item: &Finish, now: Timestamp) -> Finished {
        let mut open = self.open();
        let row = open.get_mut(&item.conversation);
        let Some(row) = row.filter(|row| row.epoch == item.epoch.0) else {
            self.count().stale += 1;
            return Finished::Stale;
        };
        row.held_until = None;
        let done = |numbers: usize, due_at| Finished::Done {
            numbers: (0..numbers).map(|n| Number(n as u64 + 2)).collect(),
            due_at,
            held: false,
        };
        match &item.end {
            TurnEnd::Commit(commit) => {
                open.remove(&item.conversation);
                match commit.verdict {
                    zupa_core::store::Verdict::Dead(_) => self.count().dead += 1,
                    _ => self.count().answered += 1,
                }
                self.ended.add_permits(1);
                done(commit.outbound.len(), None)
            }
            TurnEnd::Retry {
                not_before,
                failure,
            } => {
                row.failures += u32::from(failure.counts);
                row.provider_failures += u32::from(!failure.counts);
                row.due_at = *not_before;
                self.count().retried += 1;
                done(0, Some(*not_before))
            }
            TurnEnd::Split { .. } | TurnEnd::Release => {
                row.due_at = now;
                done(0, Some(now))
            }
        }
    }

    fn holds(&self, conversation: ConversationId, epoch: Epoch) -> bool {
        let open = self.open();
        open.get(&conversation)
            .is_some_and(|row| row.epoch == epoch.0)
    }
}

impl Open {
    fn text(&self) -> &str {
        match &self.accept.inbound.content {
            Content::Text { text } => text,
            _ => "",
        }
    }

    fn take(&mut self, turn: TurnId, until: Timestamp) -> ClaimedTurn {
        if self.runs == 0 {
            self.turn = turn;
        }
        self.runs += 1;
        self.epoch += 1;
        self.held_until = Some(until);
        ClaimedTurn {
            turn: self.turn,
            conversation: self.accept.conversation,
            address: self.accept.inbound.address.clone(),
            epoch: Epoch(self.epoch),
            runs: self.runs,
            failures: self.failures,
            provider_failures: self.provider_failures,
            inbounds: vec![Claimed {
                event: self.accept.event,
                number: Number(1),
                accepted_at: self.accepted_at,
                content: self.accept.inbound.content.clone(),
                speaker: self.accept.inbound.speaker.clone(),
                coming: Coming::New,
            }],
            steps: Vec::new(),
            said: 0,
            state: None,
            waits: Vec::new(),
            audit: AuditHead::default(),
            outbox_busy: false,
            correlation: self.accept.inbound.correlation.clone(),
        }
    }
}

#[async_trait]
impl Store for Forgetful {
    async fn recover(&self, _: Life) -> Result<Recovery> {
        Ok(Recovery::default())
    }

    async fn write(&self, batch: Batch) -> Result<Applied> {
        let now = batch.now;
        let mut applied = Applied::default();
        applied.settle.extend(batch.settle.iter().map(|_| Ok(())));
        applied.record.extend(batch.record.iter().map(|record| {
            Ok(match self.holds(record.conversation, record.epoch) {
                true => Recorded::Written,
                false => Recorded::Stale,
            })
        }));
        let finished = batch.finish.iter().map(|item| Ok(self.finish(item, now)));
        applied.finish.extend(finished);
        for accept in batch.accept {
            let (accepted, taken) = self.accept(accept, now);
            applied.accept.push(accepted);
            applied.taken.push(taken);
        }
        let claims = batch.claim.iter().map(|wish| Ok(self.claim(wish, now)));
        applied.claim.extend(claims);
        let renewed = batch.renew.iter().map(|wish| Ok(self.renew(wish, now)));
        applied.renew.extend(renewed);
        Ok(applied)
    }

    async fn heartbeat(&self, _: Life) -> Result<()> {
        Ok(())
    }

    async fn due(&self, now: Timestamp, until: Timestamp, limit: usize) -> Result<Vec<Due>> {
        let open = self.open();
        let free = open.iter().filter(|(_, row)| {
            row.due_at <= until && row.held_until.is_none_or(|held| held <= now)
        });
        let due = free.map(|(conversation, row)| Due {
            conversation: *conversation,
            tenant: zupa_core::TenantId::default_tenant(),
            at: row.due_at,
        });
        Ok(due.take(limit).collect())
    }

    async fn due_deliveries(&self, _: Timestamp, _: &OpenDoors, _: usize) -> Result<Vec<Delivery>> {
        Ok(Vec::new())
    }

    async fn expire(&self, _: Timestamp, _: usize) -> Result<Vec<Due>> {
        Ok(Vec::new())
    }

    async fn hasten(&self, _: Timestamp, _: usize) -> Result<Vec<ConversationId>> {
        Ok(Vec::new())
    }

    async fn history(&self, _: ConversationId, _: usize) -> Result<Vec<Message>> {
        Ok(Vec::new())
    }

    async fn backlog(&self) -> Result<u64> {
        Ok(self.open().len() as u64)
    }

    async fn purge(&self, _: Timestamp, _: Timestamp, _: usize) -> Result<u64> {
        Ok(0)
    }

    async fn forget_news(&self, _: Timestamp, _: usize) -> Result<u64> {
        Ok(0)
    }

    async fn purge_failures(&self, _: Timestamp, _: usize) -> Result<DeadLettersKept> {
        Ok(DeadLettersKept::default())
    }

    async fn checkpoint(&self) -> Result<()> {
        Ok(())
    }

    async fn close(&self, _: ProcessId) -> Result<()> {
        Ok(())
    }
}
