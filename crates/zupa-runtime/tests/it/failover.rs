//! A turn's time and its models: whoever is asked first leaves time for the others, and
//! what the models do not use up of it is nobody's failure.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use zupa_core::{Deduplicates, ErrorKind, InboundState};
use zupa_runtime::resilience::Policies;
use zupa_runtime::{AgentTurn, Cx, Move, Node, Script, ScriptedModel, Stop};

use crate::support::{Act, Setup, World, error, secs};

const WAIT: &str = "I will come back to you.";

/// With the policies that come with the runtime, and a person who is told to wait.
fn guarded() -> Setup {
    let mut setup = Setup::phone(Deduplicates::Never);
    setup.settings.policies = Policies::default();
    setup.agent.language.model_down = WAIT.to_owned();
    setup
}

fn answers_after(delay: Duration) -> Arc<ScriptedModel> {
    let script = Script::always("the last", delay);
    Arc::new(ScriptedModel::new(script).unwrap())
}

async fn answered_at_once(world: &World) {
    world.say("ana", "hello").await;
    world.quiet().await;
    assert_eq!(world.visible(), ["the last"]);
    let turn = world.view("hello").await.turn.unwrap();
    assert_eq!((turn.runs, turn.failures), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_model_that_hangs_leaves_time_for_the_next() {
    let mut setup = guarded();
    setup.settings.policies.model.timeout = secs(2);
    setup.settings.policies.model.retries = 1;
    setup.settings.turn_timeout = secs(4);
    setup.model.always("hello", Act::Hang);
    let world = setup
        .start_with(|builder| builder.fallback_model(answers_after(secs(1))))
        .await;
    answered_at_once(&world).await;
}

#[tokio::test(start_paused = true)]
async fn two_models_that_hang_leave_time_for_a_third() {
    let setup = guarded();
    setup.model.always("hello", Act::Hang);
    let world = setup
        .start_with(|builder| {
            let builder = builder.fallback_model(answers_after(secs(9_999)));
            builder.fallback_model(answers_after(secs(1)))
        })
        .await;
    answered_at_once(&world).await;
}

/// The last model has the whole rest, less the moment in which the person is told.
#[tokio::test(start_paused = true)]
async fn a_turn_whose_time_its_model_uses_up_is_held_and_the_person_is_told() {
    let mut setup = guarded();
    setup.settings.turn_timeout = secs(4);
    setup.model.on("hello", [Act::Hang]);
    let world = setup.start().await;
    world.say("ana", "hello").await;
    world.quiet().await;
    assert_eq!(world.visible(), [WAIT, "re: hello"]);
    let turn = world.view("hello").await.turn.unwrap();
    assert_eq!((turn.runs, turn.failures), (2, 0));
}

/// Takes its time after a model that has failed.
struct Dawdles(Arc<dyn Node<AgentTurn>>);

#[async_trait]
impl Node<AgentTurn> for Dawdles {
    async fn run(&self, turn: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        let moved = self.0.run(turn, cx).await;
        match moved {
            Err(_) => std::future::pending().await,
            moved => moved,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_strikes_while_a_model_fails_counts_nothing() {
    let mut setup = guarded();
    setup.settings.turn_timeout = secs(4);
    let down = error(ErrorKind::Unavailable);
    setup.model.on("hello", vec![Act::Fail(down); 4]);
    let world = setup
        .start_with(|builder| {
            builder.edit(|graph| graph.wrap("call_model", |inner| Arc::new(Dawdles(inner))))
        })
        .await;
    world.say("ana", "hello").await;
    world.quiet().await;
    let view = world.view("hello").await;
    assert_eq!(view.inbounds[0].state, InboundState::Answered);
    let turn = view.turn.unwrap();
    assert_eq!((turn.runs, turn.failures), (5, 0));
}
