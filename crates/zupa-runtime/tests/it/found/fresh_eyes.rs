//! Takeovers, sessions and where a conversation stands.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zupa_core::desk::Decided;
use zupa_core::machine::conversation::ConversationState;
use zupa_core::{
    Clock, Content, Desk, Error, ErrorKind, Nudge, Outbound, Timestamp, Wait, WaitState, Wakeup,
};
use zupa_runtime::{Cx, Ending, Graph, InProcessWakeup, Move, State, Stop, ends};
use zupa_testkit::FaultyStore;

use crate::support::{
    Act, Meddle, Meddler, Setup, Shop, World, conversation_of, decide_one, end_session, error,
    hold, inbound, kept, pass, release, secs,
};

const MINUTE: u64 = 60;
const NOBODY: &str = "None of my colleagues is free right now. I can go on helping you.";

async fn open(world: &World) -> Vec<Wait> {
    world.memory.waits(Some(WaitState::Open), 10).await.unwrap()
}

async fn stands(world: &World) -> ConversationState {
    kept(world, "ana").await.talk.unwrap().state()
}

/// A woken turn that dies wakes itself again at once: what was kept still has the old time.
#[tokio::test(start_paused = true)]
async fn a_woken_turn_that_dies_is_not_woken_for_ever() {
    let world = Setup::web().start().await;
    world.model.always("Person: one", Act::Panic);
    world.say("ana", "one").await;
    world.quiet().await;
    pass(secs(15 * MINUTE + 120)).await;
    let counts = world.accounting().await;
    let calls = world.model.calls();
    assert!(
        calls <= 1 + 3,
        "the model was asked {calls} times within two minutes; {counts:?}"
    );
}

/// The same, four times: nobody spoke, and yet a human is called, and the person hears that
/// none is free.
#[tokio::test(start_paused = true)]
async fn woken_turns_that_die_are_no_failures_towards_the_person() {
    let world = Setup::web().start().await;
    world.model.on("Person: one", vec![Act::Panic; 4]);
    world.say("ana", "one").await;
    world.quiet().await;
    pass(secs(50 * MINUTE)).await;
    assert_eq!(world.replies("ana").await, ["re: one"]);
}

/// A process whose clock is a second behind finds that it was woken too early, and keeps
/// what it kept; so nothing is written, and the store has forgotten the time.
#[tokio::test(start_paused = true)]
async fn who_was_woken_too_early_is_woken_again() {
    let setup = Setup::web();
    let meddler = Meddler::new(setup.memory.clone());
    meddler.meddle(Meddle::Behind(secs(2)));
    let world = setup.start_over(FaultyStore::new(meddler.clone())).await;
    world.say("ana", "one").await;
    world.quiet().await;
    pass(secs(600 * MINUTE)).await;
    let id = conversation_of(&world, "ana").await;
    let view = world.memory.conversation(id).await.unwrap().unwrap();
    let kept = kept(&world, "ana").await;
    assert_eq!(view.wake_at, kept.wake_at, "as the store has it");
    assert!(!kept.session.is_open());
}

/// The second hint of one wake (Postgres gives one with the row, the operator's door
/// another) has the summary give way to a message that is none.
#[tokio::test(start_paused = true)]
async fn a_hint_without_a_message_does_not_cost_the_summary() {
    let (mut setup, wakeup) = (Setup::web(), Arc::new(InProcessWakeup::default()));
    setup.wakeup = Some(wakeup.clone());
    let world = setup.start().await;
    world.model.on("Person: one", [Act::Take(secs(2))]);
    world.model.always("Person: one", Act::Say("in short"));
    world.say("ana", "one").await;
    world.quiet().await;
    let id = conversation_of(&world, "ana").await;
    end_session(&world, "ana").await;
    wakeup.wake(Nudge::Due(id));
    world.model.called(2).await;
    wakeup.wake(Nudge::Due(id));
    pass(secs(600 * MINUTE)).await;
    let summary = kept(&world, "ana").await.episodes.remove(0).summary;
    assert!(!summary.starts_with("The person began"), "{summary}");
}

/// A reaction has the summary give way and leaves nothing that wakes the agent again.
#[tokio::test(start_paused = true)]
async fn a_summary_that_gave_way_to_a_reaction_is_made_later() {
    let world = Setup::web().start().await;
    world.model.on("Person: one", [Act::Take(secs(20))]);
    world.model.always("Person: one", Act::Say("in short"));
    world.say("ana", "one").await;
    world.quiet().await;
    world.model.called(2).await;
    let mut reaction = inbound("ana", "r", "");
    reaction.content = Content::Reaction {
        to: "one".into(),
        emoji: "+".into(),
    };
    world.deliver(reaction).await.unwrap();
    pass(secs(600 * MINUTE)).await;
    assert_eq!(kept(&world, "ana").await.episodes[0].summary, "in short");
}

/// `/reset` forgets that operators were asked, but leaves the question open.
#[tokio::test(start_paused = true)]
async fn operators_are_asked_once_whatever_the_person_resets() {
    let world = Setup::web().start().await;
    for text in ["/human", "/reset", "/human "] {
        world.say("ana", text).await;
        world.quiet().await;
    }
    assert_eq!(open(&world).await.len(), 1);
}

/// A human came without the review, spoke, and gave it back.
#[tokio::test(start_paused = true)]
async fn nobody_is_told_that_no_human_came_after_one_did() {
    let world = Setup::web().start().await;
    world.say("ana", "/human").await;
    world.quiet().await;
    hold(&world, "ana").await;
    pass(secs(40 * MINUTE)).await;
    release(&world, "ana", Some(world.clock.wall())).await;
    pass(secs(5)).await;
    world.quiet().await;
    assert!(!world.replies("ana").await.contains(&NOBODY.to_owned()));
}

const ORDER: Act = Act::Call(&[("order", r#"{"item":"soup"}"#)]);

/// The approval was decided, the turn died behind it: nothing waits, and yet the order
/// cannot be given for two days.
#[tokio::test(start_paused = true)]
async fn an_approval_that_is_decided_is_not_waited_for() {
    let shop = Shop::default();
    let mut setup = Setup::web();
    setup.agent = setup.agent.tool(shop.approved_order());
    let world = setup.start().await;
    world.model.always("please order", ORDER);
    world
        .model
        .on("rejected", [Act::Fail(error(ErrorKind::ContentFilter))]);
    world.say("ana", "please order").await;
    world.quiet().await;
    let wait = open(&world).await.remove(0);
    let decided = decide_one(&world, &wait, "bea", false).await;
    assert!(matches!(decided, Decided::Done { .. }));
    pass(secs(5)).await;
    world.quiet().await;
    assert!(open(&world).await.is_empty());
    assert_eq!(kept(&world, "ana").await.waiting.len(), 0);
    world.say("ana", "please order now").await;
    world.quiet().await;
    assert_eq!(open(&world).await.len(), 1, "operators are asked");
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
struct Reply {
    say: String,
}

/// After a yes the machine rests in `completed`, where a failure does not count.
#[tokio::test(start_paused = true)]
async fn a_fallback_after_a_yes_counts() {
    let shop = Shop::default();
    let mut setup = Setup::web();
    setup.agent = setup
        .agent
        .tool_with_confirmation(shop.order(), |_| "Shall I?".into())
        .replies(|reply: Reply| reply.say);
    let world = setup.start().await;
    world.model.on("hungry", [ORDER]);
    world.model.always("soup\"}", Act::Say("not of the form"));
    world
        .model
        .always("required form", Act::Say("not of the form"));
    world.say("ana", "hungry").await;
    world.quiet().await;
    world.say("ana", "yes").await;
    world.quiet().await;
    let said = world.replies("ana").await;
    assert_eq!(said.last(), Some(&world.agent.fallback), "{said:?}");
    let talk = kept(&world, "ana").await.talk.unwrap();
    assert_eq!(
        (talk.state(), talk.failures()),
        (ConversationState::Fallback, 1)
    );
}

/// A second question behind a yes is one, too.
#[tokio::test(start_paused = true)]
async fn a_second_question_is_waited_for() {
    let shop = Shop::default();
    let mut setup = Setup::web();
    setup.agent = setup
        .agent
        .tool_with_confirmation(shop.order(), |_| "Shall I?".into());
    let world = setup.start().await;
    let two = Act::Call(&[
        ("order", r#"{"item":"soup"}"#),
        ("order", r#"{"item":"bread"}"#),
    ]);
    world.model.on("hungry", [two]);
    for text in ["hungry", "yes"] {
        world.say("ana", text).await;
        world.quiet().await;
    }
    assert_eq!(open(&world).await.len(), 1);
    assert_eq!(
        stands(&world).await,
        ConversationState::AwaitingConfirmation
    );
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Nothing;

impl State for Nothing {
    type Update = ();
    type Kept = ();

    fn apply(&mut self, (): ()) {}

    fn kept(&self) -> &() {
        &()
    }

    fn attach(&mut self, (): ()) {}
}

async fn echo(_: &Nothing, cx: &mut Cx) -> Result<Move<Nothing>, Stop> {
    tokio::time::sleep(Duration::from_secs(5)).await;
    let said: Vec<_> = cx
        .inbounds()
        .iter()
        .map(|one| one.content.as_prompt_text())
        .collect();
    if said.len() > 1 {
        return Err(Error::invalid("too many at once").into());
    }
    Ok(Move::end(Ending::Answer(vec![Outbound::reply(
        said.join(" + "),
    )])))
}

fn echoes() -> Graph<Nothing> {
    Graph::builder("echoes")
        .node("echo", echo, [ends()])
        .build()
        .unwrap()
}

/// A silenced turn that is divided: its parts are turns of their own, and speak.
#[tokio::test(start_paused = true)]
async fn what_the_human_has_answered_is_not_answered_by_the_parts_of_a_turn() {
    let world = Setup::web()
        .start_with(|builder| builder.graph(echoes()))
        .await;
    world.say("ana", "zero").await;
    pass(secs(1)).await;
    world.say("ana", "one").await;
    world.say("ana", "two").await;
    // The second turn is about both.
    pass(secs(6)).await;
    assert_eq!(world.replies("ana").await, ["zero"]);
    hold(&world, "ana").await;
    let until: Timestamp = world.clock.wall();
    release(&world, "ana", Some(until)).await;
    pass(secs(60)).await;
    world.quiet().await;
    assert_eq!(
        world.replies("ana").await,
        ["zero"],
        "the human has answered both"
    );
}

/// A graph that asked for no wake answers one, and the person hears it.
#[tokio::test(start_paused = true)]
async fn nobody_hears_of_a_session_that_an_operator_ends() {
    let world = Setup::web()
        .start_with(|builder| builder.graph(echoes()))
        .await;
    world.say("ana", "one").await;
    world.quiet().await;
    end_session(&world, "ana").await;
    pass(secs(10)).await;
    world.quiet().await;
    assert_eq!(world.replies("ana").await, ["one"]);
}

/// A model writes what it likes where a tool's name should be, and the audit keeps it.
#[tokio::test(start_paused = true)]
async fn the_audit_holds_no_name_that_a_model_has_made_up() {
    let world = Setup::web().start().await;
    let made_up = Act::Call(&[("ana lives at 5 canary street", "{}")]);
    world.model.on("one", [made_up]);
    world.say("ana", "one").await;
    world.quiet().await;
    let id = conversation_of(&world, "ana").await;
    let chain = world.memory.audit(id).await.unwrap();
    let reasons: Vec<_> = chain.into_iter().map(|link| link.entry.reason).collect();
    assert!(!reasons.join("\n").contains("canary"), "{reasons:?}");
}
