//! The wall clock jumps while a process serves: nothing comes early, nothing is held up,
//! and nothing that waits runs out of time.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use zupa_core::idempotency::{Begin, Begun, Keep, KeptAnswer, Scope};
use zupa_core::{
    AuditEntry, Clock, DeadLetterAct, DeadLetterFilter, DeadLetterState, Deduplicates, Desk,
    Digest, Effect, ErrorKind, IdempotencyKey, IdempotencyKeys, InboundState, Reminder, Result,
    Retry, Timestamp, ToolContext, ToolOutput, WaitState,
};
use zupa_runtime::resilience::Breaker;
use zupa_runtime::tool;
use zupa_testkit::ManualClock;

use crate::support::{Act, Setup, Shop, World, act, error, kept, pass, secs};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Ten of them.
const YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);
/// A new time is believed once it has lasted for so long.
const STABLE: Duration = Duration::from_secs(5 * 60);

#[derive(Debug, Clone, Copy)]
enum Jump {
    Forward(Duration),
    Back(Duration),
}

/// What clocks do to people. A change to daylight saving is none where it belongs, and an
/// hour where somebody keeps local time in the clock of the machine.
const JUMPS: [Jump; 4] = [
    Jump::Back(HOUR),
    Jump::Forward(HOUR),
    Jump::Forward(DAY),
    Jump::Forward(YEARS),
];

impl Jump {
    fn from(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Forward(by) => now.plus(by),
            Self::Back(by) => now.minus(by),
        }
    }

    fn jump(self, world: &World) {
        world.clock.jump_to(self.from(world.clock.wall()));
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Nothing {}

async fn open(world: &World) -> usize {
    let open = world.memory.waits(Some(WaitState::Open), 100).await;
    open.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn approvals_do_not_run_out_in_twenty_jumps() {
    let mut setup = Setup::web();
    let shop = Shop::default();
    setup.agent = setup.agent.tool(shop.approved_order());
    let order = Act::Call(&[("order", r#"{"item":"soup"}"#)]);
    setup.model.always("order", order);
    let world = setup.patient().start().await;
    for person in 0..20 {
        world
            .say(&format!("p{person}"), &format!("order {person}"))
            .await;
    }
    world.quiet().await;
    assert_eq!(open(&world).await, 20);
    for jump in JUMPS.iter().cycle().take(20) {
        let began = (world.clock.wall(), world.clock.monotonic());
        jump.jump(&world);
        pass(STABLE - secs(30)).await;
        let went_by = world.clock.monotonic() - began.1;
        world.clock.jump_to(began.0.plus(went_by));
        pass(secs(60)).await;
        assert_eq!(open(&world).await, 20, "{jump:?}");
    }
    let replies = world.replies("p3").await.len();
    assert_eq!((replies, shop.done().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_reminder_comes_when_its_time_has_gone_by_whatever_the_clock_says() {
    for jump in JUMPS {
        let mut setup = Setup::web();
        let set = |_: Nothing, cx: ToolContext| async move {
            let mut set = ToolOutput::of("set");
            set.remind
                .push(Reminder::once(cx.at.plus(secs(120)), "water"));
            Ok(set)
        };
        setup.agent = setup
            .agent
            .tool(tool("set", "", Effect::IDEMPOTENT, set).into_tool());
        setup.model.always("please", Act::Call(&[("set", "{}")]));
        let world = setup.start().await;
        world.say("ana", "please").await;
        world.quiet().await;
        let before = world.replies("ana").await.len();
        jump.jump(&world);
        pass(secs(110)).await;
        assert_eq!(
            world.replies("ana").await.len(),
            before,
            "{jump:?}: too early"
        );
        pass(secs(20)).await;
        world.quiet().await;
        assert_eq!(
            world.replies("ana").await.len(),
            before + 1,
            "{jump:?}: too late"
        );
    }
}

/// When the model was asked, in seconds from the first time.
fn asked(world: &World) -> Vec<u64> {
    let asked = world.model.asked();
    asked
        .iter()
        .map(|call| (call.at - asked[0].at).as_secs())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_retry_comes_at_its_time_also_when_the_new_time_is_believed_meanwhile() {
    for jump in JUMPS {
        let mut setup = Setup::phone(Deduplicates::Never);
        // Also after ten years somebody waits for the answer.
        setup.agent.answer_within = YEARS * 2;
        let world = setup.start().await;
        let later = Retry::After(secs(90));
        let down = Act::Fail(error(ErrorKind::RateLimited).with_retry(later));
        world.model.on("hello", vec![down; 9]);
        world.say("ana", "hello").await;
        pass(secs(1)).await;
        jump.jump(&world);
        world.quiet().await;
        assert_eq!(world.visible(), ["re: hello"], "{jump:?}");
        let asked = asked(&world);
        let pauses = asked.windows(2).map(|pair| pair[1] - pair[0]);
        let pauses: Vec<_> = pauses.collect();
        // The one in which the time is believed ends at once where time was skipped.
        let odd = pauses.iter().filter(|pause| !(90..=95).contains(*pause));
        let odd: Vec<_> = odd.collect();
        match jump {
            Jump::Back(_) => assert_eq!(odd, [&0; 0], "{jump:?}"),
            Jump::Forward(_) => assert!(odd.len() <= 1, "{jump:?}: {pauses:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_and_a_delivery_are_not_held_up() {
    for jump in JUMPS {
        let mut setup = Setup::phone(Deduplicates::Never);
        setup.agent.burst.silence = secs(3);
        let world = setup.start().await;
        for second in 0..8 {
            // Some of it falls into the moment in which the time is believed.
            world.say("ana", &format!("hello {second}")).await;
            if second == 0 {
                jump.jump(&world);
                pass(STABLE - secs(4)).await;
            }
            pass(secs(1)).await;
        }
        pass(secs(10)).await;
        assert!(
            world.is_quiet().await,
            "{jump:?}: {:?}",
            world.accounting().await
        );
        assert!(world.visible().len() >= 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_keeps_its_claim_and_runs_once() {
    for jump in JUMPS {
        let mut setup = Setup::web();
        setup.settings.policies.model.timeout = secs(1_000);
        setup.settings.policies.model.total_timeout = Some(secs(1_000));
        setup.settings.turn_timeout = secs(1_000);
        let world = setup.start().await;
        world.model.on("hello", [Act::Take(STABLE * 2)]);
        world.say("ana", "hello").await;
        pass(secs(1)).await;
        jump.jump(&world);
        world.quiet().await;
        let view = world.view("hello").await;
        assert_eq!(view.inbounds[0].state, InboundState::Answered);
        assert_eq!(view.turn.unwrap().runs, 1, "{jump:?}");
        assert_eq!(world.runtime().stale_writes(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_over_after_its_minute() {
    for jump in JUMPS {
        let mut setup = Setup::web();
        setup.settings.per_user_per_minute = 2;
        let world = setup.start().await;
        for text in ["one", "two", "three"] {
            world.say("ana", text).await;
            world.quiet().await;
        }
        let state = world.view("three").await.inbounds[0].state;
        assert_eq!(state, InboundState::Refused);
        jump.jump(&world);
        world.say("ana", "four").await;
        world.quiet().await;
        let state = world.view("four").await.inbounds[0].state;
        assert_eq!(state, InboundState::Refused, "{jump:?} opens no gate");
        pass(secs(61)).await;
        world.say("ana", "five").await;
        world.quiet().await;
        let state = world.view("five").await.inbounds[0].state;
        assert_eq!(state, InboundState::Answered, "{jump:?} closes none");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_nobody_goes_on_with_ends_at_its_time() {
    for jump in JUMPS {
        let mut setup = Setup::web();
        setup.agent.session_idle = STABLE * 2;
        let world = setup.start().await;
        world.say("ana", "hello").await;
        world.quiet().await;
        jump.jump(&world);
        pass(STABLE - secs(10)).await;
        assert!(kept(&world, "ana").await.session.is_open(), "{jump:?}");
        pass(STABLE + secs(20)).await;
        let session = kept(&world, "ana").await.session;
        assert!(!session.is_open(), "{jump:?}: {session:?}");
    }
}

/// Of two messages in one session the second may be stamped before the first.
#[tokio::test(start_paused = true)]
async fn a_session_that_goes_on_after_a_jump_ends_at_its_time() {
    let mut setup = Setup::web();
    setup.agent.session_idle = STABLE * 2;
    let world = setup.start().await;
    world.say("ana", "hello").await;
    world.quiet().await;
    Jump::Back(HOUR).jump(&world);
    pass(STABLE + secs(10)).await;
    world.say("ana", "still there?").await;
    world.quiet().await;
    pass(STABLE * 2 - secs(20)).await;
    let session = kept(&world, "ana").await.session;
    assert!(session.is_open() && session.number == 1, "{session:?}");
    pass(secs(40)).await;
    assert!(!kept(&world, "ana").await.session.is_open());
}

/// What operators do is stamped by the clock that is believed, too.
#[tokio::test(start_paused = true)]
async fn what_is_tried_again_during_a_jump_is_due_at_once() {
    for jump in JUMPS {
        let world = Setup::phone(Deduplicates::Never).start().await;
        let fails = Act::Fail(error(ErrorKind::ContentFilter));
        world.model.on("bad", [fails]);
        world.say("ana", "bad").await;
        world.quiet().await;
        let all = DeadLetterFilter::default();
        let id = world.memory.dead_letters(&all, None, 9).await.unwrap()[0].id;
        let began = (world.clock.wall(), world.clock.monotonic());
        jump.jump(&world);
        let entry = AuditEntry {
            at: world.runtime().clock().wall(),
            ..act(&world, "dead_letter.retried")
        };
        let again = DeadLetterAct::Retry { confirmed: false };
        world
            .memory
            .act_on_dead_letter(id, again, entry)
            .await
            .unwrap();
        let went_by = world.clock.monotonic() - began.1;
        world.clock.jump_to(began.0.plus(went_by));
        pass(secs(5)).await;
        let letter = world.memory.dead_letter(id).await.unwrap().unwrap().letter;
        assert_eq!(letter.state, DeadLetterState::Done, "{jump:?}");
    }
}

/// A try of one act, by this holder, with a minute of lease.
fn try_of(clock: &dyn Clock, holder: u128) -> Begin {
    let scope = Scope {
        principal: "ana",
        tenant: "",
        operation: "POST /transfer",
    };
    let now = clock.wall();
    Begin {
        key: IdempotencyKey::parse(scope, "key-of-sixteen-characters").unwrap(),
        request: Digest::of(b"ten"),
        holder: uuid::Uuid::from_u128(holder),
        now,
        lease_until: now.plus(secs(60)),
    }
}

#[tokio::test(start_paused = true)]
async fn an_act_under_a_key_is_not_made_again() {
    for jump in JUMPS {
        let setup = Setup::web();
        let keys = Arc::new(setup.memory.clone());
        let world = setup
            .start_with(|builder| builder.idempotency_keys(keys.clone()))
            .await;
        let clock = world.runtime().clock();
        let first = try_of(&*clock, 1);
        assert_eq!(keys.begin(first).await.unwrap(), Begun::Fresh);
        jump.jump(&world);
        let early = keys.begin(try_of(&*clock, 2)).await.unwrap();
        assert_eq!(early, Begun::Running, "{jump:?}: the first is at work");
        let answer = KeptAnswer {
            status: 201,
            content_type: None,
            body: b"done".to_vec(),
        };
        let (key, holder, now) = (first.key, first.holder, clock.wall());
        let keep = Keep {
            key,
            holder,
            answer: answer.clone(),
            now,
            until: now.plus(HOUR / 2),
        };
        assert!(keys.keep(keep).await.unwrap());
        jump.jump(&world);
        pass(STABLE - secs(1)).await;
        let again = keys.begin(try_of(&*clock, 3)).await.unwrap();
        assert_eq!(again, Begun::Answered(answer), "{jump:?}");
    }
}

#[test]
fn a_breaker_knows_no_wall_time() {
    let clock = ManualClock::default();
    let breaker = Breaker::builder("b").clock(Arc::new(clock.clone()));
    let breaker = breaker
        .minimum_requests(1)
        .reset_timeout(secs(60))
        .build()
        .unwrap();
    let down: Result<()> = Err(error(ErrorKind::Unavailable));
    breaker.permit().unwrap().answered(&down);
    for jump in JUMPS {
        clock.jump_to(jump.from(clock.wall()));
        assert!(breaker.permit().is_err(), "{jump:?}");
    }
    clock.advance(secs(60));
    assert!(breaker.permit().is_ok());
}
