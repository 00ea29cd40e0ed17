//! What nodes have come to that a review parks in their middle.

use zupa_core::NewWait;

use super::State;
use crate::turn::{Before, Run, Stop};

/// What nodes side by side came to; else what stops the first of them. If that is a review,
/// what the others have come to goes with it, in declared order: they begin again, too.
pub(super) fn together<T>(
    branches: Vec<Result<T, Stop>>,
    came_to: impl Fn(T) -> Option<Before>,
) -> Result<Vec<T>, Stop> {
    let mut branches = branches.into_iter();
    let mut moved = Vec::new();
    while let Some(branch) = branches.next() {
        match branch {
            Ok(branch) => moved.push(branch),
            Err(Stop::Review(mut review)) => {
                let own = std::mem::take(&mut review.before);
                let earlier = moved.into_iter().filter_map(&came_to);
                let later = branches.flat_map(|other| match other {
                    Ok(other) => came_to(other).into_iter().collect(),
                    Err(Stop::Review(other)) => other.before,
                    Err(_) => Vec::new(),
                });
                review.before = earlier.chain(own).chain(later).collect();
                return Err(Stop::Review(review));
            }
            Err(stop) => return Err(stop),
        }
    }
    Ok(moved)
}

/// Applies what a visit has come to before it is parked, and answers what it reminds of;
/// when it begins again it does not come to that.
pub(super) fn apply_before<S: State>(
    state: &mut S,
    before: Before,
    run: &Run,
) -> Result<Vec<NewWait>, Stop> {
    // What a graph inside of a node has come to stays with its steps.
    let Ok(updates) = before.updates.downcast::<Vec<S::Update>>() else {
        return Ok(Vec::new());
    };
    for update in *updates {
        state.apply(update);
    }
    for step in &before.steps {
        run.has_kept(step)?;
    }
    Ok(before.reminders)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use zupa_core::Error;

    use super::*;
    use crate::turn::Review;

    fn before(step: &str) -> Before {
        Before {
            updates: Box::new(()),
            reminders: Vec::new(),
            steps: vec![step.to_owned()],
        }
    }

    fn reviewed(step: &str) -> Result<Option<Before>, Stop> {
        Err(Stop::Review(Review::effect(Value::Null).with(before(step))))
    }

    #[test]
    fn what_nodes_beside_a_reviewed_one_have_come_to_is_in_declared_order() {
        let done = |step| Ok(Some(before(step)));
        let failed = Err(Stop::Failed(Error::internal("as the test wants it")));
        let branches = vec![
            done("d"),
            Ok(None),
            reviewed("b"),
            done("c"),
            failed,
            reviewed("a"),
        ];
        let Err(Stop::Review(review)) = together(branches, |before| before) else {
            panic!("a review");
        };
        let steps: Vec<_> = review
            .before
            .iter()
            .map(|before| &before.steps[0])
            .collect();
        assert_eq!(steps, ["d", "b", "c", "a"]);
    }

    #[test]
    fn an_error_before_a_review_stops_the_run() {
        let failed = Err(Stop::Failed(Error::internal("as the test wants it")));
        let stopped = together(vec![failed, reviewed("a")], |before| before);
        assert!(matches!(stopped, Err(Stop::Failed(_))));
    }
}
