//! A desk whose rows the test writes.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use zupa_core::audit::SYSTEM;
use zupa_core::desk::{
    Accounting, ConversationView, Decided, Holding, Line, NewHold, Packed, Releasing, Speaker,
    StoreStatus, TurnView,
};
use zupa_core::{
    Address, AuditEntry, AuditHead, AuditLink, ClaimAct, ClaimActed, ConversationId, DeadLetter,
    DeadLetterAct, DeadLetterActed, DeadLetterFilter, DeadLetterId, DeadLetterStanding,
    DeadLetterState, DeadLetterStats, DeadLetterView, Decision, DeliveryId, Desk, Error, ErrorKind,
    Hold, Number, Result, Timestamp, TurnId, Wait, WaitClaim, WaitId, WaitKind, WaitState,
};

/// A desk whose rows the test writes.
#[derive(Debug, Default)]
pub struct FakeDesk {
    lines: Mutex<HashMap<Address, Vec<Line>>>,
    pub views: Mutex<HashMap<String, TurnView>>,
    pub accounting: Mutex<Accounting>,
    pub waits: Mutex<Vec<Wait>>,
    /// What somebody else decides just before the next decision.
    pub faster: Mutex<Option<Decision>>,
    /// Who claims a review just before the next claim or decision, by the store's clock.
    pub claimant: Mutex<Option<WaitClaim>>,
    /// Who claims one just before the next decision, and what they decide right after it.
    pub overtakes: Mutex<Option<(WaitClaim, Decision)>>,
    /// Newest first.
    pub conversations: Mutex<Vec<ConversationView>>,
    /// What was said of the time up to which a human has answered.
    pub answered_until: Mutex<Vec<Option<Timestamp>>>,
    /// What operators added to the audit.
    pub acts: Mutex<Vec<AuditEntry>>,
    /// Those that gave up first first.
    pub dead_letters: Mutex<Vec<DeadLetterView>>,
    /// Whether trying one of them again has to be confirmed.
    pub matters: AtomicBool,
    pub fails: Mutex<Option<ErrorKind>>,
    pub hangs: AtomicBool,
    pub panics: AtomicBool,
    /// The largest page that was asked for.
    pub page: Mutex<usize>,
}

impl FakeDesk {
    pub fn says(&self, address: &Address, from: Speaker, text: &str) -> Number {
        let mut lines = self.lines.lock().unwrap();
        let lines = lines.entry(address.clone()).or_default();
        let number = Number(lines.len() as u64 + 1);
        lines.push(Line {
            number,
            from,
            text: text.to_owned(),
            late: false,
        });
        number
    }

    /// The same, and it goes out late.
    pub fn agent_says_late(&self, address: &Address, turn: TurnId, text: &str) -> Number {
        let number = self.agent_says(address, turn, text);
        let mut lines = self.lines.lock().unwrap();
        lines.get_mut(address).unwrap().last_mut().unwrap().late = true;
        number
    }

    pub fn agent_says(&self, address: &Address, turn: TurnId, text: &str) -> Number {
        let delivery = DeliveryId { turn, ordinal: 0 };
        self.says(address, Speaker::Agent(delivery), text)
    }

    pub fn person_says(&self, address: &Address, id: &str, text: &str) -> Number {
        self.says(address, Speaker::Person(id.to_owned()), text)
    }

    async fn check(&self) -> Result<()> {
        assert!(
            !self.panics.load(Ordering::SeqCst),
            "a panic with a secret in /var/lib"
        );
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        match *self.fails.lock().unwrap() {
            Some(kind) => Err(Error::new(kind, "SELECT * FROM secrets").with("path", "/var/lib/x")),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Desk for FakeDesk {
    async fn turn(&self, id: &str) -> Result<Option<TurnView>> {
        self.check().await?;
        Ok(self.views.lock().unwrap().get(id).cloned())
    }

    async fn accounting(&self) -> Result<Accounting> {
        self.check().await?;
        Ok(self.accounting.lock().unwrap().clone())
    }

    async fn lines(&self, address: &Address, after: Number, limit: usize) -> Result<Vec<Line>> {
        self.check().await?;
        let mut page = self.page.lock().unwrap();
        *page = limit.max(*page);
        let lines = self.lines.lock().unwrap();
        Ok(lines
            .get(address)
            .into_iter()
            .flatten()
            .filter(|line| line.number > after)
            .take(limit)
            .cloned()
            .collect())
    }

    async fn audit(&self, _: ConversationId) -> Result<Vec<AuditLink>> {
        Ok(Vec::new())
    }

    async fn record_act(&self, entry: AuditEntry) -> Result<()> {
        self.check().await?;
        self.acts.lock().unwrap().push(entry);
        Ok(())
    }

    async fn acts(&self) -> Result<Vec<AuditLink>> {
        self.check().await?;
        let mut head = AuditHead::default();
        let acts = self.acts.lock().unwrap().clone().into_iter();
        Ok(acts.map(|entry| head.append(SYSTEM, entry, None)).collect())
    }

    async fn waits(&self, state: Option<WaitState>, limit: usize) -> Result<Vec<Wait>> {
        self.check().await?;
        let waits = self.waits.lock().unwrap();
        let wanted = |wait: &&Wait| state.is_none_or(|state| state == wait.state);
        Ok(waits.iter().filter(wanted).take(limit).cloned().collect())
    }

    async fn wait(&self, id: WaitId) -> Result<Option<Wait>> {
        self.check().await?;
        let waits = self.waits.lock().unwrap();
        Ok(waits.iter().find(|wait| wait.opened.id == id).cloned())
    }

    async fn decide(&self, id: WaitId, decision: Decision, entry: AuditEntry) -> Result<Decided> {
        self.check().await?;
        let mut waits = self.waits.lock().unwrap();
        let Some(wait) = waits.iter_mut().find(|wait| wait.opened.id == id) else {
            return Ok(Decided::NotFound);
        };
        if wait.opened.kind != WaitKind::Decision {
            return Ok(Decided::NotTheirs(wait.opened.kind));
        }
        if let Some(claim) = self.claimant.lock().unwrap().take() {
            return Ok(Decided::Claimed(claim));
        }
        if let Some((claim, faster)) = self.overtakes.lock().unwrap().take() {
            wait.state = WaitState::Decided;
            wait.decision = Some(faster);
            return Ok(Decided::Claimed(claim));
        }
        if let Some(faster) = self.faster.lock().unwrap().take() {
            wait.state = WaitState::Decided;
            wait.decision = Some(faster);
        }
        if wait.state != WaitState::Open {
            return Ok(Decided::Already(wait.state));
        }
        if let Some(claim) = wait.claimed_by_another(&decision.by, entry.at) {
            return Ok(Decided::Claimed(claim.clone()));
        }
        wait.state = WaitState::Decided;
        wait.settled_at = Some(entry.at);
        wait.decision = Some(decision);
        self.acts.lock().unwrap().push(entry);
        Ok(Decided::Done {
            conversation: wait.conversation,
            due_at: Some(Timestamp(0)),
        })
    }

    async fn claim_wait(&self, id: WaitId, act: ClaimAct, entry: AuditEntry) -> Result<ClaimActed> {
        self.check().await?;
        let mut waits = self.waits.lock().unwrap();
        let Some(wait) = waits.iter_mut().find(|wait| wait.opened.id == id) else {
            return Ok(ClaimActed::NotFound);
        };
        if let Some(claim) = self.claimant.lock().unwrap().take() {
            return Ok(ClaimActed::Claimed(claim));
        }
        let claim = match act.on(wait, entry.at) {
            Ok(claim) => claim,
            Err(refused) => return Ok(refused),
        };
        wait.claim = claim;
        self.acts.lock().unwrap().push(entry);
        Ok(ClaimActed::Done)
    }

    async fn conversation(&self, id: ConversationId) -> Result<Option<ConversationView>> {
        self.check().await?;
        let conversations = self.conversations.lock().unwrap();
        Ok(conversations.iter().find(|view| view.id == id).cloned())
    }

    async fn conversations(
        &self,
        held: bool,
        before: Option<ConversationId>,
        limit: usize,
    ) -> Result<Vec<ConversationView>> {
        self.check().await?;
        let conversations = self.conversations.lock().unwrap();
        let wanted = |view: &&ConversationView| {
            (!held || view.hold.is_some()) && before.is_none_or(|before| view.id < before)
        };
        let found = conversations.iter().filter(wanted);
        Ok(found.take(limit).cloned().collect())
    }

    async fn hold(&self, id: ConversationId, hold: NewHold, entry: AuditEntry) -> Result<Holding> {
        self.check().await?;
        let mut conversations = self.conversations.lock().unwrap();
        let Some(view) = conversations.iter_mut().find(|view| view.id == id) else {
            return Ok(Holding::NotFound);
        };
        if let Some(hold) = &view.hold {
            return Ok(Holding::Already(hold.clone()));
        }
        view.hold = Some(Hold {
            kind: hold.kind,
            by: hold.by,
            since: entry.at,
            human_at: hold.human_at,
        });
        self.acts.lock().unwrap().push(entry);
        Ok(Holding::Done)
    }

    async fn release(
        &self,
        id: ConversationId,
        answered_until: Option<Timestamp>,
        entry: AuditEntry,
    ) -> Result<Releasing> {
        self.check().await?;
        let mut conversations = self.conversations.lock().unwrap();
        let Some(view) = conversations.iter_mut().find(|view| view.id == id) else {
            return Ok(Releasing::NotFound);
        };
        if view.hold.take().is_none() {
            return Ok(Releasing::NotHeld);
        }
        self.answered_until.lock().unwrap().push(answered_until);
        let answered = match answered_until {
            Some(_) => std::mem::take(&mut view.pending),
            None => 0,
        };
        view.due_at = (view.pending > 0).then_some(entry.at);
        self.acts.lock().unwrap().push(entry);
        Ok(Releasing::Done {
            answered,
            due_at: view.due_at,
        })
    }

    async fn end_session(
        &self,
        id: ConversationId,
        entry: AuditEntry,
    ) -> Result<Option<Timestamp>> {
        self.check().await?;
        let mut conversations = self.conversations.lock().unwrap();
        let Some(view) = conversations.iter_mut().find(|view| view.id == id) else {
            return Ok(None);
        };
        view.pending += 1;
        view.due_at = Some(entry.at);
        self.acts.lock().unwrap().push(entry);
        Ok(view.due_at)
    }

    async fn dead_letters(
        &self,
        filter: &DeadLetterFilter,
        after: Option<DeadLetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>> {
        self.check().await?;
        let views = self.dead_letters.lock().unwrap();
        let at = |after| views.iter().position(|view| view.letter.id == after);
        let behind = match after {
            Some(after) => at(after).ok_or_else(|| Error::new(ErrorKind::NotFound, "none"))? + 1,
            None => 0,
        };
        let letters = views.iter().skip(behind).map(|view| &view.letter);
        let found = letters.filter(|letter| filter.matches(letter));
        Ok(found.take(limit).cloned().collect())
    }

    async fn dead_letter(&self, id: DeadLetterId) -> Result<Option<DeadLetterView>> {
        self.check().await?;
        let views = self.dead_letters.lock().unwrap();
        Ok(views.iter().find(|view| view.letter.id == id).cloned())
    }

    async fn dead_letter_stats(&self) -> Result<DeadLetterStats> {
        self.check().await?;
        let mut stats = DeadLetterStats::default();
        for DeadLetterView { letter, .. } in self.dead_letters.lock().unwrap().iter() {
            let of = (letter.class.as_str(), letter.tenant.as_str());
            let is = (letter.state, letter.id.kind());
            stats.add(is, of, 1, letter.first_failed_at);
        }
        Ok(stats)
    }

    async fn act_on_dead_letter(
        &self,
        id: DeadLetterId,
        act: DeadLetterAct,
        entry: AuditEntry,
    ) -> Result<DeadLetterActed> {
        self.check().await?;
        let mut views = self.dead_letters.lock().unwrap();
        let Some(view) = views.iter_mut().find(|view| view.letter.id == id) else {
            return Ok(DeadLetterActed::NotFound);
        };
        let refused = act.refused(DeadLetterStanding {
            kind: id.kind(),
            state: view.letter.state,
            is_internal: false,
            is_reminder: false,
            is_unread: view.letter.content == "undecodable",
            matters: self.matters.load(Ordering::SeqCst),
        });
        if let Some(refused) = refused {
            return Ok(refused);
        }
        match act {
            DeadLetterAct::Retry { .. } | DeadLetterAct::Edit { .. } => {
                view.letter.state = DeadLetterState::Reprocessing;
            }
            DeadLetterAct::Discard { .. } => view.letter.state = DeadLetterState::Discarded,
            DeadLetterAct::Poison { .. } => view.letter.state = DeadLetterState::Poison,
            DeadLetterAct::Tag(tag) => view.letter.tag = tag,
            DeadLetterAct::Forget => {}
        }
        self.acts.lock().unwrap().push(entry);
        Ok(DeadLetterActed::Done {
            conversation: view.letter.conversation,
            due_at: Some(Timestamp(0)),
        })
    }

    async fn status(&self) -> Result<StoreStatus> {
        self.check().await?;
        Ok(StoreStatus {
            engine: "fake".into(),
            location: "memory".into(),
            schema_version: 1,
            schema_wanted: 1,
            bytes: 0,
            log_bytes: 0,
            durability: "full".into(),
            conversations: 0,
            packed: Packed::default(),
            processes: Vec::new(),
        })
    }
}
