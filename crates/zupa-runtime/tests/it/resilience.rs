//! The policies on the path: what is tried again within a turn, who is asked instead, and
//! what an open breaker spares.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;
use zupa_core::model::ModelStream;
use zupa_core::{
    Deduplicates, DeliveryState, Digest, Effect, EffectClass, Error, ErrorKind, Model,
    ModelRequest, Outcome, Probe, Retry, ToolContext, ToolOutput,
};
use zupa_runtime::resilience::{Breaker, BreakerState, Jitter, Policies};
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
async fn a_namesake_of_another_provider_has_a_breaker_of_its_own() {
    let second = Script::always("the second", Duration::ZERO);
    let second = Arc::new(Namesake(ScriptedModel::new(second).unwrap()));
    let world = guarded(Setup::web())
        .start_with(|builder| builder.fallback_model(second))
        .await;
    breaker(&world, "model/puppet").open();
    world.say("ana", "hello").await;
    world.quiet().await;
    assert_eq!(world.replies("ana").await, ["the second"]);
    assert_eq!(world.model.calls(), 0);
    let seen = breaker(&world, "model/puppet#2").metrics();
    assert_eq!(seen.totals.succeeded, 1);
}

/// Goes by the name of the first model.
#[derive(Debug)]
struct Namesake(ScriptedModel);

#[async_trait]
impl Model for Namesake {
    fn name(&self) -> &str {
        "puppet"
    }

    async fn stream(&self, request: ModelRequest) -> zupa_core::Result<ModelStream> {
        self.0.stream(request).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_turn_has_retries_and_waits_of_its_own() {
    let mut setup = Setup::web();
    let policies = &mut setup.settings.policies;
    policies.model.retries = 9;
    policies.turn.retries = 2;
    (policies.turn.backoff.base, policies.turn.backoff.cap) = (secs(40), secs(40));
    policies.turn.backoff.jitter = Jitter::Ratio(0.0);
    policies.model.budget = 0.0;
    let world = setup.start().await;
    let passing = || Act::Fail(error(ErrorKind::Internal).with_retry(Retry::Now));
    world.model.on("hello", (0..9).map(|_| passing()));
    world.say("ana", "hello").await;
    world.quiet().await;
    let view = world.view("hello").await;
    let runs: Vec<_> = view
        .failures
        .iter()
        .map(|failure| (failure.attempt.run, failure.attempt.not_before))
        .collect();
    assert_eq!(runs.len(), 3, "one run and two more: {runs:?}");
    let asked = world.model.asked();
    assert_eq!(asked.len(), 3);
    for (failure, pair) in view.failures.iter().zip(asked.windows(2)) {
        let wait = failure
            .attempt
            .not_before
            .unwrap()
            .since(failure.attempt.at);
        assert_eq!(wait, secs(40));
        assert!(pair[1].at - pair[0].at >= secs(40));
    }
    assert_eq!(runs[2].1, None, "it gave up");
}

#[tokio::test(start_paused = true)]
async fn only_tools_that_may_be_called_twice_are() {
    let keys: Arc<std::sync::Mutex<Vec<(String, Digest)>>> = Arc::default();
    let mut setup = guarded(Setup::web());
    let effects = [
        Effect::PURE,
        Effect::IDEMPOTENT,
        Effect::RECONCILE,
        Effect::AT_MOST_ONCE,
    ];
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
        let probe = |_: Nothing, _: ToolContext| async { Ok(Probe::Unknown) };
        let tool = tool(name, "", effect, call).probed_by(probe);
        setup.agent = setup.agent.tool(tool.into_tool());
    }
    let all = Act::Call(&[
        ("pure", "{}"),
        ("idempotent", "{}"),
        ("reconcile", "{}"),
        ("at_most_once", "{}"),
    ]);
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
    assert_eq!(of(EffectClass::Reconcile).len(), 1);
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
    let looked = held.metrics().totals;
    assert!(looked.refused <= 3, "looking asks for no leave: {looked:?}");
    held.close();
    world.quiet().await;
    assert_eq!(world.visible().len(), 3);
    let attempts = world.door().calls().into_iter().map(|call| call.attempt);
    assert_eq!(
        attempts.max(),
        Some(2),
        "the first was recorded by the commit"
    );
    pass(secs(60)).await;
    assert_eq!(held.metrics().totals.cancelled, 0, "nor does it take any");
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

#[tokio::test(start_paused = true)]
async fn what_an_open_breaker_of_a_door_kept_back_leaves_as_soon_as_a_door_is_open() {
    let setup = guarded(Setup::phone(Deduplicates::Never));
    let mut world = setup.start().await;
    breaker(&world, "channel/door").open();
    world.say("ana", "ana").await;
    pass(secs(3)).await;
    assert!(world.door().calls().is_empty());
    // By hand, or in a process that knows of none that is closed.
    breaker(&world, "channel/door").close();
    pass(secs(2)).await;
    assert_eq!(world.visible(), ["re: ana"]);
    breaker(&world, "channel/door").open();
    world.say("bia", "bia").await;
    pass(secs(3)).await;
    world.shutdown(secs(5)).await.unwrap();
    drop(world);
    let world = setup.start().await;
    pass(secs(2)).await;
    assert_eq!(world.visible(), ["re: ana", "re: bia"]);
    assert_eq!(world.door().calls().len(), 2, "each left once");
}
