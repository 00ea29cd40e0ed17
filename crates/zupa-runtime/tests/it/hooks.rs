//! Hooks and typed replies: what is added to the prompt, and what may still change
//! before an answer is committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use zupa_core::{
    Address, Content, Deduplicates, Effect, Error, Hint, Reminder, Result, ToolContext, ToolOutput,
    TurnId,
};
use zupa_runtime::{
    AgentTurn, BeforeReply, ContextProvider, Modality, OnReply, ReplyVerdict, tool,
};
use zupa_testkit::Mouth;

use crate::support::{Act, Setup, Shop, check, door, pass, secs};

#[derive(Debug, Default)]
struct Knows(AtomicU32);

#[async_trait]
impl ContextProvider for Knows {
    async fn context(&self, turn: &AgentTurn) -> Result<Option<String>> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(Some(format!("knows of {}", turn.input.join(", ")))),
            1 => Err(Error::internal("as the test wants it")),
            _ => Ok(None),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_context_provider_adds_to_the_prompt_and_may_fail() {
    let mut setup = Setup::web();
    setup.agent.prompt = "Be kind.".into();
    setup.agent = setup.agent.context(Arc::new(Knows::default()));
    let world = setup.start().await;
    check(
        &world,
        "
        user: one
        saw: s[Be kind.] s[knows of one] u[one]
        sent: re: one
        user: two
        saw: s[Be kind.] u[one] a[re: one] u[two]
        sent: re: two
        ",
    )
    .await;
}

#[derive(Debug)]
struct Censor;

#[async_trait]
impl BeforeReply for Censor {
    async fn before_reply(&self, reply: &str, _: &AgentTurn) -> Result<ReplyVerdict> {
        match reply {
            "re: bad" => Ok(ReplyVerdict::Replace("***".into())),
            "re: worse" => Ok(ReplyVerdict::Cancel("too bad".into())),
            "re: worse + broken" => Err(Error::internal("as the test wants it")),
            _ => Ok(ReplyVerdict::Continue(reply.to_owned())),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_before_the_reply_has_the_last_word_and_may_fail() {
    let mut setup = Setup::web();
    setup.agent = setup.agent.before_reply(Arc::new(Censor));
    let world = setup.start().await;
    for text in ["good", "bad", "worse", "broken"] {
        world.say("ana", text).await;
        world.quiet().await;
    }
    assert_eq!(
        world.replies("ana").await,
        ["re: good", "***", "re: worse + broken"]
    );
    let silent = world.view("worse").await;
    assert_eq!(silent.inbounds[0].reason.as_deref(), Some("too bad"));
}

/// The censor reads what a person would, not the form that the model answered in.
#[tokio::test(start_paused = true)]
async fn a_typed_reply_is_judged_as_the_person_reads_it() {
    let mut setup = Setup::web();
    setup.agent = setup
        .agent
        .replies(|card: Card| format!("re: {}", card.front))
        .before_reply(Arc::new(Censor));
    let world = setup.start().await;
    world
        .model
        .on("one", [Act::Say(r#"{"front":"bad","back":""}"#)]);
    world
        .model
        .on("two", [Act::Say(r#"{"front":"worse","back":""}"#)]);
    for text in ["one", "two"] {
        world.say("ana", text).await;
        world.quiet().await;
    }
    assert_eq!(world.replies("ana").await, ["***"]);
    let silent = world.view("two").await;
    assert_eq!(silent.inbounds[0].reason.as_deref(), Some("too bad"));
}

#[tokio::test(start_paused = true)]
async fn a_spoken_answer_is_judged_before_it_is_spoken() {
    let mut setup = Setup::with(door("door", Deduplicates::ByKey).with_voice());
    let mouth = Arc::new(Mouth::default());
    setup.agent = setup
        .agent
        .speaks(mouth.clone(), Modality::Voice)
        .before_reply(Arc::new(Censor));
    let world = setup.start().await;
    for text in ["bad", "worse"] {
        world.say("ana", text).await;
        world.quiet().await;
    }
    assert_eq!(mouth.said(), ["***"]);
    assert_eq!(world.visible(), ["***"]);
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Nothing {}

#[tokio::test(start_paused = true)]
async fn what_a_reminder_has_the_agent_say_is_judged_too() {
    let remind = |_: Nothing, cx: ToolContext| async move {
        let mut set = ToolOutput::of("set");
        set.remind.push(Reminder::once(cx.at.plus(secs(20)), "tea"));
        Ok(set)
    };
    let mut setup = Setup::web();
    setup.agent = setup
        .agent
        .tool(tool("remind", "", Effect::IDEMPOTENT, remind).into_tool())
        .before_reply(Arc::new(Censor));
    let world = setup.start().await;
    world
        .model
        .on("go", [Act::Call(&[("remind", "{}")]), Act::Say("I will")]);
    world.model.always(": tea]", Act::Say("re: bad"));
    world.say("ana", "go").await;
    world.quiet().await;
    pass(secs(30)).await;
    world.quiet().await;
    let said = world.replies("ana").await;
    assert_eq!(said.last().map(String::as_str), Some("***"), "{said:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_sees_a_draft_of_what_may_still_be_changed() {
    for censored in [false, true] {
        let mut setup = Setup::web();
        if censored {
            setup.agent = setup.agent.before_reply(Arc::new(Censor));
        }
        let world = setup.start().await;
        world.say("ana", "bad").await;
        world.quiet().await;
        let hints = world.door().hints();
        let drafts = |(_, hint): &&(Address, Hint)| matches!(hint, Hint::Delta { .. });
        assert_eq!(hints.iter().filter(drafts).count() == 0, censored);
    }
}

/// Lets nothing out that it is asked about.
#[derive(Debug)]
struct Mute;

#[async_trait]
impl BeforeReply for Mute {
    async fn before_reply(&self, _: &str, _: &AgentTurn) -> Result<ReplyVerdict> {
        Ok(ReplyVerdict::Cancel("mute".into()))
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_agent_says_by_itself_is_nobodys_to_judge() {
    let mut setup = Setup::web();
    setup.agent = setup
        .agent
        .replies(|card: Card| card.front)
        .before_reply(Arc::new(Mute));
    let world = setup.start().await;
    world
        .model
        .on("good", [Act::Say(r#"{"front":"a","back":"b"}"#)]);
    for text in ["good", "of no form", "/reset"] {
        world.say("ana", text).await;
        world.quiet().await;
    }
    let agent = &world.agent;
    let said = world.replies("ana").await;
    assert_eq!(said, [agent.fallback.as_str(), &agent.language.reset]);
}

/// Says how often it was asked before.
#[derive(Debug, Default)]
struct Counts(AtomicU32);

#[async_trait]
impl ContextProvider for Counts {
    async fn context(&self, _: &AgentTurn) -> Result<Option<String>> {
        let asked = self.0.fetch_add(1, Ordering::Relaxed);
        Ok(Some(format!("asked {asked} times before")))
    }
}

#[tokio::test(start_paused = true)]
async fn a_context_provider_is_asked_before_each_call_of_the_model() {
    let mut setup = Setup::web();
    setup.agent = setup
        .agent
        .tool(Shop::default().price())
        .context(Arc::new(Counts::default()));
    let world = setup.start().await;
    let price = Act::Call(&[("price", r#"{"item":"soup"}"#)]);
    world.model.on("one", [price, Act::Say("ten")]);
    world.say("ana", "one").await;
    world.quiet().await;
    let asked = world.model.asked();
    let told: Vec<_> = asked.iter().map(|call| call.messages[0].text()).collect();
    assert_eq!(told, ["asked 0 times before", "asked 1 times before"]);
}

#[derive(Debug, Default)]
struct Hears(std::sync::Mutex<Vec<String>>);

#[async_trait]
impl OnReply for Hears {
    async fn on_reply(&self, _: TurnId, said: &[Content]) -> Result<()> {
        let mut heard = self.0.lock().unwrap();
        heard.extend(said.iter().map(Content::as_prompt_text));
        Err(Error::internal("as the test wants it"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_after_the_reply_hears_what_was_committed_and_may_fail() {
    let hears = Arc::new(Hears::default());
    let mut setup = Setup::web();
    setup.agent = setup.agent.on_reply(hears.clone());
    let mut world = setup.start().await;
    for text in ["one", "two"] {
        world.say("ana", text).await;
        world.quiet().await;
    }
    world.shutdown(crate::support::secs(1)).await.unwrap();
    assert_eq!(*hears.0.lock().unwrap(), ["re: one", "re: two"]);
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Card {
    front: String,
    back: String,
}

#[tokio::test(start_paused = true)]
async fn a_typed_reply_is_repaired_once_and_then_given_up() {
    let mut setup = Setup::web();
    setup.agent = setup
        .agent
        .replies(|card: Card| format!("{} = {}", card.front, card.back));
    let world = setup.start().await;
    let good = r#"{"front":"dog","back":"cão"}"#;
    world.model.on("one", [Act::Say(good)]);
    world.model.on("two", [Act::Say("dog is cão")]);
    world.model.on(
        "required form",
        [Act::Say(
            "```json\n{\"front\":\"cat\",\"back\":\"gato\"}\n```",
        )],
    );
    for text in ["one", "two"] {
        world.say("ana", text).await;
        world.quiet().await;
    }
    assert_eq!(world.replies("ana").await, ["dog = cão", "cat = gato"]);
    world.model.on("three", [Act::Say("no card")]);
    world.model.on("required form", [Act::Say("still none")]);
    world.say("ana", "three").await;
    world.quiet().await;
    assert_eq!(
        world.replies("ana").await.last(),
        Some(&world.agent.fallback)
    );
    assert_eq!(world.model.calls(), 5);
}
