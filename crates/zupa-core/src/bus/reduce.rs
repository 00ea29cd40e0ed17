//! What happens to events before they are numbered.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use super::event::Draft;
use super::handle::Shared;
use super::pattern::Pattern;

/// The most events that come of one.
pub(super) const FAN_OUT: usize = 64;

/// What becomes of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Reduced {
    /// It goes no further.
    Drop,
    /// It passes as it is.
    Keep,
    /// These go on in its place.
    Many(Vec<Draft>),
}

pub(super) type Reduce = Box<dyn Fn(&Draft) -> Reduced + Send + Sync>;

/// One reducer.
pub(super) struct Reducer {
    pattern: Pattern,
    reduce: Reduce,
}

impl Reducer {
    /// Takes what has the pattern out of `drafts` and puts back what becomes of it, in
    /// order.
    pub(super) fn run(&self, drafts: Vec<Draft>, shared: &Shared) -> Vec<Draft> {
        if !drafts.iter().any(|draft| self.pattern.matches(draft.name)) {
            return drafts;
        }
        let mut passed = Vec::with_capacity(drafts.len());
        for draft in drafts {
            if !self.pattern.matches(draft.name) {
                passed.push(draft);
                continue;
            }
            // It may leave what it shares half changed; that is its own.
            match catch_unwind(AssertUnwindSafe(|| (self.reduce)(&draft))) {
                Ok(Reduced::Drop) => {}
                Ok(Reduced::Keep) => passed.push(draft),
                Ok(Reduced::Many(many)) => passed.extend(many),
                Err(_panic) => {
                    shared.panicked();
                    passed.push(draft);
                }
            }
        }
        for beyond in passed.drain(FAN_OUT.min(passed.len())..) {
            shared.lose(beyond.name.namespace());
        }
        passed
    }
}

/// A reducer at work. Dropped, it is over.
#[must_use = "a reducer is over when its registration is dropped"]
pub struct Registration {
    id: u64,
    shared: Weak<Shared>,
}

impl Registration {
    pub(super) fn new(shared: &Arc<Shared>, pattern: Pattern, reduce: Reduce) -> Self {
        let reducer = Reducer { pattern, reduce };
        Self {
            id: shared.registry.add_reducer(reducer),
            shared: Arc::downgrade(shared),
        }
    }

    /// Ends the reducer. Events that the driver takes from now on do not meet it.
    pub fn remove(self) {}
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.registry.remove(self.id);
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registration({})", self.id)
    }
}
