//! What the audit says of the end of a run.

use zupa_core::audit::{self, AuditEntry, AuditHead, AuditLink};
use zupa_core::store::{ClaimedTurn, TurnEnd, Verdict};

use super::Committer;
use crate::turn::Noted;

impl Committer {
    /// The entries of an end, chained to a head: what the run has noted, then the end.
    pub(super) fn audit(
        &self,
        turn: &ClaimedTurn,
        end: &TurnEnd,
        noted: &[Noted],
        mut head: AuditHead,
    ) -> Vec<AuditLink> {
        let (action, reason, outbound) = match end {
            TurnEnd::Commit(commit) => match &commit.verdict {
                Verdict::Answered | Verdict::Silent(_) if commit.parks() => {
                    ("turn.parked", String::new(), &commit.outbound[..])
                }
                Verdict::Answered => ("turn.answered", String::new(), &commit.outbound[..]),
                Verdict::Silent(why) => ("turn.silent", why.clone(), &commit.outbound[..]),
                Verdict::Refused(why) => ("turn.refused", why.clone(), &commit.outbound[..]),
                Verdict::Dead(failure) => {
                    ("turn.dead", failure.message.clone(), &commit.outbound[..])
                }
            },
            TurnEnd::Split { failure } => ("turn.split", failure.message.clone(), &[][..]),
            // Not an end of anything: the row says when and why.
            TurnEnd::Retry { .. } | TurnEnd::Release => return Vec::new(),
        };
        let salt = (!outbound.is_empty()).then(|| self.ids.random());
        let said: String = outbound
            .iter()
            .map(|row| row.outbound.content.as_prompt_text())
            .collect();
        let entry = |action: &str, reason: String, commitment| AuditEntry {
            at: self.clock.wall(),
            actor: format!("agent:{}", self.agent.name),
            action: action.into(),
            reason,
            turn: Some(turn.turn),
            config: self.settings.config,
            commitment,
        };
        let stream = turn.conversation.to_string();
        let mut links: Vec<_> = noted
            .iter()
            .map(|noted| entry(noted.action, noted.reason.clone(), None))
            .map(|entry| head.append(&stream, entry, None))
            .collect();
        let commitment = salt.map(|salt| audit::commitment(salt, said.as_bytes()));
        links.push(head.append(&stream, entry(action, reason, commitment), salt));
        links
    }
}
