//! Hooks and typed replies: what is added to the prompt, and what may still change
//! before an answer is committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use zupa_core::{Content, Error, Result, TurnId};
use zupa_runtime::{AgentTurn, BeforeReply, ContextProvider, OnReply, ReplyVerdict};

use crate::support::{Act, Setup, check};

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
