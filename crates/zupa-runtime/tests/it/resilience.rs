//! The policies on the path: what is tried again within a turn, who is asked instead, and
//! what an open breaker spares.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use zupa_core::{
    Deduplicates, DeliveryState, Digest, Effect, EffectClass, Error, ErrorKind, Outcome, Retry,
    ToolContext, ToolOutput,
};
use zupa_runtime::resilience::{Breaker, BreakerState, Policies};
use zupa_runtime::{Script, ScriptedModel, tool};
use zupa_testkit::Answer;

use crate::support::{Act, Setup, World, error, pass, secs};

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Nothing {}

/// With the policies that come with the runtime.
fn guarded(mut setup: Setup) -> Setup {
    setup.settings.policies = Policies::default();
    setup
}

fn down() -> Act {
    Act::Fail(error(ErrorKind::Unavailable).with_retry(Retry::Now))
}

fn breaker(world: &World, name: &str) -> Breaker {
    let breakers = world.runtime().breakers();
    let found = breakers.iter().find(|breaker| breaker.name() == name);
    found.cloned().unwrap()
}

async fn runs(world: &World, id: &str) -> u32 {
    world.view(id).await.turn.unwrap().runs
}

#[tokio::test(start_paused = true)]
async fn a_model_that_stumbles_is_asked_again_within_the_turn() {
    let mut setup = guarded(Setup::web());
    setup.settings.policies.model.backoff.base = Duration::from_millis(500);
    let world = setup.start().await;
    world.model.on("hello", [down(), down()]);
    world.say("ana", "hello").await;
    world.quiet().await;
    assert_eq!((runs(&world, "hello").await, world.model.calls()), (1, 3));
    assert_eq!(world.replies("ana").await, ["re: hello"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_shown_in_part_is_asked_for_again_by_a_row_only() {
    let world = guarded(Setup::web()).start().await;
    world.model.on("hello", [Act::CutOff]);
    world.say("ana", "hello").await;
    world.quiet().await;
    assert_eq!((runs(&world, "hello").await, world.model.calls()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_long_wait_is_a_row() {
    let world = guarded(Setup::web()).start().await;
    let asked = error(ErrorKind::RateLimited).with_retry(Retry::After(secs(90)));
    world.model.on("hello", [Act::Fail(asked)]);
    world.say("ana", "hello").await;
    world.quiet().await;
    assert_eq!((runs(&world, "hello").await, world.model.calls()), (2, 2));
    let asked = world.model.asked();
    assert!(asked[1].at - asked[0].at >= secs(90));
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_keeps_the_model_from_being_asked_until_it_is_due() {
    let world = guarded(Setup::web()).start().await;
    world.model.on("hello", vec![down(); 5]);
    world.say("ana", "hello").await;
    world.quiet().await;
    let asked = world.model.asked();
    assert_eq!(asked.len(), 6, "five failures, and the answer");
    assert!(asked[5].at - asked[4].at >= secs(60));
    assert_eq!(breaker(&world, "model/puppet").metrics().totals.opened, 1);
    assert_eq!(world.replies("ana").await, ["re: hello"]);
}

#[tokio::test(start_paused = true)]
async fn another_model_answers_where_the_first_cannot() {
    let second = Script::always("the second", Duration::ZERO);
    let second = Arc::new(ScriptedModel::new(second).unwrap());
    let world = guarded(Setup::web());
    let world = world
        .start_with(|builder| builder.fallback_model(second.clone()))
        .await;
    world
        .model
        .on("refused", [Act::Fail(error(ErrorKind::Unauthorized))]);
    world
        .model
        .on("too long", [Act::Fail(error(ErrorKind::ContextLength))]);
    world.say("ana", "refused").await;
    world.quiet().await;
    breaker(&world, "model/puppet").open();
    world.say("ana", "open").await;
    world.quiet().await;
    breaker(&world, "model/puppet").close();
    world.say("ana", "well").await;
    world.quiet().await;
    world.say("ana", "too long").await;
    world.quiet().await;
    assert_eq!(
        world.replies("ana").await[..3],
        ["the second", "the second", "re: well"]
    );
    assert_eq!(
        second.asked().len(),
        2,
        "an error about the input is the first's own"
    );
    assert_eq!(world.model.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn only_tools_that_may_be_called_twice_are() {
    let keys: Arc<std::sync::Mutex<Vec<(String, Digest)>>> = Arc::default();
    let mut setup = guarded(Setup::web());
    let effects = [Effect::PURE, Effect::IDEMPOTENT, Effect::AT_MOST_ONCE];
    for effect in effects {
        let name = effect.class.as_str();
        let keys = keys.clone();
        let call = move |_: Nothing, cx: ToolContext| {
            let keys = keys.clone();
            async move {
                let mut keys = keys.lock().unwrap();
                keys.push((name.to_owned(), cx.key));
                if keys.iter().filter(|(of, _)| of == name).count() > 1 {
                    return Ok(ToolOutput::of(json!("worked")));
                }
                let error = Error::new(ErrorKind::Unavailable, "down").with_retry(Retry::Now);
                Err(error.with_outcome(Outcome::NotApplied))
            }
        };
        setup.agent = setup.agent.tool(tool(name, "", effect, call).into_tool());
    }
    let all = Act::Call(&[("pure", "{}"), ("idempotent", "{}"), ("at_most_once", "{}")]);
    setup.settings.policies.tool.backoff.base = Duration::from_millis(100);
    setup.model.on("go", [all, Act::Say("done")]);
    let world = setup.start().await;
    world.say("ana", "go").await;
    world.quiet().await;
    let keys = keys.lock().unwrap();
    let of = |class: EffectClass| -> Vec<Digest> {
        let of = keys.iter().filter(|(name, _)| name == class.as_str());
        of.map(|(_, key)| *key).collect()
    };
    assert_eq!(of(EffectClass::Pure).len(), 2);
    assert_eq!(of(EffectClass::AtMostOnce).len(), 1);
    let idempotent = of(EffectClass::Idempotent);
    assert_eq!((idempotent.len(), idempotent[0]), (2, idempotent[1]));
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_of_a_door_spends_no_attempts() {
    let mut setup = guarded(Setup::phone(Deduplicates::Never));
    setup.settings.delivery_attempts = 3;
    let world = setup.start().await;
    let held = breaker(&world, "channel/door");
    held.open();
    for who in ["ana", "bia", "eva"] {
        world.say(who, who).await;
    }
    // Far longer than all attempts would take.
    for _ in 0..60 {
        pass(secs(10)).await;
    }
    assert!(world.door().calls().is_empty());
    held.close();
    world.quiet().await;
    assert_eq!(world.visible().len(), 3);
    let attempts = world.door().calls().into_iter().map(|call| call.attempt);
    assert_eq!(
        attempts.max(),
        Some(2),
        "the first was recorded by the commit"
    );
}

#[tokio::test(start_paused = true)]
async fn a_door_that_fails_is_left_alone_and_then_probed() {
    let setup = guarded(Setup::phone(Deduplicates::Never));
    let fails = error(ErrorKind::Unavailable).with_retry(Retry::Now);
    let fails = fails.with_outcome(Outcome::NotApplied);
    setup.door().answer(vec![Answer::Fail(fails); 5]);
    let world = setup.start().await;
    for who in ["a", "b", "c", "d", "e"] {
        world.say(who, who).await;
    }
    world.door().called(5).await;
    pass(Duration::from_millis(100)).await;
    assert_eq!(
        breaker(&world, "channel/door").metrics().state,
        BreakerState::Open
    );
    world.quiet().await;
    assert_eq!(world.visible().len(), 5);
    let failed = DeliveryState::Failed.as_str();
    assert!(!world.accounting().await.deliveries.contains_key(failed));
}
