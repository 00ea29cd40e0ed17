//! What nodes have come to that a review parks in their middle.

use zupa_core::NewWait;

use super::State;
use crate::turn::{Before, Run, Stop};

/// What nodes side by side came to; else what stops the first of them. If that is a review,
/// what others have come to that are reviewed as well goes with it.
pub(super) fn together<T>(branches: Vec<Result<T, Stop>>) -> Result<Vec<T>, Stop> {
    let mut branches = branches.into_iter();
    let mut moved = Vec::new();
    while let Some(branch) = branches.next() {
        match branch {
            Ok(branch) => moved.push(branch),
            Err(Stop::Review(mut review)) => {
                for other in branches {
                    if let Err(Stop::Review(other)) = other {
                        review.and(other);
                    }
                }
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

    fn reviewed(step: &str) -> Result<(), Stop> {
        let before = Before {
            updates: Box::new(()),
            reminders: Vec::new(),
            steps: vec![step.to_owned()],
        };
        Err(Stop::Review(Review::effect(Value::Null).with(before)))
    }

    #[test]
    fn what_several_reviewed_nodes_have_come_to_is_in_declared_order() {
        let branches = vec![Ok(()), reviewed("b"), Ok(()), reviewed("c"), reviewed("a")];
        let Err(Stop::Review(review)) = together(branches) else {
            panic!("a review");
        };
        let steps: Vec<_> = review
            .before
            .iter()
            .map(|before| &before.steps[0])
            .collect();
        assert_eq!(steps, ["b", "c", "a"]);
    }

    #[test]
    fn an_error_before_a_review_stops_the_run() {
        let failed = Err(Stop::Failed(Error::internal("as the test wants it")));
        let stopped = together(vec![failed, reviewed("a")]);
        assert!(matches!(stopped, Err(Stop::Failed(_))));
    }
}
