//! Waits at random: generated histories of messages, parked turns, decisions,
//! time, failures and deaths, against a model that knows only what was told
//! outside.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use zupa_core::desk::Decided;
use zupa_core::store::{
    Accepted, ClaimOutcome, ClaimedTurn, Commit, Finished, OutboxRow, Record, TurnEnd, Verdict,
};
use zupa_core::{
    Burst, Content, ConversationId, DeliveryState, EventId, NewWait, Outbound, StoredState,
    Timestamp, TurnId, WaitId, WaitKind, WaitState,
};

use super::Harness;
use super::world::World;
use super::world::path::{LOADS, answered, failure, record_of};
use super::world::waits::{MINUTE, handed};
use crate::SeqIds;

const PEOPLE: [&str; 3] = ["ana", "bob", "cyd"];

/// A wait as the outside knows it.
struct Known {
    wait: NewWait,
    conversation: ConversationId,
    turn: TurnId,
    is_open: bool,
    /// When it was opened, in steps of the walk.
    step: usize,
}

impl Known {
    /// What goes on together: the parked turn, or the wait alone.
    fn group(&self) -> uuid::Uuid {
        match self.wait.resume {
            Some(_) => self.turn.0,
            None => self.wait.id.0,
        }
    }
}

#[derive(Default)]
struct Model {
    step: usize,
    waits: Vec<Known>,
    /// Accepted messages, and the step at which each came.
    heard: BTreeMap<EventId, usize>,
    /// Groups of which nothing is open any more, by a decision or by the time.
    woken: BTreeSet<uuid::Uuid>,
    /// Groups that a committed turn went on with.
    resumed: BTreeSet<uuid::Uuid>,
    consumed: BTreeSet<EventId>,
    /// The last number that each conversation has consumed.
    last: BTreeMap<ConversationId, u64>,
    states: BTreeMap<ConversationId, StoredState>,
}

impl Model {
    fn wait(&mut self, id: WaitId) -> &mut Known {
        let mut waits = self.waits.iter_mut();
        waits.find(|known| known.wait.id == id).unwrap()
    }

    /// A decision or the time settles a wait; its group may go on.
    fn wake(&mut self, id: WaitId) {
        let known = self.wait(id);
        assert!(known.is_open, "{id} was settled twice");
        known.is_open = false;
        let group = known.group();
        let mut waits = self.waits.iter();
        if !waits.any(|known| known.group() == group && known.is_open) {
            assert!(self.woken.insert(group), "{group} was woken twice");
        }
    }

    /// What a claim hands out must be what the outside would expect.
    fn check(&self, turn: &ClaimedTurn) {
        let kept = self.states.get(&turn.conversation);
        assert_eq!(turn.state.as_ref(), kept, "the last committed state");
        assert!(turn.steps.is_sorted_by_key(|step| step.ordinal));
        let first = &turn.inbounds[0];
        let waits = self.waits.iter();
        let expected: Vec<_> = if let Content::Settled { wait } = first.content {
            assert_eq!(turn.inbounds.len(), 1);
            let mut known = self.waits.iter();
            let group = known.find(|known| known.wait.id == wait).unwrap().group();
            assert!(self.woken.contains(&group), "{wait} woke too early");
            let group = waits.filter(|known| known.group() == group);
            group.map(|known| known.wait.id).collect()
        } else {
            let came = self.heard[&first.event];
            let open = waits.rev().filter(|known| {
                let in_time = |by: Timestamp| by > first.accepted_at;
                known.conversation == turn.conversation
                    && known.wait.kind == WaitKind::Reply
                    && known.is_open
                    && known.step < came
                    && known.wait.expires_at.is_none_or(in_time)
            });
            open.map(|known| known.wait.id).collect()
        };
        assert_eq!(handed(turn), expected);
    }

    fn consume(&mut self, turn: &ClaimedTurn, commit: &Commit) {
        for inbound in &turn.inbounds {
            assert!(self.consumed.insert(inbound.event), "consumed twice");
            let last = self.last.entry(turn.conversation).or_default();
            assert!(inbound.number.0 > *last, "out of order");
            *last = inbound.number.0;
            if let Content::Settled { wait } = inbound.content {
                let group = self.wait(wait).group();
                assert!(self.resumed.insert(group), "went on twice");
            }
        }
        for (id, _) in &commit.settles {
            self.wait(*id).is_open = false;
        }
        let opened = commit.waits.iter().map(|wait| Known {
            wait: wait.clone(),
            conversation: turn.conversation,
            turn: turn.turn,
            is_open: true,
            step: self.step,
        });
        self.waits.extend(opened);
        if let Some(state) = &commit.state {
            self.states.insert(turn.conversation, state.clone());
        }
    }

    /// What is accepted and not consumed, internal inbounds included.
    fn backlog(&self) -> u64 {
        (self.heard.len() + self.woken.len() - self.consumed.len()) as u64
    }
}

/// Generated histories of waits: each parked turn goes on once, when nothing of
/// it is open any more; each message is handed the waits it may answer; nothing
/// is lost, doubled or out of order.
pub async fn generated_waits_go_on_once(harness: &dyn Harness) {
    for seed in 11..11 + harness.histories() {
        wander(harness, seed, 200).await;
    }
}

async fn wander(harness: &dyn Harness, seed: u64, steps: usize) {
    let mut world = World::open(harness).await;
    world.ids = SeqIds::seeded(seed);
    let mut model = Model::default();
    let mut hands: Vec<ClaimedTurn> = Vec::new();
    for step in 1..=steps {
        model.step = step;
        match world.ids.below(20) {
            0..=4 => hear(&world, &mut model, step).await,
            5..=8 if !model.heard.is_empty() => {
                for due in world.due().await {
                    if let ClaimOutcome::Taken(turn) = world.ask(due).await {
                        model.check(&turn);
                        hands.push(*turn);
                    }
                }
            }
            9..=13 if !hands.is_empty() => {
                let turn = hand(&world, &hands);
                end(&world, &mut model, &turn).await;
            }
            14 if !hands.is_empty() => {
                let turn = hand(&world, &hands);
                fail(&world, &turn).await;
            }
            15..=16 if !model.waits.is_empty() => {
                let id = model.waits[below(&world, model.waits.len())].wait.id;
                decide(&world, &mut model, id).await;
            }
            17 => expire(&world, &mut model).await,
            18 => world.pass(Duration::from_secs(1 + world.ids.below(8))),
            // Deaths in a row would convict a turn that did nothing.
            19 if step % 3 == 0 => world = world.die().await.0,
            19 => world = world.restart().await.0,
            _ => {}
        }
        let backlog = world.store.backlog().await.unwrap();
        assert_eq!(backlog, model.backlog(), "seed {seed}, step {step}");
    }
    drain(&mut world, &mut model, seed).await;
}

async fn hear(world: &World<'_>, model: &mut Model, step: usize) {
    let alias = PEOPLE[below(world, PEOPLE.len())];
    let mut message = world.message(alias, &format!("m{step}"), "hello");
    if world.ids.below(3) == 0 {
        message.burst = Burst {
            silence: Duration::from_secs(3),
            ..Burst::default()
        };
    }
    let event = message.event;
    let accepted = world.accept_one(message).await;
    assert!(matches!(accepted, Accepted::Queued { .. }));
    model.heard.insert(event, step);
}

/// A commit with whatever comes to mind, chained again if a decision moved the
/// head meanwhile.
async fn end(world: &World<'_>, model: &mut Model, turn: &ClaimedTurn) {
    let rows = [("a", DeliveryState::Sent), ("b", DeliveryState::Sent)];
    let rows = &rows[..below(world, 3)];
    let waits: Vec<_> = (0..below(world, 4)).map(|_| some_wait(world)).collect();
    let settles = turn
        .waits
        .iter()
        .filter(|wait| wait.state == WaitState::Open);
    let settles = settles.take(below(world, 3)).map(|wait| {
        let cancelled = world.ids.below(2) == 0;
        let state = if cancelled {
            WaitState::Cancelled
        } else {
            WaitState::Decided
        };
        (wait.opened.id, state)
    });
    let commit = Commit {
        verdict: if rows.is_empty() {
            Verdict::Silent("quiet".into())
        } else {
            Verdict::Answered
        },
        settles: settles.collect(),
        waits,
        state: (world.ids.below(2) == 0).then(|| StoredState {
            version: LOADS,
            json: world.ids.below(1000).to_string(),
        }),
        ..answered(rows)
    };
    let mut finish = world.finish_of(turn, TurnEnd::Commit(commit.clone()));
    let mut finished = world.finish(finish.clone()).await;
    if let Finished::HeadMoved(head) = finished {
        finish.audit_head = head;
        finish.audit = vec![world.link(head, turn, "turn.committed")];
        finished = world.finish(finish).await;
    }
    match finished {
        Finished::Done { numbers, .. } => {
            assert_eq!(numbers.len(), rows.len());
            model.consume(turn, &commit);
        }
        Finished::Already { .. } | Finished::Stale => {}
        other @ Finished::HeadMoved(_) => panic!("was {other:?}"),
    }
}

fn some_wait(world: &World<'_>) -> NewWait {
    let kind = WaitKind::ALL[below(world, WaitKind::ALL.len())];
    let at = world.after(1 + world.ids.below(20));
    match world.ids.below(4) {
        0 => world.timer(at),
        1 if kind != WaitKind::Timer => world.wait_for(kind),
        _ => world.wait_until(kind, at),
    }
}

async fn fail(world: &World<'_>, turn: &ClaimedTurn) {
    let end = match world.ids.below(4) {
        0 => TurnEnd::Release,
        1 => TurnEnd::Split { failure: failure() },
        2 => TurnEnd::Retry {
            not_before: world.after(world.ids.below(5)),
            failure: failure(),
        },
        _ => {
            let say = vec![OutboxRow {
                outbound: Outbound::aside("one moment"),
                state: DeliveryState::Sent,
                answer_by: None,
            }];
            let key = format!("k{}", world.ids.below(3));
            let record = Record {
                say,
                ..record_of(turn, &key, "1")
            };
            let batch = zupa_core::store::Batch {
                record: vec![record],
                ..world.batch()
            };
            world.write(batch).await;
            return;
        }
    };
    // Where a decision has moved the head, the run's end is refused, and its
    // claim runs out.
    world.end(turn, end).await;
}

async fn decide(world: &World<'_>, model: &mut Model, id: WaitId) {
    let decided = world.decide(id).await;
    let known = model.wait(id);
    match decided {
        Decided::Done {
            conversation,
            due_at,
        } => {
            assert_eq!(conversation, known.conversation);
            let before = model.woken.len();
            model.wake(id);
            assert_eq!(due_at.is_some(), model.woken.len() > before);
        }
        Decided::Already(_) => assert!(!known.is_open),
        Decided::NotTheirs(kind) => assert_eq!(kind, known.wait.kind),
        Decided::Claimed(_) => panic!("nobody has claimed {id}"),
        Decided::NotFound => panic!("{id} was opened"),
    }
}

async fn expire(world: &World<'_>, model: &mut Model) {
    let open: BTreeSet<_> = model
        .waits
        .iter()
        .filter(|known| known.is_open)
        .map(|known| known.wait.id)
        .collect();
    let due = world.expire().await;
    let before = model.woken.len();
    for wait in world
        .desk
        .waits(Some(WaitState::Expired), 1000)
        .await
        .unwrap()
    {
        if open.contains(&wait.opened.id) {
            assert!(wait.opened.expires_at.is_some_and(|at| at <= world.now));
            model.wake(wait.opened.id);
        }
    }
    assert_eq!(due.is_empty(), model.woken.len() == before);
}

/// The faults stop: all that can be settled is, and all that is due is answered.
async fn drain(world: &mut World<'_>, model: &mut Model, seed: u64) {
    for round in 0.. {
        assert!(round < 100, "seed {seed}: the backlog does not drain");
        world.pass(MINUTE);
        model.step += 1;
        for due in world.due().await {
            let turn = world.claim(due).await;
            model.check(&turn);
            let quiet = super::world::waits::quiet();
            world.leave(&turn, quiet.clone()).await;
            model.consume(&turn, &quiet);
        }
        expire(world, model).await;
        let decisions = model
            .waits
            .iter()
            .filter(|known| known.is_open && known.wait.kind == WaitKind::Decision);
        let decisions: Vec<_> = decisions.map(|known| known.wait.id).collect();
        for id in &decisions {
            decide(world, model, *id).await;
        }
        if decisions.is_empty() && world.due().await.is_empty() {
            break;
        }
    }
    assert_eq!(model.backlog(), 0, "seed {seed}: lost");
    assert_eq!(model.resumed, model.woken, "seed {seed}");
    assert!(model.resumed.len() > 3, "seed {seed}: the walk must park");
    let open = world.desk.waits(Some(WaitState::Open), 1000).await.unwrap();
    let open: BTreeSet<_> = open.into_iter().map(|wait| wait.opened.id).collect();
    let expected = model.waits.iter().filter(|known| known.is_open);
    let expected: BTreeSet<_> = expected.map(|known| known.wait.id).collect();
    assert_eq!(open, expected, "seed {seed}");
}

/// Mostly the newest: most of the others have lost their claims by now.
fn hand(world: &World<'_>, hands: &[ClaimedTurn]) -> ClaimedTurn {
    let place = match below(world, 3) {
        0 => below(world, hands.len()),
        back => hands.len().saturating_sub(back),
    };
    hands[place].clone()
}

fn below(world: &World<'_>, bound: usize) -> usize {
    usize::try_from(world.ids.below(bound as u64)).unwrap()
}
