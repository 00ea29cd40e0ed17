//! What a case does with waits: parks turns, decides, lets time run out.

use std::time::Duration;

use zupa_core::desk::Decided;
use zupa_core::store::{ClaimedTurn, Commit, Due, Finished, TurnEnd, Verdict};
use zupa_core::{
    AuditEntry, Content, ConversationId, Decision, Digest, Ids, NewWait, Resume, Timestamp, Wait,
    WaitId, WaitKind, WaitState,
};

use super::World;

impl World<'_> {
    /// A wait of a parked turn.
    pub fn wait_for(&self, kind: WaitKind) -> NewWait {
        NewWait {
            id: WaitId(self.ids.fresh()),
            kind,
            subject: r#"{"ask":"it's \u0000 é?"}"#.into(),
            payload: r#"{"at":3}"#.into(),
            resume: Some(Resume {
                node: "run_tools".into(),
                graph: Digest::of(b"graph"),
                state_version: 7,
            }),
            expires_at: None,
        }
    }

    /// The same, with an end.
    pub fn wait_until(&self, kind: WaitKind, expires_at: Timestamp) -> NewWait {
        NewWait {
            expires_at: Some(expires_at),
            ..self.wait_for(kind)
        }
    }

    /// A timer that starts a turn of its own.
    pub fn timer(&self, due_at: Timestamp) -> NewWait {
        NewWait {
            resume: None,
            ..self.wait_until(WaitKind::Timer, due_at)
        }
    }

    /// Hears a message, and ends its turn with these waits and no word.
    pub async fn park(&self, alias: &str, waits: Vec<NewWait>) -> ClaimedTurn {
        let conversation = self.hear(alias, "hello").await;
        let turn = self.claim(conversation).await;
        self.leave(&turn, Commit { waits, ..quiet() }).await;
        turn
    }

    /// Commits what must be written.
    pub async fn leave(&self, turn: &ClaimedTurn, commit: Commit) {
        let finished = self.end(turn, TurnEnd::Commit(commit)).await;
        let written = matches!(finished, Finished::Done { .. });
        assert!(written, "the holder must commit, was {finished:?}");
    }

    /// Ends a turn with a silent commit that settles these waits.
    pub async fn settle_by(&self, turn: &ClaimedTurn, settles: &[(WaitId, WaitState)]) {
        let settles = settles.to_vec();
        self.leave(turn, Commit { settles, ..quiet() }).await;
    }

    pub fn verdict(&self, approved: bool) -> Decision {
        Decision {
            by: "operator ana".into(),
            approved,
            note: "it's fine".into(),
        }
    }

    /// What an operator's decision of this moment says in the audit.
    pub fn entry(&self) -> AuditEntry {
        AuditEntry {
            at: self.now,
            actor: "operator ana".into(),
            action: "wait.decided".into(),
            reason: "it's fine".into(),
            turn: None,
            config: Digest::of(b"config"),
            commitment: None,
        }
    }

    pub async fn decide(&self, id: WaitId) -> Decided {
        let decided = self.desk.decide(id, self.verdict(true), self.entry()).await;
        self.assert_balanced().await;
        decided.unwrap()
    }

    /// Decides on what must be open; true when the parked turn can go on.
    pub async fn approve(&self, id: WaitId) -> bool {
        match self.decide(id).await {
            Decided::Done { due_at, .. } => due_at.is_some(),
            other => panic!("the decision must count, was {other:?}"),
        }
    }

    pub async fn expire_some(&self, limit: usize) -> Vec<Due> {
        let due = self.store.expire(self.now, limit).await.unwrap();
        self.assert_balanced().await;
        due
    }

    /// What became due because its time came.
    pub async fn expire(&self) -> Vec<ConversationId> {
        let due = self.expire_some(100).await;
        assert!(due.iter().all(|due| due.at <= self.now));
        due.into_iter().map(|due| due.conversation).collect()
    }

    pub async fn wait(&self, id: WaitId) -> Wait {
        self.desk
            .wait(id)
            .await
            .unwrap()
            .expect("the wait is there")
    }

    pub async fn wait_state(&self, id: WaitId) -> WaitState {
        self.wait(id).await.state
    }
}

/// A commit that says nothing.
pub(in crate::contract) fn quiet() -> Commit {
    Commit::of(Verdict::Silent("quiet".into()), Vec::new())
}

/// The wait that a turn was woken by; it has nothing beside it.
pub(in crate::contract) fn settled(turn: &ClaimedTurn) -> WaitId {
    match turn.inbounds.as_slice() {
        [only] => match only.content {
            Content::Settled { wait } => wait,
            _ => panic!("no settled wait but {only:?}"),
        },
        several => panic!("an internal inbound is alone, was {several:?}"),
    }
}

/// The waits that a turn was handed, one by one.
pub(in crate::contract) fn handed(turn: &ClaimedTurn) -> Vec<WaitId> {
    turn.waits.iter().map(|wait| wait.opened.id).collect()
}

pub(in crate::contract) const MINUTE: Duration = Duration::from_secs(60);
