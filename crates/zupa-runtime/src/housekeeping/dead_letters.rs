//! Dead letters that ended long ago: written down if that is wanted, then forgotten, each
//! with an entry in its conversation's audit. And an alarm when too many wait.
//!
//! Several processes may do so at once: what one has forgotten the others pass over, and a
//! dead letter may then stand in two files. None is forgotten that stands in no file.

use tracing::{debug, info, warn};
use zupa_core::bus::{Draft, names};
use zupa_core::{
    AuditEntry, DeadLetter, DeadLetterAct, DeadLetterActed, DeadLetterFilter, Desk, Result,
};

use super::{Housekeeper, PURGE_BITES, PURGE_ROWS, export};

/// Dead letters in one file, which are in memory at once with what they say.
const BITE: usize = 100;

impl Housekeeper {
    pub(super) async fn forget_dead_letters(&self) {
        let Some(desk) = &self.desk else { return };
        for _ in 0..PURGE_BITES {
            match self.forget_some(desk.as_ref()).await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    warn!(%error, "dead letters that ended long ago stay for now");
                    return;
                }
            }
        }
    }

    /// Forgets a bite; answers how many went.
    async fn forget_some(&self, desk: &dyn Desk) -> Result<usize> {
        let before = self.clock.wall().minus(self.settings.dead_letter_retention);
        let filter = DeadLetterFilter {
            ended_before: Some(before),
            ..DeadLetterFilter::default()
        };
        let old = desk.dead_letters(&filter, None, BITE).await?;
        if old.is_empty() {
            return Ok(0);
        }
        let file = self.write_down(desk, &old).await?;
        let mut gone = 0;
        for letter in &old {
            let entry = self.entry(letter, file.as_deref());
            let acted = desk.act_on_dead_letter(letter.id, DeadLetterAct::Forget, entry);
            if let DeadLetterActed::Done { .. } = acted.await? {
                gone += 1;
            }
        }
        info!(gone, file, "forgot dead letters that ended long ago");
        Ok(gone)
    }

    /// Writes them to a file, if that is wanted; answers its name.
    async fn write_down(&self, desk: &dyn Desk, old: &[DeadLetter]) -> Result<Option<String>> {
        let Some(folder) = &self.settings.dead_letter_export else {
            return Ok(None);
        };
        let mut views = Vec::with_capacity(old.len());
        for letter in old {
            views.extend(desk.dead_letter(letter.id).await?);
        }
        let name = export::name(self.clock.wall(), self.process);
        export::write(folder.join(&name), views).await?;
        Ok(Some(name))
    }

    fn entry(&self, letter: &DeadLetter, file: Option<&str>) -> AuditEntry {
        let (id, state) = (letter.id, letter.state.as_str());
        AuditEntry {
            at: self.clock.wall(),
            actor: "runtime".to_owned(),
            action: "dead_letter.forgotten".to_owned(),
            reason: match file {
                Some(file) => format!("{id}: {state}, written to {file}"),
                None => format!("{id}: {state}"),
            },
            turn: None,
            config: self.settings.config,
            commitment: None,
        }
    }

    pub(super) async fn purge_failures(&self, alarm: &mut Alarm) {
        let before = self.clock.wall().minus(self.settings.dead_letter_retention);
        let kept = match self.store.purge_failures(before, PURGE_ROWS).await {
            Ok(kept) => kept,
            Err(error) => {
                warn!(%error, "could not forget failures that came to nothing");
                return;
            }
        };
        if kept.gone > 0 {
            debug!(rows = kept.gone, "forgot failures that came to nothing");
        }
        let (pending, threshold) = (kept.pending, alarm.threshold);
        let waits = kept.oldest_at.map(|at| self.clock.wall().since(at));
        let counted = Draft::of(names::DEAD_LETTERS_COUNTED).with("pending", pending);
        self.bus
            .emit(counted.with("oldest", waits.unwrap_or_default()));
        if alarm.rings(pending) {
            let draft = Draft::of(names::DEAD_LETTERS_ALERT);
            self.bus
                .emit(draft.with("pending", pending).with("threshold", threshold));
            warn!(
                pending,
                threshold, "too many dead letters wait for an operator"
            );
        }
    }
}

/// Rings once when a number reaches its threshold, and not again before it has been
/// below four fifths of it.
pub(super) struct Alarm {
    threshold: u64,
    armed: bool,
}

impl Alarm {
    pub(super) fn new(threshold: u64) -> Self {
        Self {
            threshold,
            armed: true,
        }
    }

    fn rings(&mut self, number: u64) -> bool {
        let rings = self.armed && number >= self.threshold;
        if rings {
            self.armed = false;
        } else if number.saturating_mul(5) < self.threshold.saturating_mul(4) {
            self.armed = true;
        }
        rings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alarm_rings_once_per_crossing_and_is_armed_again_below_four_fifths() {
        let mut alarm = Alarm::new(100);
        let pending = [99, 100, 101, 99, 100, 80, 100, 79, 99, 100, 150, 0, 100];
        let rings = pending.map(|pending| alarm.rings(pending));
        let rang: Vec<_> = (0..).zip(rings).filter(|(_, rang)| *rang).collect();
        let at: Vec<i32> = rang.into_iter().map(|(at, _)| at).collect();
        assert_eq!(at, [1, 9, 12]);
    }
}
