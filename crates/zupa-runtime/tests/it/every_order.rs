//! Everything that may happen to one send, in every order: a crash, its answer or the loss
//! of it, statuses that say sent, delivered and failed, and a door that was away. What
//! becomes of it is what `design.md` §2.5 says, for both policies.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use zupa_core::{
    Clock, DeadLetterId, DeadLetterState, Deduplicates, DeliveryId, DeliveryState, Desk, OnUnknown,
    ReceiptLevel,
};
use zupa_testkit::Answer;

use crate::support::{DOOR, Setup, World, door, life, pass};

/// What may happen, once each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Happens {
    Crash,
    /// The door is away for a moment: what it does not hear says nothing from now on.
    Away,
    Answered,
    AnswerLost,
    Told(ReceiptLevel),
}

use Happens::{AnswerLost, Answered, Away, Crash, Told};

const OPTIONAL: [Happens; 5] = [
    Crash,
    Away,
    Told(ReceiptLevel::Sent),
    Told(ReceiptLevel::Delivered),
    Told(ReceiptLevel::Failed),
];

/// Apart from each other, and all within the deadline of a send.
const STEP: Duration = Duration::from_millis(1_200);
const STEPS: usize = 6;

type Order = Vec<Happens>;

/// Every order of every choice of what may happen; the send is always answered somewhere,
/// or its answer is lost there.
fn orders() -> Vec<Order> {
    let mut all = Vec::new();
    for chosen in 0..1_u32 << OPTIONAL.len() {
        let picked = OPTIONAL.iter().enumerate();
        let picked = picked.filter(|(place, _)| chosen & 1 << place != 0);
        for answer in [Answered, AnswerLost] {
            let mut events: Order = picked.clone().map(|(_, event)| *event).collect();
            events.push(answer);
            permute(Vec::new(), events, &mut all);
        }
    }
    all
}

fn permute(before: Order, rest: Order, all: &mut Vec<Order>) {
    if rest.is_empty() {
        return all.push(before);
    }
    for place in 0..rest.len() {
        let (mut before, mut rest) = (before.clone(), rest.clone());
        before.push(rest.remove(place));
        permute(before, rest, all);
    }
}

/// How a delivery ends.
#[derive(Debug, PartialEq, Eq)]
struct End {
    state: DeliveryState,
    receipt: ReceiptLevel,
    attempts: u32,
    doubled: u32,
    /// Of its dead letter, if there is one.
    letter: Option<DeadLetterState>,
}

/// What design §2.5 says of an order.
fn end_of(order: &[Happens], policy: OnUnknown) -> End {
    use DeliveryState::{Failed, InDoubt, Sending, Sent, Unknown};
    let (mut state, mut receipt, mut was_dead) = (Sending, ReceiptLevel::None, false);
    let (mut lives, mut is_absence_evidence) = (true, true);
    for event in order {
        state = match (event, state) {
            (Answered, Sending) if lives => Sent,
            (AnswerLost, Sending) if lives => InDoubt,
            (Crash, Sending) => InDoubt,
            (Told(ReceiptLevel::Sent), Sending | InDoubt) => Sent,
            (Told(ReceiptLevel::Delivered), _) => Sent,
            (Told(ReceiptLevel::Failed), Sending | InDoubt) => Failed,
            (_, state) => state,
        };
        was_dead |= state == Failed;
        lives &= *event != Crash;
        is_absence_evidence &= !matches!(event, Crash | Away);
        if let Told(level) = event {
            receipt = receipt.max(*level);
        }
    }
    let (state, attempts, doubled) = match (state, policy) {
        (InDoubt, _) if is_absence_evidence => (Sent, 2, 0),
        (InDoubt, OnUnknown::Review) => (Unknown, 1, 0),
        (InDoubt, OnUnknown::Resend) => (Sent, 2, 1),
        (state, _) => (state, 1, 0),
    };
    let letter = match state {
        Failed | Unknown => Some(DeadLetterState::Pending),
        _ => was_dead.then_some(DeadLetterState::Done),
    };
    End {
        state,
        receipt,
        attempts,
        doubled,
        letter,
    }
}

/// Orders that happen side by side: what is the process's and the door's happens to all of
/// them at once.
struct Group {
    crash: Option<usize>,
    away: Option<usize>,
    orders: Vec<Order>,
}

fn groups() -> Vec<Group> {
    let mut groups: BTreeMap<_, Vec<Order>> = BTreeMap::new();
    for order in orders() {
        let at = |event| order.iter().position(|happens| *happens == event);
        let places = (at(Crash), at(Away));
        groups.entry(places).or_default().push(order);
    }
    let groups = groups.into_iter();
    groups
        .map(|((crash, away), orders)| Group {
            crash,
            away,
            orders,
        })
        .collect()
}

impl Group {
    /// Plays the orders in one world; a crash begins another life.
    fn play(&self, setup: &Setup) -> Vec<DeliveryId> {
        let first_life = 0..self.crash.unwrap_or(STEPS);
        let sent: Vec<_> = life(async {
            let world = start(setup).await;
            let began = Instant::now() + STEP;
            for (place, order) in self.orders.iter().enumerate() {
                let answer = answer(order, began);
                world.door().answer([answer]);
                world.say(&format!("p{place}"), &format!("m{place}")).await;
                world.door().called(place + 1).await;
            }
            assert!(Instant::now() < began, "the sends begin before all else");
            let calls = world.door().calls();
            let sent: Vec<_> = calls.iter().map(|call| call.delivery).collect();
            self.steps(&world, &sent, began, first_life).await;
            if self.crash.is_none() {
                world.quiet().await;
            }
            sent
        });
        if let Some(crash) = self.crash {
            life(async {
                let world = start(setup).await;
                self.steps(&world, &sent, Instant::now(), crash + 1..STEPS)
                    .await;
                world.quiet().await;
            });
        }
        sent
    }

    async fn steps(
        &self,
        world: &World,
        sent: &[DeliveryId],
        began: Instant,
        steps: std::ops::Range<usize>,
    ) {
        for step in steps {
            tokio::time::sleep_until(began + STEP * u32::try_from(step).unwrap()).await;
            if self.away == Some(step) {
                world.door().caught_up(None);
                world.door().caught_up(Some(world.clock.wall()));
            }
            for (delivery, order) in sent.iter().zip(&self.orders) {
                if let Some(Told(level)) = order.get(step) {
                    world.door().tell(*delivery, *level).await.unwrap();
                }
            }
        }
        // What happens at the last step has happened.
        pass(STEP / 2).await;
    }
}

/// A process whose door tells news, and has missed none since now.
async fn start(setup: &Setup) -> World {
    let world = setup.start().await;
    world.door().connect(world.runtime().intake());
    world.door().caught_up(Some(world.clock.wall()));
    world
}

fn answer(order: &[Happens], began: Instant) -> Answer {
    let at = |event| order.iter().position(|happens| *happens == event);
    let (step, then) = match (at(Answered), at(AnswerLost)) {
        (Some(step), _) => (step, Answer::Ok),
        (None, lost) => (lost.unwrap(), Answer::LostAnswer),
    };
    let due = began + STEP * u32::try_from(step).unwrap();
    Answer::After(due - Instant::now(), Box::new(then))
}

async fn end(setup: &Setup, place: usize, id: DeliveryId) -> End {
    let mut view = setup.view(&format!("m{place}")).await;
    let delivery = view.deliveries.remove(0);
    assert_eq!(delivery.id, id);
    let letter = DeadLetterId::Delivery(id);
    let letter = setup.memory.dead_letter(letter).await.unwrap();
    End {
        state: delivery.state,
        receipt: delivery.receipt,
        attempts: delivery.attempts,
        doubled: delivery.doubled,
        letter: letter.map(|found| found.letter.state),
    }
}

#[test]
fn every_order_of_what_may_happen_to_one_send_ends_as_it_should() {
    let mut played = 0;
    for policy in [OnUnknown::Review, OnUnknown::Resend] {
        for group in groups() {
            let mut phone = door(DOOR, Deduplicates::Never);
            if policy == OnUnknown::Resend {
                phone = phone.resending();
            }
            let setup = Setup::with(phone);
            let sent = group.play(&setup);
            life(async {
                for (place, (order, id)) in group.orders.iter().zip(&sent).enumerate() {
                    let found = end(&setup, place, *id).await;
                    assert_eq!(found, end_of(order, policy), "{policy:?}, {order:?}");
                    let calls = setup.door().calls();
                    let sends = calls.iter().filter(|call| call.delivery == *id).count();
                    assert_eq!(sends, found.attempts as usize, "{policy:?}, {order:?}");
                    // Nothing is sent again that anybody has spoken of.
                    let is_spoken_of = order.iter().any(|event| matches!(event, Told(_)));
                    assert!(!is_spoken_of || sends == 1, "{policy:?}, {order:?}");
                    played += 1;
                }
            });
        }
    }
    assert_eq!(played, 2 * 3_262);
}
