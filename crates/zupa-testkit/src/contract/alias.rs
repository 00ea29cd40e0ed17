//! Stop 1: aliases lead to conversations, and never away from them.

use zupa_core::Alias;
use zupa_core::store::Accepted;

use super::Harness;
use super::world::World;
use super::world::path::queued;

fn aliases(names: &[&str]) -> Vec<Alias> {
    let parse = |name: &&str| Alias::parse(*name).unwrap();
    names.iter().map(parse).collect()
}

/// Every alias that a message revealed leads to its conversation, whichever of
/// them comes first next time.
pub async fn aliases_lead_to_one_conversation(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let mut first = world.message("phone", "m1", "hello");
    first.inbound.also = aliases(&["lid", "bsuid"]);
    let (conversation, _) = queued(&world.accept_one(first).await);

    for (id, alias) in [("m2", "lid"), ("m3", "bsuid"), ("m4", "phone")] {
        let answer = world.accept_one(world.message(alias, id, "hello")).await;
        assert_eq!(queued(&answer).0, conversation, "by {alias}");
    }
    // An unknown primary alias beside a known one.
    let mut next = world.message("new phone", "m5", "hello");
    next.inbound.also = aliases(&["lid"]);
    assert_eq!(queued(&world.accept_one(next).await).0, conversation);
    assert_eq!(world.hear("new phone", "hello").await, conversation);
    assert_eq!(world.desk.status().await.unwrap().conversations, 1);
}

/// Within one batch, too, the second message finds what the first revealed.
pub async fn aliases_of_a_batch_lead_to_one_conversation(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let mut first = world.message("phone", "m1", "hello");
    first.inbound.also = aliases(&["lid"]);
    let answers = world
        .accept(vec![
            first,
            world.message("lid", "m2", "hello"),
            world.message("phone", "m3", "hello"),
        ])
        .await;
    let places: Vec<_> = answers
        .iter()
        .map(|answer| queued(answer.as_ref().unwrap()))
        .collect();
    assert!(places.iter().all(|place| place.0 == places[0].0));
    assert_eq!(
        places.iter().map(|place| place.1.0).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    assert_eq!(world.desk.status().await.unwrap().conversations, 1);
}

/// An alias that only a duplicate reveals is kept.
pub async fn an_alias_revealed_by_a_duplicate_is_kept(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let first = world
        .accept_one(world.message("phone", "m1", "hello"))
        .await;
    let mut again = world.message("phone", "m1", "hello");
    again.inbound.also = aliases(&["lid"]);
    let answer = world.accept_one(again).await;
    assert!(matches!(answer, Accepted::Duplicate { .. }));
    assert_eq!(world.hear("lid", "hello").await, queued(&first).0);
}

/// A duplicate under an alias that nobody knows opens no conversation: the
/// alias leads to that of the first sighting.
pub async fn a_duplicate_under_an_unknown_alias_opens_no_conversation(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let first = world
        .accept_one(world.message("phone", "m1", "hello"))
        .await;
    let answer = world.accept_one(world.message("lid", "m1", "hello")).await;
    assert!(matches!(answer, Accepted::Duplicate { .. }));
    assert_eq!(world.desk.status().await.unwrap().conversations, 1);
    assert_eq!(world.hear("lid", "hello").await, queued(&first).0);
}

/// A message whose aliases lead to two conversations merges nothing: it goes
/// where its primary alias leads, and every alias stays where it was.
pub async fn aliases_of_two_conversations_merge_nothing(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let phone = world.hear("phone", "hello").await;
    let lid = world.hear("lid", "hello").await;
    assert_ne!(phone, lid);

    let mut both = world.message("phone", "m3", "hello");
    both.inbound.also = aliases(&["lid"]);
    assert_eq!(queued(&world.accept_one(both).await).0, phone);
    let mut both = world.message("lid", "m4", "hello");
    both.inbound.also = aliases(&["phone"]);
    assert_eq!(queued(&world.accept_one(both).await).0, lid);

    assert_eq!(world.hear("phone", "hello").await, phone);
    assert_eq!(world.hear("lid", "hello").await, lid);
}

/// A conflict writes nothing, aliases included.
pub async fn a_conflict_reveals_no_alias(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let first = world
        .accept_one(world.message("phone", "m1", "pay 10"))
        .await;
    let mut other = world.message("phone", "m1", "pay 99");
    other.inbound.also = aliases(&["lid"]);
    let answer = world.accept_one(other).await;
    assert!(matches!(answer, Accepted::Conflict { .. }));
    assert_ne!(world.hear("lid", "hello").await, queued(&first).0);
}
