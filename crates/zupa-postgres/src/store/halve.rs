//! A batch in two parts, and their answers joined again. Items keep their order,
//! so two halves one after the other do what the whole would have done.

use std::collections::HashSet;

use serde::Deserialize;
use uuid::Uuid;
use zupa_core::store::{Accept, Applied, Batch};
use zupa_core::{Address, Error};

/// The first and the second half of the items, in the order of their writing.
pub(super) fn halve(mut batch: Batch) -> (Batch, Batch) {
    let mut keep = batch.len() / 2;
    let second = Batch {
        now: batch.now,
        settle: beyond(&mut batch.settle, &mut keep),
        receipts: beyond(&mut batch.receipts, &mut keep),
        record: beyond(&mut batch.record, &mut keep),
        finish: beyond(&mut batch.finish, &mut keep),
        accept: beyond(&mut batch.accept, &mut keep),
        attempt: beyond(&mut batch.attempt, &mut keep),
        claim: beyond(&mut batch.claim, &mut keep),
        renew: beyond(&mut batch.renew, &mut keep),
    };
    (batch, second)
}

/// Leaves what is still to be kept, and takes the rest.
fn beyond<T>(list: &mut Vec<T>, keep: &mut usize) -> Vec<T> {
    let here = list.len().min(*keep);
    *keep -= here;
    list.split_off(here)
}

/// What somebody else keeps locked.
#[derive(Debug, Deserialize)]
pub(super) struct Stuck {
    pub conversations: HashSet<Uuid>,
    /// Names that lead there.
    pub names: Vec<Address>,
}

impl Stuck {
    fn holds_up(&self, item: &Accept) -> bool {
        let address = &item.inbound.address;
        let is_of = |name: &Address| {
            name.tenant == address.tenant
                && name.channel == address.channel
                && (name.alias == address.alias || item.inbound.also.contains(&name.alias))
        };
        self.names.iter().any(is_of)
    }
}

/// For each item of each list whether it is stuck.
#[derive(Debug, Default)]
pub(super) struct Places {
    settle: Vec<bool>,
    record: Vec<bool>,
    finish: Vec<bool>,
    accept: Vec<bool>,
    attempt: Vec<bool>,
    claim: Vec<bool>,
    renew: Vec<bool>,
}

/// The items that are free, those that are stuck, and where each was. News is
/// tried with the free ones, since nobody knows what it is about.
pub(super) fn part(batch: Batch, stuck: &Stuck) -> (Batch, Batch, Places) {
    let is_stuck = |conversation: Uuid| stuck.conversations.contains(&conversation);
    let (settle, settle_held, settle_places) =
        sift(batch.settle, |item| is_stuck(item.conversation.0));
    let (record, record_held, record_places) =
        sift(batch.record, |item| is_stuck(item.conversation.0));
    let (finish, finish_held, finish_places) =
        sift(batch.finish, |item| is_stuck(item.conversation.0));
    let (accept, accept_held, accept_places) = sift(batch.accept, |item| stuck.holds_up(item));
    let (attempt, attempt_held, attempt_places) =
        sift(batch.attempt, |item| is_stuck(item.conversation.0));
    // A claim passes locked rows over by itself.
    let (claim, claim_held, claim_places) = sift(batch.claim, |_| false);
    let (renew, renew_held, renew_places) = sift(batch.renew, |item| is_stuck(item.conversation.0));
    let free = Batch {
        now: batch.now,
        settle,
        receipts: batch.receipts,
        record,
        finish,
        accept,
        attempt,
        claim,
        renew,
    };
    let held = Batch {
        now: batch.now,
        settle: settle_held,
        receipts: Vec::new(),
        record: record_held,
        finish: finish_held,
        accept: accept_held,
        attempt: attempt_held,
        claim: claim_held,
        renew: renew_held,
    };
    let places = Places {
        settle: settle_places,
        record: record_places,
        finish: finish_places,
        accept: accept_places,
        attempt: attempt_places,
        claim: claim_places,
        renew: renew_places,
    };
    (free, held, places)
}

fn sift<T>(items: Vec<T>, is_stuck: impl Fn(&T) -> bool) -> (Vec<T>, Vec<T>, Vec<bool>) {
    let places = items.iter().map(&is_stuck).collect();
    let (held, free) = items.into_iter().partition(is_stuck);
    (free, held, places)
}

/// Puts the answers of both parts back in order.
pub(super) fn weave(places: Places, free: Applied, held: Applied) -> Applied {
    Applied {
        settle: shuffle(&places.settle, free.settle, held.settle),
        record: shuffle(&places.record, free.record, held.record),
        finish: shuffle(&places.finish, free.finish, held.finish),
        accept: shuffle(&places.accept, free.accept, held.accept),
        taken: shuffle(&places.accept, free.taken, held.taken),
        attempt: shuffle(&places.attempt, free.attempt, held.attempt),
        claim: shuffle(&places.claim, free.claim, held.claim),
        renew: shuffle(&places.renew, free.renew, held.renew),
    }
}

fn shuffle<T>(places: &[bool], free: Vec<T>, held: Vec<T>) -> Vec<T> {
    let (mut free, mut held) = (free.into_iter(), held.into_iter());
    let next = |is_held: &bool| if *is_held { held.next() } else { free.next() };
    places.iter().filter_map(next).collect()
}

/// Adds the answers of the next part.
pub(super) fn join(applied: &mut Applied, next: Applied) {
    applied.settle.extend(next.settle);
    applied.record.extend(next.record);
    applied.finish.extend(next.finish);
    applied.accept.extend(next.accept);
    applied.taken.extend(next.taken);
    applied.attempt.extend(next.attempt);
    applied.claim.extend(next.claim);
    applied.renew.extend(next.renew);
}

/// The answer to a batch of which nothing was taken.
pub(super) fn refused(batch: &Batch, error: &Error) -> Applied {
    fn each<T, A>(items: &[T], error: &Error) -> Vec<Result<A, Error>> {
        items.iter().map(|_| Err(error.clone())).collect()
    }
    Applied {
        settle: each(&batch.settle, error),
        record: each(&batch.record, error),
        finish: each(&batch.finish, error),
        accept: each(&batch.accept, error),
        taken: batch.accept.iter().map(|_| None).collect(),
        attempt: each(&batch.attempt, error),
        claim: each(&batch.claim, error),
        renew: each(&batch.renew, error),
    }
}

#[cfg(test)]
mod tests {
    use zupa_core::store::Renew;
    use zupa_core::store::{Attempt, Record};
    use zupa_core::{ConversationId, Digest, EffectClass, Epoch, Number, Step, Timestamp, TurnId};

    use super::*;

    fn batch() -> Batch {
        let conversation = ConversationId(Uuid::from_u128(1));
        let record = |run| Record {
            turn: TurnId(Uuid::from_u128(2)),
            conversation,
            epoch: Epoch(1),
            run,
            step: Step {
                key: "k".into(),
                ordinal: 0,
                input: Digest::default(),
                class: EffectClass::Pure,
                result: Some("1".into()),
            },
            say: Vec::new(),
        };
        let attempt = |attempt| Attempt {
            conversation,
            number: Number(1),
            attempt,
            answer_by: Timestamp(1),
            pace: None,
            window: None,
        };
        let renew = |epoch| Renew {
            conversation,
            turn: TurnId(Uuid::from_u128(2)),
            epoch: Epoch(epoch),
            expires_at: Timestamp(1),
        };
        Batch {
            now: Timestamp(7),
            record: vec![record(1), record(2)],
            attempt: vec![attempt(3), attempt(4), attempt(5)],
            renew: vec![renew(6)],
            ..Batch::default()
        }
    }

    /// The numbers that the items above carry, in the order of writing.
    fn marks(batch: &Batch) -> Vec<u64> {
        let records = batch.record.iter().map(|item| u64::from(item.run));
        let attempts = batch.attempt.iter().map(|item| u64::from(item.attempt));
        records
            .chain(attempts)
            .chain(batch.renew.iter().map(|item| item.epoch.0))
            .collect()
    }

    #[test]
    fn halves_keep_order_time_and_every_item() {
        let mut parts = vec![batch()];
        let mut seen = Vec::new();
        while let Some(part) = parts.pop() {
            assert_eq!(part.now, Timestamp(7));
            if part.len() > 1 {
                let (first, second) = halve(part);
                assert!(!first.is_empty() && !second.is_empty());
                parts.extend([second, first]);
            } else {
                seen.extend(marks(&part));
            }
        }
        assert_eq!(seen, marks(&batch()));
    }

    #[test]
    fn what_is_stuck_is_put_aside_and_answered_in_its_place() {
        let mut whole = batch();
        let stuck = ConversationId(Uuid::from_u128(9));
        whole.attempt[1].conversation = stuck;
        let stuck = Stuck {
            conversations: HashSet::from([stuck.0]),
            names: Vec::new(),
        };
        let (free, held, places) = part(whole, &stuck);
        assert_eq!((marks(&free), marks(&held)), (vec![1, 2, 3, 5, 6], vec![4]));
        let granted = |batch: &Batch| Applied {
            attempt: batch
                .attempt
                .iter()
                .map(|_| Ok(zupa_core::store::Attempted::Granted))
                .collect(),
            ..Applied::default()
        };
        let refused = refused(&held, &Error::internal("stuck"));
        let woven = weave(places, granted(&free), refused);
        let taken: Vec<_> = woven.attempt.iter().map(Result::is_ok).collect();
        assert_eq!(taken, [true, false, true]);
    }
}
