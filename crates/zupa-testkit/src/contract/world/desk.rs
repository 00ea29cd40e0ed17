//! What a case does as an operator who takes conversations and hands them back.

use zupa_core::desk::{Holding, Line, NewHold, Releasing, Speaker};
use zupa_core::store::{ClaimedTurn, Finish, Finished, TurnEnd};
use zupa_core::{
    AuditEntry, ConversationId, DeadLetter, DeadLetterAct, DeadLetterActed, DeadLetterFilter,
    DeadLetterId, DeadLetterView, HoldKind, Number, Role, Timestamp,
};

use super::World;

impl World<'_> {
    /// Takes a conversation from the agent.
    pub async fn hold(&self, conversation: ConversationId) -> Holding {
        self.hold_with(conversation, None).await
    }

    /// The same, with the human's last word.
    pub async fn hold_with(
        &self,
        conversation: ConversationId,
        human_at: Option<Timestamp>,
    ) -> Holding {
        let hold = NewHold {
            kind: HoldKind::Operator,
            by: "operator ana".into(),
            human_at,
        };
        let entry = self.act("conversation.held");
        let held = self.desk.hold(conversation, hold, entry).await.unwrap();
        self.assert_balanced().await;
        held
    }

    /// Hands a conversation back.
    pub async fn release(
        &self,
        conversation: ConversationId,
        answered_until: Option<Timestamp>,
    ) -> Releasing {
        let entry = self.act("conversation.released");
        let released = self.desk.release(conversation, answered_until, entry).await;
        self.assert_balanced().await;
        released.unwrap()
    }

    /// Has the agent end the session.
    pub async fn end_session(&self, conversation: ConversationId) -> Option<Timestamp> {
        let entry = self.act("session.end_asked");
        let due_at = self.desk.end_session(conversation, entry).await.unwrap();
        self.assert_balanced().await;
        due_at
    }

    /// Ends a run, behind whatever operators have written to the audit meanwhile.
    pub async fn end_anew(&self, turn: &ClaimedTurn, end: TurnEnd) -> Finished {
        let finish = self.finish_of(turn, end);
        let head = match self.finish(finish.clone()).await {
            Finished::HeadMoved(head) => head,
            finished => return finished,
        };
        let audit = vec![self.link(head, turn, "turn.ended")];
        self.finish(Finish {
            audit_head: head,
            audit,
            ..finish
        })
        .await
    }

    /// Neither readers nor the model see a word of the agent's, nor is one on its way.
    pub async fn heard_nothing(&self, conversation: ConversationId) {
        let far = self.after(3600);
        let due = self.due_by(far, 10).await;
        assert!(due.is_empty(), "on its way: {due:?}");
        let lines = self.history(conversation).await;
        assert!(lines.iter().all(|line| line.role == Role::User));
        let view = self.desk.conversation(conversation).await.unwrap();
        let address = view.expect("it is there").address;
        let lines = self.desk.lines(&address, Number(0), 100).await.unwrap();
        let of_agent = |line: &Line| matches!(line.from, Speaker::Agent(_));
        assert!(!lines.iter().any(of_agent));
    }

    /// Every dead letter, oldest first.
    pub async fn dead_letters(&self) -> Vec<DeadLetter> {
        let all = DeadLetterFilter::default();
        self.desk.dead_letters(&all, None, 100).await.unwrap()
    }

    /// The only dead letter.
    pub async fn dead_letter(&self) -> DeadLetterView {
        let letters = self.dead_letters().await;
        assert_eq!(letters.len(), 1, "{letters:?}");
        let view = self.desk.dead_letter(letters[0].id).await.unwrap();
        let view = view.expect("what is listed can be shown");
        assert_eq!(view.letter, letters[0]);
        view
    }

    /// Does something with a dead letter.
    pub async fn deal(&self, id: DeadLetterId, act: DeadLetterAct) -> DeadLetterActed {
        let entry = self.act("dead_letter.acted");
        let acted = self.desk.act_on_dead_letter(id, act, entry).await.unwrap();
        self.assert_balanced().await;
        acted
    }

    /// Has it tried again.
    pub async fn redrive(&self, id: DeadLetterId) -> DeadLetterActed {
        self.deal(id, DeadLetterAct::Retry { confirmed: false })
            .await
    }

    pub fn act(&self, action: &str) -> AuditEntry {
        AuditEntry {
            action: action.into(),
            ..self.entry()
        }
    }
}
