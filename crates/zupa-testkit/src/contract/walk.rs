//! All stops at once: generated histories of deliveries, redeliveries, claims,
//! lost claims, ends of every kind and deaths, against a model that knows only
//! what was told outside.

use std::collections::BTreeMap;
use std::time::Duration;

use zupa_core::store::{Accepted, ClaimOutcome, ClaimedTurn, Finished, TurnEnd};
use zupa_core::{AuditHead, ConversationId, DeliveryState, EventId, audit};

use super::Harness;
use super::world::path::{answered, failure};
use super::world::{World, count};
use crate::SeqIds;

const PEOPLE: [&str; 4] = ["ana", "bob", "cyd", "dan"];

/// What the outside knows.
#[derive(Default)]
struct Model {
    /// Acknowledged messages, in the order of their acknowledgement.
    acknowledged: BTreeMap<ConversationId, Vec<EventId>>,
    /// Consumed by commits that were written, in the order of the commits.
    consumed: BTreeMap<ConversationId, Vec<EventId>>,
    /// What a platform would deliver again: person and id.
    delivered: Vec<(&'static str, String)>,
    commits: u64,
    stale: u64,
}

impl Model {
    async fn deliver(&mut self, world: &World<'_>, alias: &'static str, id: String) {
        let message = world.message(alias, &id, &id);
        let event = message.event;
        match world.accept_one(message).await {
            Accepted::Queued { conversation, .. } => {
                let acknowledged = self.acknowledged.entry(conversation).or_default();
                acknowledged.push(event);
                assert!(!self.delivered.iter().any(|old| old.1 == id), "{id} twice");
                self.delivered.push((alias, id));
            }
            Accepted::Duplicate { .. } => {
                assert!(self.delivered.iter().any(|old| old.1 == id), "{id} is new");
            }
            other => panic!("{id}: was {other:?}"),
        }
    }

    async fn commit(&mut self, world: &World<'_>, turn: &ClaimedTurn) {
        let commit = answered(&[("hi", DeliveryState::Sent)]);
        match world.end(turn, TurnEnd::Commit(commit)).await {
            Finished::Done { .. } => {
                self.commits += 1;
                let consumed = self.consumed.entry(turn.conversation).or_default();
                consumed.extend(turn.inbounds.iter().map(|inbound| inbound.event));
            }
            Finished::Already { .. } => {}
            Finished::Stale => self.stale += 1,
            other @ Finished::HeadMoved(_) => panic!("was {other:?}"),
        }
    }

    /// Nothing doubled, nothing out of order, at any time.
    fn assert_prefixes(&self, seed: u64) {
        for (conversation, consumed) in &self.consumed {
            let acknowledged = &self.acknowledged[conversation];
            assert!(consumed.len() <= acknowledged.len(), "seed {seed}: doubled");
            assert_eq!(
                *consumed,
                acknowledged[..consumed.len()],
                "seed {seed}: order"
            );
        }
    }
}

/// Generated histories lose nothing, double nothing, keep the order of each
/// conversation, and drain when the faults stop.
pub async fn generated_histories_lose_and_double_nothing(harness: &dyn Harness) {
    for seed in 1..=harness.histories() {
        walk(harness, seed, 160).await;
    }
}

async fn walk(harness: &dyn Harness, seed: u64, steps: usize) {
    let mut world = World::open(harness).await;
    world.ids = SeqIds::seeded(seed);
    let mut model = Model::default();
    // Every claim that was ever granted: most of them are lost by now.
    let mut hands: Vec<ClaimedTurn> = Vec::new();
    for step in 0..steps {
        match world.ids.below(20) {
            0..=4 => {
                let alias = pick(&world, &PEOPLE);
                model.deliver(&world, alias, format!("{seed}/{step}")).await;
            }
            5..=7 if !model.delivered.is_empty() => {
                let (alias, id) = pick(&world, &model.delivered);
                model.deliver(&world, alias, id).await;
            }
            8..=11 if !model.acknowledged.is_empty() => {
                let known: Vec<_> = model.acknowledged.keys().copied().collect();
                let outcome = world.ask(pick(&world, &known)).await;
                if let ClaimOutcome::Taken(turn) = outcome {
                    hands.push(*turn);
                }
            }
            12..=14 if !hands.is_empty() => {
                let turn = pick(&world, &hands);
                model.commit(&world, &turn).await;
                model.assert_prefixes(seed);
            }
            15..=16 if !hands.is_empty() => {
                let turn = pick(&world, &hands);
                fail(&world, &turn).await;
            }
            17..=18 => world.pass(Duration::from_secs(1 + world.ids.below(8))),
            19 => world = world.die().await.0,
            _ => {}
        }
    }
    drain(&mut world, &mut model, seed).await;
}

async fn fail(world: &World<'_>, turn: &ClaimedTurn) {
    let end = match world.ids.below(4) {
        0 => TurnEnd::Release,
        1 if turn.inbounds.len() > 1 => TurnEnd::Split { failure: failure() },
        2 => {
            world.record(turn, "call_model/1/model", "1").await;
            return;
        }
        _ => TurnEnd::Retry {
            not_before: world.after(world.ids.below(5)),
            failure: failure(),
        },
    };
    world.end(turn, end).await;
}

async fn drain(world: &mut World<'_>, model: &mut Model, seed: u64) {
    world.pass(Duration::from_secs(60));
    let mut rounds = 0;
    loop {
        let due = world.due().await;
        if due.is_empty() {
            break;
        }
        for conversation in due {
            let turn = world.claim(conversation).await;
            model.commit(world, &turn).await;
        }
        rounds += 1;
        assert!(rounds < 1000, "seed {seed}: the backlog does not drain");
    }
    model.assert_prefixes(seed);
    for (conversation, acknowledged) in &model.acknowledged {
        let consumed = model.consumed.get(conversation);
        assert_eq!(consumed, Some(acknowledged), "seed {seed}: lost");
        let chain = world.desk.audit(*conversation).await.unwrap();
        let start = AuditHead::default();
        let verified = audit::verify(&conversation.to_string(), start, &chain);
        assert!(verified.is_ok(), "seed {seed}: the audit chain is broken");
    }
    let counts = world.counts().await;
    assert_eq!(counts.accepted, model.delivered.len() as u64);
    assert_eq!(count(&counts.ended, "answered"), counts.accepted);
    assert_eq!(
        count(&counts.deliveries, "sent"),
        model.commits,
        "seed {seed}"
    );
    assert!(
        model.stale > 0,
        "seed {seed}: the walk must try lost claims, too"
    );
}

fn pick<T: Clone>(world: &World<'_>, from: &[T]) -> T {
    let place = world.ids.below(from.len() as u64);
    from[usize::try_from(place).unwrap()].clone()
}
