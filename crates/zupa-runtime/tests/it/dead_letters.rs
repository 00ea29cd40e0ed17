//! What gives up waits for an operator, and comes back behind what has been said since.

use std::sync::Arc;
use std::time::Duration;

use zupa_core::idempotency::{Begin, Begun, Scope};
use zupa_core::{
    Clock, Content, DeadLetterAct, DeadLetterActed, DeadLetterFilter, DeadLetterId,
    DeadLetterState, DeadLetterView, Deduplicates, Desk, Digest, ErrorKind, IdempotencyKey,
    IdempotencyKeys, InboundState, IntakeBatch, Retry,
};
use zupa_runtime::OnModelDown;

use crate::support::{Act, Setup, World, act, error, inbound, pass, secs};

const SORRY: &str = "Sorry, I could not answer that. Please try again in other words.";

async fn letters(world: &World) -> Vec<DeadLetterView> {
    let all = DeadLetterFilter::default();
    let mut letters = Vec::new();
    for letter in world.memory.dead_letters(&all, None, 100).await.unwrap() {
        letters.extend(world.memory.dead_letter(letter.id).await.unwrap());
    }
    letters
}

/// Has a dead letter tried again, and waits for what becomes of it.
async fn redrive(world: &World, id: DeadLetterId) {
    let entry = act(world, "dead_letter.retried");
    let again = DeadLetterAct::Retry { confirmed: false };
    let acted = world.memory.act_on_dead_letter(id, again, entry).await;
    assert!(matches!(acted.unwrap(), DeadLetterActed::Done { .. }));
    pass(secs(3)).await;
    world.quiet().await;
}

async fn say_at_once(world: &World, texts: &[&str]) {
    let batch = IntakeBatch {
        inbounds: texts
            .iter()
            .map(|text| inbound("ana", text, text))
            .collect(),
        receipts: Vec::new(),
    };
    world.runtime().intake().deliver(batch).await.unwrap();
}

/// M1 is poison, M2 and M3 came with it, M4 comes while they wait for a retry.
#[tokio::test(start_paused = true)]
async fn poison_in_a_burst_dies_alone_and_comes_back_behind_what_came_in_the_back_off() {
    let mut setup = Setup::phone(Deduplicates::Never);
    let turn = &mut setup.settings.policies.turn;
    (turn.backoff.base, turn.backoff.cap) = (secs(60), secs(60));
    turn.retries = 1;
    let world = setup.start().await;
    let passing = || error(ErrorKind::Internal).with_retry(Retry::Now);
    world.model.on("m1", (0..4).map(|_| Act::Fail(passing())));
    say_at_once(&world, &["m1", "m2", "m3"]).await;
    world.model.called(1).await;
    pass(secs(1)).await;
    let not_before = world.view("m1").await.turn.unwrap().not_before;
    assert!(
        not_before.is_some_and(|at| at > world.clock.wall()),
        "in the back-off"
    );
    say_at_once(&world, &["m4"]).await;
    pass(secs(1)).await;
    assert_eq!(
        world.model.calls(),
        1,
        "what comes meanwhile waits behind it"
    );
    assert!(letters(&world).await.is_empty());
    world.quiet().await;

    let asked: Vec<_> = world
        .model
        .asked()
        .iter()
        .map(|call| call.lines().join(" "))
        .collect();
    assert_eq!(
        asked,
        ["m1 m2 m3", "m1 m2 m3", "m1", "m1", "m2", "m3", "m4"]
    );
    assert_eq!(world.visible(), [SORRY, "re: m2", "re: m3", "re: m4"]);
    let found = letters(&world).await;
    let [view] = &found[..] else {
        panic!("one dead letter, not {found:?}");
    };
    assert_eq!(
        view.content
            .as_ref()
            .map(Content::as_prompt_text)
            .as_deref(),
        Some("m1")
    );
    assert_eq!(
        (view.letter.class.as_str(), view.letter.attempts),
        ("internal", 4)
    );
    let delays = view
        .attempts
        .iter()
        .map(|attempt| attempt.not_before.is_some());
    assert_eq!(delays.collect::<Vec<_>>(), [true, false, true, false]);
    let spaced = view.attempts[1].at.since(view.attempts[0].at);
    assert!(spaced >= Duration::from_secs(30), "{spaced:?}");

    redrive(&world, view.letter.id).await;
    assert_eq!(world.visible().last().map(String::as_str), Some("re: m1"));
    let letter = &letters(&world).await[0].letter;
    assert_eq!(letter.state, DeadLetterState::Done);
    let of = world.view("m1").await;
    assert_eq!(of.inbounds[0].state, InboundState::Answered);
    assert!(of.inbounds[0].number > world.view("m4").await.inbounds[0].number);
    let counts = world.accounting().await;
    assert!(counts.is_balanced(), "{counts:?}");
    assert_eq!((counts.accepted, counts.ended["answered"]), (4, 4));
}

/// As many as are allowed, one of them poison: the others are answered, none is turned
/// away, and nobody is charged twice.
#[tokio::test(start_paused = true)]
async fn of_as_many_as_are_allowed_only_the_poison_is_not_answered() {
    let mut setup = Setup::phone(Deduplicates::Never);
    setup.settings.per_user_per_minute = 17;
    let world = setup.start().await;
    let texts: Vec<_> = (1..=16).map(|number| format!("m{number:02}")).collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let poison = Act::Fail(error(ErrorKind::ContentFilter));
    world.model.always("m07", poison);
    say_at_once(&world, &texts).await;
    world.quiet().await;
    let counts = world.accounting().await;
    assert!(counts.is_balanced(), "{counts:?}");
    assert_eq!(counts.ended.get("refused"), None, "{counts:?}");
    assert_eq!((counts.ended["answered"], counts.ended["dead"]), (15, 1));
    world.say("ana", "one more").await;
    world.say("ana", "too much").await;
    world.quiet().await;
    let state = world.view("too much").await.inbounds[0].state;
    assert_eq!(state, InboundState::Refused, "each was charged once");
}

/// Whether they may ask was decided when they were said.
#[tokio::test(start_paused = true)]
async fn what_is_tried_again_is_not_charged_again() {
    let mut setup = Setup::phone(Deduplicates::Never);
    setup.settings.per_user_per_minute = 3;
    let world = setup.start().await;
    for text in ["bad 1", "bad 2", "bad 3"] {
        let fails = Act::Fail(error(ErrorKind::ContentFilter));
        world.model.on(text, [fails]);
        world.say("ana", text).await;
        world.quiet().await;
    }
    let found = letters(&world).await;
    assert_eq!(found.len(), 3);
    for view in found {
        redrive(&world, view.letter.id).await;
    }
    for view in letters(&world).await {
        assert_eq!(view.letter.state, DeadLetterState::Done);
    }
    let counts = world.accounting().await;
    assert_eq!(counts.ended["answered"], 3, "{counts:?}");
}

/// Said together with one message too many, it is turned away with it, and waits again.
#[tokio::test(start_paused = true)]
async fn what_is_turned_away_with_others_waits_again() {
    let mut setup = Setup::phone(Deduplicates::Never);
    setup.settings.per_user_per_minute = 2;
    setup.model.on("slow", [Act::Take(secs(5))]);
    let world = setup.start().await;
    world
        .model
        .on("bad", [Act::Fail(error(ErrorKind::ContentFilter))]);
    world.say("ana", "bad").await;
    world.quiet().await;
    let id = letters(&world).await[0].letter.id;
    world.say("ana", "slow").await;
    world.say("ana", "too much").await;
    let entry = act(&world, "dead_letter.retried");
    let again = DeadLetterAct::Retry { confirmed: false };
    let acted = world.memory.act_on_dead_letter(id, again, entry).await;
    assert!(matches!(acted.unwrap(), DeadLetterActed::Done { .. }));
    world.quiet().await;
    let letter = &letters(&world).await[0].letter;
    assert_eq!(letter.state, DeadLetterState::Pending);
    let reason = letter.reason.as_deref();
    assert_eq!(reason, Some("refused: too many messages in a minute"));
}

/// While the model is down nothing leaves the dead letters: neither with an apology, nor
/// because it was said long ago.
#[tokio::test(start_paused = true)]
async fn what_is_tried_again_while_the_model_is_down_is_not_done() {
    for on_model_down in [OnModelDown::Reply, OnModelDown::Hold] {
        let mut setup = Setup::phone(Deduplicates::Never);
        setup.agent.on_model_down = on_model_down;
        setup.agent.answer_within = secs(60);
        let world = setup.start().await;
        let mut acts = vec![Act::Fail(error(ErrorKind::ContentFilter))];
        let down = error(ErrorKind::Unavailable).with_retry(Retry::Now);
        acts.extend(vec![Act::Fail(down); 4]);
        world.model.on("bad", acts);
        world.say("ana", "bad").await;
        world.quiet().await;
        pass(secs(600)).await;
        let id = letters(&world).await[0].letter.id;
        redrive(&world, id).await;
        let letter = letters(&world).await[0].letter.clone();
        match on_model_down {
            OnModelDown::Reply => assert_eq!(
                (letter.state, letter.class.as_str()),
                (DeadLetterState::Pending, "unavailable")
            ),
            OnModelDown::Hold => {
                assert_eq!(letter.state, DeadLetterState::Done);
                assert_eq!(world.visible().last().map(String::as_str), Some("re: bad"));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_again_waits_again_with_a_further_attempt() {
    let world = Setup::phone(Deduplicates::Never).start().await;
    world
        .model
        .always("bad", Act::Fail(error(ErrorKind::ContentFilter)));
    world.say("ana", "bad").await;
    world.quiet().await;
    let id = letters(&world).await[0].letter.id;
    redrive(&world, id).await;
    let found = letters(&world).await;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].letter.id, found[0].letter.attempts), (id, 2));
    assert_eq!(found[0].letter.state, DeadLetterState::Pending);
    assert_eq!(world.accounting().await.ended["dead"], 1);
}

/// With two messages that have given up, one of which was then answered.
async fn one_done_one_waiting(setup: &Setup) -> (World, [DeadLetterId; 2]) {
    let memory = Arc::new(setup.memory.clone());
    let world = setup
        .start_with(|builder| builder.desk(memory.clone()).idempotency_keys(memory))
        .await;
    for text in ["bad 1", "bad 2"] {
        world
            .model
            .on(text, [Act::Fail(error(ErrorKind::ContentFilter))]);
        world.say("ana", text).await;
        world.quiet().await;
    }
    let ids = letters(&world).await;
    let ids = [ids[0].letter.id, ids[1].letter.id];
    redrive(&world, ids[0]).await;
    assert_eq!(letters(&world).await.len(), 2, "not before its time");
    (world, ids)
}

async fn left(world: &World) -> Vec<DeadLetterId> {
    let left = letters(world).await;
    left.iter().map(|view| view.letter.id).collect()
}

/// What the audit says of a dead letter that was forgotten.
async fn forgotten(world: &World, of: &DeadLetterView) -> Vec<String> {
    let chain = world.memory.audit(of.letter.conversation).await.unwrap();
    let entries = chain.iter().map(|link| &link.entry);
    let entries = entries.filter(|entry| entry.action == "dead_letter.forgotten");
    entries
        .map(|entry| format!("{}: {}", entry.actor, entry.reason))
        .collect()
}

/// The housekeeper forgets what has ended, and nothing that waits, and says so in the
/// audit.
#[tokio::test(start_paused = true)]
async fn the_housekeeper_forgets_only_what_has_ended() {
    let mut setup = Setup::phone(Deduplicates::Never);
    setup.settings.dead_letter_retention = secs(600);
    let (world, [done, waiting]) = one_done_one_waiting(&setup).await;
    pass(secs(700)).await;
    assert_eq!(left(&world).await, [waiting]);
    let told = forgotten(&world, &letters(&world).await[0]).await;
    assert_eq!(told, [format!("runtime: {done}: done")]);
}

/// Before they are forgotten they are written down, as the export prints them.
#[tokio::test(start_paused = true)]
async fn what_is_forgotten_is_written_down_before() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("a/b");
    let mut setup = Setup::phone(Deduplicates::Never);
    setup.settings.dead_letter_retention = secs(600);
    setup.settings.dead_letter_export = Some(folder.clone());
    let (world, [done, waiting]) = one_done_one_waiting(&setup).await;
    let before = world.memory.dead_letter(done).await.unwrap().unwrap();
    pass(secs(700)).await;
    assert_eq!(left(&world).await, [waiting]);
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
    let [Ok(file)] = &files[..] else {
        panic!("one file, not {files:?}");
    };
    let name = file.file_name().into_string().unwrap();
    assert!(
        name.starts_with("dead-letters-2026-01-01T") && name.ends_with(".ndjson"),
        "{name}"
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let lines = std::fs::read_to_string(file.path()).unwrap();
    let expected = serde_json::to_string(&before).unwrap();
    assert_eq!(lines, format!("{expected}\n"));
    for word in [
        "\"history\":[{",
        "\"says\":{",
        "bad 1",
        "\"state\":\"done\"",
    ] {
        assert!(lines.contains(word), "no {word} in {lines}");
    }
    let told = forgotten(&world, &before).await;
    assert_eq!(told, [format!("runtime: {done}: done, written to {name}")]);
}

/// What cannot be written down is not forgotten, until it can.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_written_down_stays() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("export");
    std::fs::write(&blocked, "a file where the folder should be").unwrap();
    let mut setup = Setup::phone(Deduplicates::Never);
    setup.settings.dead_letter_retention = secs(600);
    setup.settings.dead_letter_export = Some(blocked.clone());
    let (world, [done, waiting]) = one_done_one_waiting(&setup).await;
    pass(secs(700)).await;
    assert_eq!(left(&world).await, [done, waiting]);
    std::fs::remove_file(&blocked).unwrap();
    pass(secs(61)).await;
    assert_eq!(left(&world).await, [waiting]);
}

/// From the threshold on the bus is told, once.
#[tokio::test(start_paused = true)]
async fn too_many_are_told_of_once() {
    let mut setup = Setup::phone(Deduplicates::Never);
    setup.settings.dead_letter_alert = 2;
    let bus = zupa_core::EventBus::default();
    let mut feed = bus.feed("dead_letters:alert").unwrap();
    let world = setup.start_with(|builder| builder.bus(bus)).await;
    for text in ["bad 1", "bad 2", "bad 3"] {
        world
            .model
            .on(text, [Act::Fail(error(ErrorKind::ContentFilter))]);
        world.say("ana", text).await;
        world.quiet().await;
        pass(secs(130)).await;
    }
    let event = feed.next().await.unwrap();
    let told = ["pending", "threshold"].map(|name| event.payload.number(name));
    assert_eq!(told, [Some(2), Some(2)]);
    let more = tokio::time::timeout(secs(200), feed.next()).await;
    assert!(more.is_err(), "{more:?}");
}

/// Keys whose time is over are forgotten.
#[tokio::test(start_paused = true)]
async fn the_housekeeper_forgets_idempotency_keys() {
    let setup = Setup::web();
    let memory = Arc::new(setup.memory.clone());
    let world = setup
        .start_with(|builder| builder.idempotency_keys(memory.clone()))
        .await;
    let scope = Scope {
        principal: "operator",
        tenant: "",
        operation: "POST /",
    };
    let key = IdempotencyKey::parse(scope, "key-of-sixteen-characters").unwrap();
    let now = world.clock.wall();
    let begin = Begin {
        key,
        request: Digest::default(),
        holder: uuid::Uuid::from_u128(1),
        now,
        lease_until: now.plus(secs(60)),
    };
    assert_eq!(memory.begin(begin).await.unwrap(), Begun::Fresh);
    pass(secs(130)).await;
    let left = memory.forget(world.clock.wall(), 10).await.unwrap();
    assert_eq!(left, 0, "somebody was faster");
}
