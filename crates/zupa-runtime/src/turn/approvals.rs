//! Approvals of calls: each is good for the one step that was made with it.

use serde_json::Value;
use zupa_core::{Digest, EffectClass, Step, Wait, WaitId, WaitKind};

use super::Run;

impl Run {
    /// Gives each step that is recorded the approval of its call: it was made with it, also
    /// if this run never asks for it.
    pub(crate) fn binds(&self) {
        let approvals: Vec<_> = self.settled().iter().filter_map(approves).collect();
        let mut used = self.lock_used();
        for step in self.steps() {
            if used.iter().any(|(_, by)| *by == step.key) {
                continue;
            }
            let of_it =
                |(id, input): &&(WaitId, Digest)| *input == step.input && is_free(&used, *id);
            if let Some((id, _)) = approvals.iter().find(of_it) {
                used.push((*id, step.key));
            }
        }
    }

    /// Takes one of the approvals of a call for its step: the one that the step has, or the
    /// first that no other has.
    pub(crate) fn takes<'w>(&self, approvals: &[&'w Wait], key: &str) -> Option<&'w Wait> {
        let mut used = self.lock_used();
        let has = |wait: &&&Wait| {
            let id = wait.opened.id;
            used.iter().any(|(of, by)| *of == id && by == key)
        };
        if let Some(approval) = approvals.iter().find(has) {
            return Some(approval);
        }
        let is_free = |wait: &&&Wait| is_free(&used, wait.opened.id);
        let free = approvals.iter().find(is_free)?;
        used.push((free.opened.id, key.to_owned()));
        Some(free)
    }

    /// The approvals that were taken, and by which steps; by none if the step was dropped.
    pub(crate) fn used(&self) -> Vec<(WaitId, String)> {
        self.lock_used().clone()
    }

    /// The approvals of calls that are dropped are used up, unless the other side knows the
    /// call again by its key: made anew it would be a second one.
    pub(super) fn uses_up(&self, dropped: &[Step]) {
        let is_known_again = |step: &&Step| step.class == EffectClass::Idempotent;
        let mut used = self.lock_used();
        for (_, by) in used.iter_mut() {
            if dropped
                .iter()
                .filter(|step| !is_known_again(step))
                .any(|step| step.key == *by)
            {
                by.clear();
            }
        }
    }
}

/// The call that an operator has approved, as its step has it.
fn approves(wait: &Wait) -> Option<(WaitId, Digest)> {
    let approved = wait.decision.as_ref().is_some_and(|by| by.approved);
    if wait.opened.kind != WaitKind::Decision || !approved {
        return None;
    }
    let subject: Value = serde_json::from_str(&wait.opened.subject).ok()?;
    subject.get("approve")?;
    let call = Digest::from_hex(subject.get("digest")?.as_str()?)?;
    Some((wait.opened.id, call))
}

/// True for an approval that no step has.
fn is_free(used: &[(WaitId, String)], approval: WaitId) -> bool {
    used.iter().all(|(of, _)| *of != approval)
}
