//! What a tool asks for beside its result: messages at once, and reminders.

use zupa_core::{Deduplicates, Effect, Reminder, ToolContext, ToolOutput};
use zupa_runtime::tool;

use super::{Nothing, with};
use crate::support::{Act, Setup};

#[tokio::test(start_paused = true)]
async fn a_reminder_that_is_over_is_told_to_the_model() {
    let remind = |_: Nothing, cx: ToolContext| async move {
        let mut set = ToolOutput::of("set");
        set.remind.push(Reminder::once(cx.at, "too late"));
        Ok(set)
    };
    let world = with(tool("remind", "", Effect::IDEMPOTENT, remind).into_tool()).await;
    world.model.on("go", [Act::Call(&[("remind", "{}")])]);
    world.model.on("in the past", [Act::Say("sorry")]);
    world.say("ana", "go").await;
    world.quiet().await;
    assert_eq!(world.replies("ana").await, ["sorry"]);
}

/// On a channel that sends, an answer follows what the turn has said, each under a key
/// of its own.
#[tokio::test(start_paused = true)]
async fn an_answer_is_sent_behind_its_side_messages() {
    let cook = |_: Nothing, _: ToolContext| async {
        let mut done = ToolOutput::of("cooked");
        done.say = vec!["one moment".into(), "almost".into()];
        Ok(done)
    };
    let mut setup = Setup::phone(Deduplicates::ByKey);
    let cook = tool("cook", "", Effect::IDEMPOTENT, cook).into_tool();
    setup.agent = setup.agent.tool(cook);
    let world = setup.start().await;
    world.model.on("go", [Act::Call(&[("cook", "{}")])]);
    world.model.on("cooked", [Act::Say("enjoy")]);
    world.say("ana", "go").await;
    world.quiet().await;
    assert_eq!(world.visible(), ["one moment", "almost", "enjoy"]);
    let calls = world.door().calls();
    let ordinals: Vec<_> = calls.iter().map(|call| call.delivery.ordinal).collect();
    assert_eq!(ordinals, [0, 1, 2]);
}
