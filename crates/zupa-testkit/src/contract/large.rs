//! Large values come back as they came, however a store keeps them.

use zupa_core::store::{Commit, TurnEnd};
use zupa_core::{NewWait, RawPayload, StoredState, WaitKind};

use super::Harness;
use super::world::World;
use super::world::path::{LOADS, queued};
use super::world::waits::quiet;

/// Some 65 KiB of JSON, with what stores like to trip over.
fn large(name: &str) -> String {
    let piece = r#"it's \u0000 é \"two pizzas\", "#;
    format!("{{\"{name}\":\"{}\"}}", piece.repeat(2_400))
}

/// The results of steps, the state and what waits hold, across a death.
pub async fn steps_states_and_waits_come_back_as_they_came(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "a").await;
    let turn = world.claim(conversation).await;
    world
        .record(&turn, "call_model/1/model", &large("step"))
        .await;
    world
        .record(&turn, "call_model/2/model", "\"zstd: no JSON begins so\"")
        .await;
    let (world, _) = world.die().await;
    let turn = world.claim(conversation).await;
    let results: Vec<_> = turn
        .steps
        .iter()
        .filter_map(|step| step.result.as_deref())
        .collect();
    assert_eq!(results, [&large("step"), "\"zstd: no JSON begins so\""]);

    let wait = NewWait {
        payload: large("wait"),
        ..world.wait_for(WaitKind::Decision)
    };
    let state = StoredState {
        version: LOADS,
        json: large("state"),
    };
    let commit = Commit {
        state: Some(state.clone()),
        waits: vec![wait.clone()],
        ..quiet()
    };
    world.end(&turn, TurnEnd::Commit(commit)).await;
    let view = world.desk.conversation(conversation).await.unwrap();
    assert_eq!(view.unwrap().state, Some(state.clone()));
    assert_eq!(world.wait(wait.id).await.opened, wait);
    let (world, _) = world.die().await;
    world.approve(wait.id).await;
    let turn = world.claim(conversation).await;
    assert_eq!(turn.state, Some(state));
    assert_eq!(turn.waits[0].opened, wait);
}

/// Payloads to the bit, those that are no text among them, as the dead letter shows.
pub async fn payloads_are_kept_to_the_bit(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let long: Vec<u8> = (0..70_000_u32).map(|at| (at % 251) as u8).collect();
    for (number, raw) in (0..).zip([
        b"{\"text\": \"\xc3\x28 cut off".to_vec(),
        b"\xff\xfe\x00".to_vec(),
        b"zstd:AAAA".to_vec(),
        large("text").into_bytes(),
        long,
        Vec::new(),
    ]) {
        let mut message = world.message("ana", &format!("m{number}"), "?");
        message.inbound.raw = Some(raw.clone());
        let (conversation, _) = queued(&world.accept_one(message).await);
        let turn = world.claim(conversation).await;
        world.give_up(&turn).await;
        let id = world.dead_letters().await[number].id;
        let view = world.desk.dead_letter(id).await.unwrap().unwrap();
        assert_eq!(view.letter.attempts, 1);
        assert_eq!(view.raw, Some(RawPayload::of(raw)), "payload {number}");
    }
}
