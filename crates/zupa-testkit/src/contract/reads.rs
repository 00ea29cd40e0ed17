//! What readers see: the model's history, the committed lines, a turn and all
//! that belongs to it.

use std::time::Duration;

use zupa_core::desk::Speaker;
use zupa_core::store::Verdict;
use zupa_core::{Correlation, DeliveryState, Number, Role, Timestamp};

use super::Harness;
use super::world::path::{failure, keys, queued, wordless};
use super::world::{World, address, address_at};

/// History has what turns that ended well heard and said, oldest first, the
/// newest so many.
pub async fn history_is_oldest_first_and_bounded(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let mut conversation = world.hear("ana", "q0").await;
    for round in 0..5 {
        let turn = world.claim(conversation).await;
        world.answer(&turn, &format!("a{round}")).await;
        conversation = world.hear("ana", &format!("q{}", round + 1)).await;
    }
    let all = world.history(conversation).await;
    let texts: Vec<_> = all.iter().map(|line| line.text.as_str()).collect();
    let expected = ["q0", "a0", "q1", "a1", "q2", "a2", "q3", "a3", "q4", "a4"];
    assert_eq!(texts, expected, "q5 is not answered yet");
    let numbers: Vec<_> = all.iter().map(|line| line.number.0).collect();
    assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
    for line in &all {
        let role = if line.text.starts_with('q') {
            Role::User
        } else {
            Role::Assistant
        };
        assert_eq!(line.role, role);
    }
    let part = world.store.history(conversation, 3).await.unwrap();
    assert_eq!(part, all[7..]);
    let none = world.store.history(conversation, 0).await.unwrap();
    assert!(none.is_empty());

    let dead = world.claim(conversation).await;
    world.end(&dead, wordless(Verdict::Dead(failure()))).await;
    world.hear("ana", "q6").await;
    let silent = world.claim(conversation).await;
    world
        .end(&silent, wordless(Verdict::Silent("quiet".into())))
        .await;
    let last = world.store.history(conversation, 2).await.unwrap();
    let texts: Vec<_> = last.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["a4", "q6"], "what died is not remembered");
}

/// A message that came while a turn ran is behind that turn's answer, though its
/// number is lower.
pub async fn history_follows_the_turns(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let conversation = world.hear("ana", "q0").await;
    let first = world.claim(conversation).await;
    world.hear("ana", "q1").await;
    world.answer(&first, "a0").await;
    let texts = |lines: &[zupa_core::Message]| -> Vec<String> {
        lines.iter().map(|line| line.text.clone()).collect()
    };
    assert_eq!(texts(&world.history(conversation).await), ["q0", "a0"]);
    let second = world.claim(conversation).await;
    assert_eq!(texts(&world.history(conversation).await), ["q0", "a0"]);
    world.answer(&second, "a1").await;
    let all = world.history(conversation).await;
    assert_eq!(texts(&all), ["q0", "a0", "q1", "a1"]);
}

/// Lines come in order behind a number, so a reader that was cut off goes on
/// where it was.
pub async fn lines_resume_after_a_number(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let mut turns = Vec::new();
    for round in 0..3 {
        let id = format!("m{round}");
        let message = world.message("ana", &id, &format!("q{round}"));
        let (conversation, _) = queued(&world.accept_one(message).await);
        let turn = world.claim(conversation).await;
        let parts = [("one", DeliveryState::Sent), ("two", DeliveryState::Sent)];
        world.say(&turn, &parts).await;
        turns.push(turn.turn);
    }
    let ana = address("ana");
    let all = world.desk.lines(&ana, Number(0), 100).await.unwrap();
    let texts: Vec<_> = all.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(
        texts,
        ["q0", "one", "two", "q1", "one", "two", "q2", "one", "two"]
    );
    assert_eq!(all[3].from, Speaker::Person("m1".into()));
    let Speaker::Agent(id) = &all[5].from else {
        panic!("the agent said it");
    };
    assert_eq!((id.turn, id.ordinal), (turns[1], 1));

    let (world, _) = world.die().await;
    let mut read = Vec::new();
    let mut after = Number(0);
    for _ in 0..6 {
        let page = world.desk.lines(&ana, after, 2).await.unwrap();
        assert!(page.len() <= 2);
        after = page.last().map_or(after, |last| last.number);
        read.extend(page);
    }
    assert_eq!(read, all);
    for unknown in [address("bob"), address_at("other", "door", "ana")] {
        let none = world.desk.lines(&unknown, Number(0), 10).await.unwrap();
        assert!(none.is_empty());
    }
}

/// A turn is found by its own id and by its messages' ids, ours and the
/// platform's; a message that waits is found without a turn.
pub async fn turn_view_by_turn_event_and_platform_id(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let mut first = world.message("ana", "wamid.1", "hello");
    first.inbound.correlation = Correlation {
        request_id: Some("r1".into()),
        trace_id: None,
    };
    let event = first.event.to_string();
    let (conversation, _) = queued(&world.accept_one(first).await);

    let waiting = world.desk.turn("wamid.1").await.unwrap().unwrap();
    assert!(waiting.turn.is_none());
    assert_eq!(waiting.conversation, conversation);
    assert_eq!(waiting.inbounds[0].event.to_string(), event);
    assert_eq!(waiting.inbounds[0].state.as_str(), "queued");
    assert_eq!(waiting.inbounds[0].request_id.as_deref(), Some("r1"));
    assert_eq!(waiting.inbounds[0].accepted_at, world.now);

    let turn = world.claim(conversation).await;
    let running = world.desk.turn(&event).await.unwrap().unwrap();
    assert_eq!(running.turn.as_ref().unwrap().id, turn.turn);
    assert_eq!(running.inbounds[0].state.as_str(), "claimed");
    world.record(&turn, "call_model/1/model", "1").await;
    world.answer(&turn, "hi").await;

    let by_turn = world
        .desk
        .turn(&turn.turn.to_string())
        .await
        .unwrap()
        .unwrap();
    for id in [event.as_str(), "wamid.1"] {
        let found = world.desk.turn(id).await.unwrap().unwrap();
        assert_eq!(found, by_turn, "by {id}");
    }
    let summary = by_turn.turn.as_ref().unwrap();
    assert_eq!((summary.runs, summary.epoch), (1, turn.epoch));
    assert_eq!(summary.claimed_at, world.now);
    assert_eq!(keys(&by_turn), ["call_model/1/model"]);
    assert_eq!(by_turn.deliveries[0].state, DeliveryState::Sent);
    assert_eq!(by_turn.audit.len(), 1);
    assert_eq!(by_turn.audit[0].number, 1);
    assert_eq!(by_turn.audit[0].action, "turn.committed");
    let chain = world.desk.audit(conversation).await.unwrap();
    assert_eq!(by_turn.audit[0].hash, chain[0].hash.to_hex());

    // The next turn's view has its own of everything.
    world.hear("ana", "more").await;
    let next = world.claim(conversation).await;
    world.answer(&next, "bye").await;
    let view = world.view(next.turn).await;
    assert_eq!((view.inbounds.len(), view.deliveries.len()), (1, 1));
    assert!(view.steps.is_empty());
    assert_eq!(view.audit.len(), 1);
    assert_eq!(view.audit[0].number, 2);

    for unknown in ["nobody", "", "00000000-0000-7000-8000-000000000000", "%"] {
        let none = world.desk.turn(unknown).await.unwrap();
        assert!(none.is_none(), "{unknown}");
    }
}

/// Where an id of the platform names several messages each is told, and no turn: nobody
/// is told what became of another. One that the ledger has forgotten is found all the
/// same.
pub async fn an_id_of_several_messages_answers_for_none(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let mut events = Vec::new();
    for who in ["ana", "bob"] {
        let mut message = world.message(who, "m1", "hello");
        message.inbound.scope = who.into();
        let event = message.event;
        let (conversation, _) = queued(&world.accept_one(message).await);
        let turn = world.claim(conversation).await;
        world.answer(&turn, "hi").await;
        events.push(event);
        world.pass(Duration::from_secs(1));
    }
    let view = world.desk.turn("m1").await.unwrap().unwrap();
    assert_eq!(view.turn, None);
    let told: Vec<_> = view.inbounds.iter().map(|row| row.event).collect();
    assert_eq!(told, [events[1], events[0]], "the newest first");
    for event in &events {
        let view = world.desk.turn(&event.to_string()).await.unwrap().unwrap();
        assert!(view.turn.is_some());
        assert_eq!(view.inbounds[0].event, *event);
    }

    let mut alone = world.message("ana", "m2", "hello");
    alone.inbound.scope = "ana".into();
    let (conversation, _) = queued(&world.accept_one(alone).await);
    let turn = world.claim(conversation).await;
    world.answer(&turn, "hi").await;
    world.pass(Duration::from_secs(1));
    let never = Timestamp(0);
    world.store.purge(world.now, never, 100).await.unwrap();
    let view = world.desk.turn("m2").await.unwrap().unwrap();
    assert_eq!(view.turn.unwrap().id, turn.turn);
    let view = world.desk.turn("m1").await.unwrap().unwrap();
    assert_eq!((view.turn, view.inbounds.len()), (None, 2));
}

/// The store describes itself, without a secret, in the schema it wants.
pub async fn the_store_describes_itself(harness: &dyn Harness) {
    let world = World::open(harness).await;
    world.hear("ana", "hello").await;
    let status = world.desk.status().await.unwrap();
    assert_eq!(status.schema_version, status.schema_wanted);
    assert_eq!(status.conversations, 1);
    assert!(!status.engine.is_empty());
    world.store.checkpoint().await.unwrap();
}
