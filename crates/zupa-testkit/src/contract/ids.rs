//! Stop 1: what an id is, character by character, against a model that is a
//! plain map.

use std::collections::HashMap;

use zupa_core::store::{Accept, Accepted};
use zupa_core::{Alias, ChannelId, Digest, EventId, Ids, Number, PlatformId, TenantId};

use super::Harness;
use super::world::path::{queued, texts};
use super::world::{World, address, address_at};

/// Two messages with the same words and different ids are two messages.
pub async fn identical_texts_with_different_ids_are_two_messages(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let answers = world
        .accept(vec![
            world.message("ana", "m1", "yes"),
            world.message("ana", "m2", "yes"),
        ])
        .await;
    assert_eq!(queued(answers[0].as_ref().unwrap()).1, Number(1));
    assert_eq!(queued(answers[1].as_ref().unwrap()).1, Number(2));
}

// Pairs that careless keys confuse: case, white space, composed characters,
// numbers, JSON words, wildcards, a parameter's sign, a zero byte, separators.
const TRICKY: [&str; 20] = [
    "m1",
    "M1",
    "m1 ",
    " m1",
    "1",
    "01",
    "1.0",
    "1e0",
    "null",
    "true",
    "é",
    "e\u{301}",
    "%",
    "_",
    "?1",
    "'",
    "m1\u{1}",
    "m1\u{1}x",
    "m1/t",
    "\u{feff}m1",
];

/// Generated deliveries, some new, some repeated, some with other words: each
/// is decided by tenant, channel, scope and id, to the last character.
pub async fn ids_decide_to_the_last_character(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let mut model = HashMap::new();
    let mut done = 0;
    while done < 600 {
        let size = 1 + world.ids.below(8);
        let batch: Vec<Accept> = (0..size).map(|_| generated(&world)).collect();
        let expected: Vec<_> = batch
            .iter()
            .map(|accept| decide(&mut model, accept))
            .collect();
        let keys: Vec<_> = batch
            .iter()
            .map(|accept| format!("{:?}", key(accept)))
            .collect();
        let answers = world.accept(batch).await;
        for ((answer, expected), key) in answers.into_iter().zip(expected).zip(keys) {
            let answer = answer.unwrap();
            let fits = match expected {
                Some(seen) => answer == seen,
                None => matches!(answer, Accepted::Queued { .. }),
            };
            assert!(fits, "{key}: expected {expected:?} or new, was {answer:?}");
            done += 1;
        }
    }
    assert_eq!(world.counts().await.accepted, model.len() as u64);
}

fn generated(world: &World<'_>) -> Accept {
    let pick = |words: &[&'static str]| {
        let place = world.ids.below(words.len() as u64);
        words[usize::try_from(place).unwrap()]
    };
    let long = "x".repeat(254);
    let id = match world.ids.random() % 8 {
        0 => format!("{long}a"),
        1 => format!("{long}b"),
        _ => pick(&TRICKY).to_owned(),
    };
    let mut accept = world.message("ana", "m", pick(&["yes", "no"]));
    accept.inbound.platform_id = Some(PlatformId::parse(id).unwrap());
    accept.inbound.scope = pick(&["", "", "s"]).to_owned();
    accept.inbound.address = address_at(pick(&["t", "T", "t/c"]), pick(&["c", "c/c"]), "ana");
    accept
}

type Key = (String, String, String, String);

fn key(accept: &Accept) -> Key {
    let inbound = &accept.inbound;
    (
        inbound.address.tenant.to_string(),
        inbound.address.channel.to_string(),
        inbound.scope.clone(),
        inbound.platform_id.as_ref().unwrap().as_str().to_owned(),
    )
}

/// What the answer must be; none for a new message.
fn decide(model: &mut HashMap<Key, (EventId, Digest)>, accept: &Accept) -> Option<Accepted> {
    let digest = accept.inbound.content.digest();
    match model.get(&key(accept)) {
        None => {
            model.insert(key(accept), (accept.event, digest));
            None
        }
        Some((event, known)) if *known == digest => Some(Accepted::Duplicate { event: *event }),
        Some((event, _)) => Some(Accepted::Conflict { event: *event }),
    }
}

/// NUL, which not every store can keep, is refused where an id is parsed, before
/// anything is asked to store it. In texts and payloads it is kept.
pub async fn nul_is_refused_in_ids_and_kept_in_texts(harness: &dyn Harness) {
    assert!(PlatformId::parse("m\u{0}").is_err());
    assert!(Alias::parse("ana\u{0}").is_err());
    assert!(TenantId::parse("t\u{0}").is_err());
    assert!(ChannelId::parse("c\u{0}").is_err());

    let world = World::open(harness).await;
    let text = "a\u{0}b";
    let conversation = world.hear("ana", text).await;
    let turn = world.claim(conversation).await;
    assert_eq!(texts(&turn), [text]);
    world.answer(&turn, text).await;
    let lines = world.desk.lines(&address("ana"), Number(0), 10).await;
    let lines: Vec<_> = lines.unwrap().into_iter().map(|line| line.text).collect();
    assert_eq!(lines, [text, text]);
}
