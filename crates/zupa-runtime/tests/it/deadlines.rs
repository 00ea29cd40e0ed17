//! A double that never answers, in each port, is given up on at its deadline: nothing of
//! the path waits longer than its policy says.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;
use zupa_core::desk::NewHold;
use zupa_core::idempotency::{Begin, Keep, KeptAnswer, Scope};
use zupa_core::{
    AuditEntry, ClaimAct, ConversationId, DeadLetterAct, DeadLetterFilter, DeadLetterId, Decision,
    Deduplicates, DeliveryState, Desk, Digest, Effect, Error, ErrorKind, EventId, HoldKind,
    IdempotencyKey, IdempotencyKeys, Number, Result, Timestamp, ToolContext, ToolOutput, WaitId,
};
use zupa_runtime::resilience::{CallPolicy, GuardedDesk, GuardedKeys};
use zupa_runtime::{Modality, tool};
use zupa_testkit::{Answer, Call, FaultyStore, Mouth, Throat};

use crate::support::{Act, Setup, Silent, World, door, inbound, pass, secs, voice};

/// What the path may take beside the deadline.
const SLACK: Duration = Duration::from_millis(100);

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Nothing {}

fn phone() -> Setup {
    Setup::with(door("door", Deduplicates::Never).with_voice())
}

/// Waits until the model was called so often; answers how long that took.
async fn until_called(world: &World, count: usize) -> Duration {
    let began = Instant::now();
    world.model.called(count).await;
    began.elapsed()
}

#[track_caller]
fn in_time(took: Duration, deadline: Duration) {
    assert!((deadline..=deadline + SLACK).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_never_answers() {
    let mut setup = phone();
    let policy = &mut setup.settings.policies.model;
    (policy.timeout, policy.retries) = (secs(3), 1);
    policy.backoff.base = Duration::ZERO;
    setup.model.on("hello", [Act::Hang]);
    let world = setup.start().await;
    world.say("ana", "hello").await;
    world.model.called(1).await;
    in_time(until_called(&world, 2).await, secs(3));
    world.quiet().await;
    assert_eq!(world.view("hello").await.turn.unwrap().runs, 1);
}

#[tokio::test(start_paused = true)]
async fn an_ear_and_a_mouth_that_never_answer() {
    let (mut setup, ear) = phone().hearing();
    let mouth = Arc::new(Mouth::default());
    setup.agent = setup.agent.speaks(mouth.clone(), Modality::Mirror);
    setup.settings.policies.transcriber.timeout = secs(2);
    setup.settings.policies.synthesizer.timeout = secs(4);
    ear.plan([Throat::Hang]);
    let world = setup.start().await;
    let began = Instant::now();
    world
        .deliver(voice(&setup, "ana", "unheard"))
        .await
        .unwrap();
    world.door().called(1).await;
    in_time(began.elapsed(), secs(2));
    mouth.plan([Throat::Hang]);
    let began = Instant::now();
    world.deliver(voice(&setup, "ana", "hello")).await.unwrap();
    world.door().called(2).await;
    in_time(began.elapsed(), secs(4));
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_never_answers() {
    let mut setup = phone();
    let hangs = |_: Nothing, _: ToolContext| std::future::pending::<Result<ToolOutput>>();
    setup.agent = setup
        .agent
        .tool(tool("quick", "", Effect::PURE, hangs).into_tool())
        .tool(tool("slow", "", Effect::PURE, hangs).into_tool());
    let policies = &mut setup.settings.policies;
    policies.tool.timeout = secs(1);
    let slow = CallPolicy::once(secs(5));
    policies.tools.insert("slow".into(), slow);
    for (ask, call) in [("quick?", "quick"), ("slow?", "slow")] {
        let calls: &'static [(&str, &str)] = match call {
            "quick" => &[("quick", "{}")],
            _ => &[("slow", "{}")],
        };
        setup.model.on(ask, [Act::Call(calls), Act::Say("sorry")]);
    }
    let world = setup.start().await;
    for (ask, deadline, calls) in [("quick?", secs(1), 2), ("slow?", secs(5), 4)] {
        world.say("ana", ask).await;
        world.model.called(calls - 1).await;
        in_time(until_called(&world, calls).await, deadline);
        world.quiet().await;
        let tool = ask.trim_end_matches('?');
        let told = world.model.asked().pop().unwrap();
        let told = told.messages.last().unwrap().text().to_owned();
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(
            (&told["error"], &told["tool"]),
            (&json!("timeout"), &json!(tool))
        );
        in_time(
            Duration::from_millis(told["ms"].as_u64().unwrap()),
            deadline,
        );
        let audit = world.view(ask).await.audit;
        let said = format!("{tool}: pure, timeout, unknown");
        assert!(audit.iter().any(|entry| entry.reason == said), "{audit:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_door_that_never_answers() {
    let mut setup = phone();
    setup.settings.policies.channel.timeout = secs(2);
    setup.settings.doubt = secs(60);
    setup.door().answer([Answer::Hang]);
    let world = setup.start().await;
    world.say("ana", "hello").await;
    world.door().called(1).await;
    let began = Instant::now();
    while world
        .accounting()
        .await
        .deliveries
        .contains_key(DeliveryState::Sending.as_str())
    {
        pass(Duration::from_millis(10)).await;
    }
    in_time(began.elapsed(), secs(2));
    assert_eq!(world.door().calls()[0].timeout, secs(2));
}

type Asked<'a> = Pin<Box<dyn Future<Output = Option<Error>> + 'a>>;

fn asked<'a, T>(call: impl Future<Output = Result<T>> + 'a) -> Asked<'a> {
    Box::pin(async { call.await.err() })
}

fn entry() -> AuditEntry {
    AuditEntry {
        at: Timestamp(0),
        actor: "operator".into(),
        action: "conversation.held".into(),
        reason: String::new(),
        turn: None,
        config: Digest::default(),
        commitment: None,
    }
}

async fn each_in_time(calls: Vec<Asked<'_>>, deadline: Duration) {
    for (number, call) in calls.into_iter().enumerate() {
        let began = Instant::now();
        let error = call.await.unwrap();
        assert_eq!(error.kind(), ErrorKind::Timeout, "call {number}");
        in_time(began.elapsed(), deadline);
    }
}

#[tokio::test(start_paused = true)]
async fn a_desk_that_never_answers() {
    let desk = GuardedDesk::new(Arc::new(Silent), secs(5));
    let id = ConversationId(Uuid::from_u128(1));
    let (wait, letter) = (
        WaitId(Uuid::from_u128(2)),
        DeadLetterId::Inbound(EventId(Uuid::from_u128(3))),
    );
    let hold = NewHold {
        kind: HoldKind::Operator,
        by: "bea".into(),
        human_at: None,
    };
    let decision = Decision {
        by: "bea".into(),
        approved: true,
        note: String::new(),
    };
    let (address, filter) = (
        inbound("ana", "hello", "hello").address,
        DeadLetterFilter::default(),
    );
    let calls = vec![
        asked(desk.turn("turn")),
        asked(desk.lines(&address, Number(0), 1)),
        asked(desk.audit(id)),
        asked(desk.record_act(entry())),
        asked(desk.acts()),
        asked(desk.waits(None, 1)),
        asked(desk.wait(wait)),
        asked(desk.decide(wait, decision, entry())),
        asked(desk.claim_wait(wait, ClaimAct::Release { by: "bea".into() }, entry())),
        asked(desk.conversation(id)),
        asked(desk.conversations(false, None, 1)),
        asked(desk.hold(id, hold, entry())),
        asked(desk.release(id, None, entry())),
        asked(desk.end_session(id, entry())),
        asked(desk.dead_letters(&filter, None, 1)),
        asked(desk.dead_letter(letter)),
        asked(desk.dead_letter_stats()),
        asked(desk.act_on_dead_letter(letter, DeadLetterAct::Forget, entry())),
        asked(desk.status()),
    ];
    each_in_time(calls, secs(5)).await;
    // It reads every message that is kept.
    each_in_time(vec![asked(desk.accounting())], secs(600)).await;
}

#[tokio::test(start_paused = true)]
async fn keys_that_never_answer() {
    let keys = GuardedKeys::new(Arc::new(Silent), secs(5));
    let scope = Scope {
        principal: "ana",
        tenant: "",
        operation: "POST /transfer",
    };
    let key = IdempotencyKey::parse(scope, "key-of-sixteen-characters").unwrap();
    let (holder, now) = (Uuid::from_u128(1), Timestamp(0));
    let begin = Begin {
        key,
        request: Digest::default(),
        holder,
        now,
        lease_until: now,
    };
    let answer = KeptAnswer {
        status: 200,
        content_type: None,
        body: Vec::new(),
    };
    let keep = Keep {
        key,
        holder,
        answer,
        now,
        until: now,
    };
    let calls = vec![
        asked(keys.begin(begin)),
        asked(keys.keep(keep)),
        asked(keys.free(key, holder)),
        asked(keys.forget(now, 1)),
    ];
    each_in_time(calls, secs(5)).await;
}

#[tokio::test(start_paused = true)]
async fn chores_go_on_beside_a_desk_and_keys_that_never_answer() {
    let setup = Setup::web();
    let store = Arc::new(FaultyStore::new(Arc::new(setup.memory.clone())));
    let world = setup
        .start_over_with(store.clone(), |builder| {
            builder
                .desk(Arc::new(Silent))
                .idempotency_keys(Arc::new(Silent))
        })
        .await;
    pass(secs(10 * 60)).await;
    let purges = (
        store.calls_of(Call::Purge),
        store.calls_of(Call::PurgeFailures),
    );
    assert!(purges.0 >= 8 && purges.1 >= 8, "{purges:?}");
    drop(world);
}
