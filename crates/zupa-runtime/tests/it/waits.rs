//! Turns that wait: for the person's yes, for an operator, for the time.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use zupa_core::desk::Decided;
use zupa_core::{
    ChoiceRoom, Content, DeadLetterAct, DeadLetterActed, DeadLetterFilter, Deduplicates, Desk,
    Effect, Inbound, Reminder, ToolContext, ToolOutput, TurnState, Wait, WaitKind, WaitState,
};
use zupa_runtime::tool;

use crate::support::{
    Act, DOOR, Setup, Shop, World, act, check, decide_one, door, hold, inbound, pass, release, secs,
};

const ORDER: Act = Act::Call(&[("order", r#"{"item":"soup"}"#)]);

fn approving(shop: &Shop) -> Setup {
    let mut setup = Setup::web();
    setup.agent = setup.agent.tool(shop.approved_order());
    setup
}

async fn open(world: &World) -> Vec<Wait> {
    world.memory.waits(Some(WaitState::Open), 10).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_approved_call_is_made_once_and_two_deciders_do_not_make_it_two() {
    let shop = Shop::default();
    let world = approving(&shop).start().await;
    world.model.on("order", [ORDER]);
    world.model.on("soup\"}", [Act::Say("ordered")]);
    world.say("ana", "please order").await;
    world.quiet().await;
    assert!(shop.done().is_empty());
    let [wait] = &open(&world).await[..] else {
        panic!("one wait");
    };
    assert_eq!(wait.opened.kind, WaitKind::Decision);
    let subject: Value = serde_json::from_str(&wait.opened.subject).unwrap();
    assert_eq!(subject["arguments"], json!({ "item": "soup" }));
    let parked = world.view("please order").await.turn.unwrap();
    assert_eq!(parked.state, TurnState::Parked);

    assert!(matches!(
        decide_one(&world, wait, "bea", true).await,
        Decided::Done { .. }
    ));
    assert_eq!(
        decide_one(&world, wait, "carl", false).await,
        Decided::Already(WaitState::Decided)
    );
    pass(secs(3)).await;
    world.quiet().await;
    assert_eq!(shop.done(), ["order soup"]);
    let asked_and_told = world.replies("ana").await;
    assert_eq!(asked_and_told.last().unwrap(), "ordered");
    assert_eq!(asked_and_told.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_or_expired_call_is_not_made_and_the_model_hears_why() {
    for reject in [true, false] {
        let shop = Shop::default();
        let world = approving(&shop).patient().start().await;
        world.model.on("order", [ORDER]);
        world.model.on("rejected", [Act::Say("sorry")]);
        world.say("ana", "please order").await;
        world.quiet().await;
        let wait = open(&world).await.remove(0);
        if reject {
            decide_one(&world, &wait, "bea", false).await;
        } else {
            pass(world.agent.approve_within).await;
        }
        pass(secs(30)).await;
        world.quiet().await;
        assert!(shop.done().is_empty());
        assert_eq!(world.replies("ana").await.last().unwrap(), "sorry");
    }
}

#[tokio::test(start_paused = true)]
async fn a_parked_turn_leaves_the_conversation_free_and_goes_on_with_todays_state() {
    let shop = Shop::default();
    let setup = approving(&shop).patient();
    let mut world = setup.start().await;
    world.model.on("order", [ORDER]);
    world.model.on("soup\"}", [Act::Say("ordered")]);
    world.say("ana", "please order").await;
    world.quiet().await;
    for n in 1..=10 {
        world.say("ana", &format!("chat {n}")).await;
        world.quiet().await;
    }
    // Two days, and a restart in them.
    pass(Duration::from_secs(24 * 60 * 60)).await;
    world.shutdown(secs(1)).await.unwrap();
    drop(world);
    let world = setup.start().await;
    let wait = open(&world).await.remove(0);
    decide_one(&world, &wait, "bea", true).await;
    pass(secs(3)).await;
    world.quiet().await;
    assert_eq!(shop.done(), ["order soup"]);
    assert_eq!(world.replies("ana").await.len(), 12);
    assert_eq!(world.replies("ana").await.last().unwrap(), "ordered");
    // What it goes on with is today's conversation, and its own request in its place.
    let last = world.model.asked().pop().unwrap();
    let texts: Vec<_> = last
        .messages
        .iter()
        .map(|line| line.text().to_owned())
        .collect();
    assert!(texts.contains(&"chat 10".to_owned()), "{texts:?}");
    assert_eq!(
        texts.iter().filter(|text| *text == "please order").count(),
        1
    );
}

fn confirming(shop: &Shop) -> Setup {
    let mut setup = Setup::web();
    setup.agent = setup
        .agent
        .tool_with_confirmation(shop.order(), |arguments| {
            format!(
                "Shall I order {}?",
                arguments["item"].as_str().unwrap_or("it")
            )
        });
    setup
}

#[tokio::test(start_paused = true)]
async fn a_person_says_yes_no_or_something_else() {
    let shop = Shop::default();
    let world = confirming(&shop).start().await;
    world.model.on("hungry", [ORDER]);
    world.model.on("soup\"}", [Act::Say("on its way")]);
    world.model.on("angry", [ORDER]);
    world.model.on("rejected", [Act::Say("then not")]);
    check(
        &world,
        r#"
        user: hungry
        saw: u[hungry]
        sent: Shall I order soup?
        user: what does it cost?
        sent: Please answer with yes or no.
Shall I order soup?
        user: yes please
        saw: a[Shall I order soup?] u[what does it cost?] a[Please answer with yes or no.
Shall I order soup?] u[yes please] u[hungry] a[]call["order{\"item\":\"soup\"}"] t[{"order":"soup"}]
        sent: on its way
        "#,
    )
    .await;
    assert_eq!(shop.done(), ["order soup"]);
    world.say("ana", "angry").await;
    world.quiet().await;
    world.say("ana", "no!").await;
    world.quiet().await;
    assert_eq!(world.replies("ana").await.last().unwrap(), "then not");
    assert_eq!(shop.done(), ["order soup"]);
}

#[tokio::test(start_paused = true)]
async fn where_there_are_buttons_yes_and_no_are_two() {
    const ROOM: ChoiceRoom = ChoiceRoom {
        text: 100,
        line: 10,
        buttons: 3,
        button_title: 20,
        button_id: 20,
        rows: 3,
        row_title: 20,
        row_description: 20,
        row_id: 20,
        menu: 20,
    };
    let shop = Shop::default();
    let mut setup = confirming(&shop);
    setup.doors = vec![Arc::new(door(DOOR, Deduplicates::ByKey).with_choices(ROOM))];
    let world = setup.start().await;
    world.model.on("hungry", [ORDER]);
    world.model.on("soup\"}", [Act::Say("on its way")]);
    world.say("ana", "hungry").await;
    world.door().called(1).await;
    let Content::Choices(asked) = &world.door().calls()[0].content else {
        panic!("a question with buttons is meant");
    };
    assert_eq!(asked.text, "Shall I order soup?");
    let buttons: Vec<_> = asked
        .choices
        .iter()
        .map(|choice| choice.title.as_str())
        .collect();
    assert_eq!(buttons, ["Yes", "No"]);
    // One that has stayed on the screen since an earlier question.
    let of_another = Inbound {
        content: Content::InteractiveReply {
            choice: "yes:0123456789abcdef".into(),
            title: "Yes".into(),
        },
        ..inbound("ana", "of another", "")
    };
    world.deliver(of_another).await.unwrap();
    world.quiet().await;
    assert_eq!(shop.done(), [""; 0]);
    let touched = Inbound {
        content: Content::InteractiveReply {
            choice: asked.choices[0].id.clone(),
            title: asked.choices[0].title.clone(),
        },
        ..inbound("ana", "touched", "")
    };
    world.deliver(touched).await.unwrap();
    world.quiet().await;
    assert_eq!(shop.done(), ["order soup"]);
    assert_eq!(world.visible().last().unwrap(), "on its way");
}

#[tokio::test(start_paused = true)]
async fn a_question_that_nobody_answers_runs_out_after_a_restart_too() {
    let shop = Shop::default();
    let setup = confirming(&shop);
    let mut world = setup.start().await;
    world.model.on("hungry", [ORDER]);
    world.model.on("rejected", [Act::Say("then not")]);
    world.say("ana", "hungry").await;
    world.quiet().await;
    world.shutdown(secs(1)).await.unwrap();
    drop(world);
    let world = setup.start().await;
    pass(world.agent.confirm_within + secs(3)).await;
    world.quiet().await;
    assert_eq!(world.replies("ana").await.last().unwrap(), "then not");
    // A late yes is a message like any other.
    world.say("ana", "yes").await;
    world.quiet().await;
    assert!(shop.done().is_empty());
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Later {
    minutes: u64,
}

#[tokio::test(start_paused = true)]
async fn a_reminder_comes_once_after_a_restart_too_and_in_order() {
    let mut setup = Setup::web();
    setup.agent = setup.agent.tool(
        tool(
            "remind",
            "Reminds.",
            Effect::IDEMPOTENT,
            |later: Later, _: ToolContext| async move {
                let mut set = ToolOutput::of("set");
                for (minutes, text) in [(later.minutes * 2, "eat"), (later.minutes, "cook")] {
                    let due_at = zupa_core::Timestamp(1_767_225_600_000_000)
                        .plus(Duration::from_secs(minutes * 60));
                    set.remind.push(Reminder::once(due_at, text));
                }
                Ok(set)
            },
        )
        .into_tool(),
    );
    let mut world = setup.start().await;
    world
        .model
        .on("later", [Act::Call(&[("remind", r#"{"minutes":30}"#)])]);
    world.model.on("set", [Act::Say("I will")]);
    world.model.on(": cook]", [Act::Say("cook now")]);
    world.model.on(": eat]", [Act::Say("eat now")]);
    world.say("ana", "later").await;
    world.quiet().await;
    assert_eq!(open(&world).await.len(), 2);
    // Down while both are due.
    world.shutdown(secs(1)).await.unwrap();
    pass(Duration::from_secs(2 * 60 * 60)).await;
    drop(world);
    let world = setup.start().await;
    pass(secs(5)).await;
    world.quiet().await;
    pass(Duration::from_secs(60 * 60)).await;
    assert_eq!(
        world.replies("ana").await,
        ["I will", "cook now", "eat now"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_command_does_not_answer_a_question_and_reset_takes_it_back() {
    let shop = Shop::default();
    let world = confirming(&shop).start().await;
    world.model.on("hungry", [ORDER]);
    world.say("ana", "hungry").await;
    world.quiet().await;
    for text in ["/help", "/reset"] {
        world.say("ana", text).await;
        world.quiet().await;
    }
    assert!(open(&world).await.is_empty());
    world.say("ana", "yes").await;
    world.quiet().await;
    assert!(shop.done().is_empty());
    let said = world.replies("ana").await;
    assert!(said[1].contains("/reset"), "{said:?}");
    assert_eq!(said[2..], ["We start anew.", "re: yes"]);
}

#[tokio::test(start_paused = true)]
async fn a_reminder_comes_again_by_its_pattern_and_what_was_missed_is_left_out() {
    let mut setup = Setup::web().patient();
    let daily = |_: Nothing, cx: ToolContext| async move {
        let mut set = ToolOutput::of("set");
        set.remind.push(Reminder {
            every: Some("0 9 * * *".into()),
            ..Reminder::once(cx.at.plus(secs(9 * 60 * 60)), "water")
        });
        Ok(set)
    };
    setup.agent = setup
        .agent
        .tool(tool("daily", "", Effect::IDEMPOTENT, daily).into_tool());
    let mut world = setup.start().await;
    world.model.on("go", [Act::Call(&[("daily", "{}")])]);
    world.model.on("set", [Act::Say("I will")]);
    world.model.always(": water]", Act::Say("water now"));
    world.say("ana", "go").await;
    world.quiet().await;
    let day = Duration::from_secs(24 * 60 * 60);
    pass(day * 2).await;
    assert_eq!(
        world.replies("ana").await,
        ["I will", "water now", "water now"]
    );
    // Down for three days: one comes late, then the next in time.
    world.shutdown(secs(1)).await.unwrap();
    pass(day * 3).await;
    drop(world);
    let world = setup.start().await;
    pass(secs(60)).await;
    assert_eq!(world.replies("ana").await.len(), 4);
    pass(day).await;
    assert_eq!(world.replies("ana").await.len(), 5);
    assert_eq!(open(&world).await.len(), 1);
}

/// Its turn dies, or a human has the conversation.
#[tokio::test(start_paused = true)]
async fn a_reminder_comes_again_whatever_its_turn_comes_to() {
    let mut setup = Setup::web().patient();
    let daily = |_: Nothing, cx: ToolContext| async move {
        let mut set = ToolOutput::of("set");
        set.remind.push(Reminder {
            every: Some("0 9 * * *".into()),
            ..Reminder::once(cx.at.plus(secs(9 * 60 * 60)), "water")
        });
        Ok(set)
    };
    setup.agent = setup
        .agent
        .tool(tool("daily", "", Effect::IDEMPOTENT, daily).into_tool());
    let world = setup.start().await;
    world.model.on("go", [Act::Call(&[("daily", "{}")])]);
    world.model.on("set", [Act::Say("I will")]);
    world.model.on(": water]", vec![Act::Say(""); 4]);
    world.model.always(": water]", Act::Say("water now"));
    world.say("ana", "go").await;
    world.quiet().await;
    let day = Duration::from_secs(24 * 60 * 60);
    pass(day).await;
    world.quiet().await;
    let all = DeadLetterFilter::default();
    let letters = world.memory.dead_letters(&all, None, 10).await.unwrap();
    assert_eq!(letters.len(), 1, "the first was given up");
    assert_eq!(open(&world).await.len(), 1);
    // Tried again it brings its text, and does not come twice from then on.
    let retry = DeadLetterAct::Retry { confirmed: false };
    let entry = act(&world, "dead_letter.retried");
    let desk = &world.memory;
    let acted = desk.act_on_dead_letter(letters[0].id, retry, entry).await;
    assert!(
        matches!(acted, Ok(DeadLetterActed::Done { .. })),
        "{acted:?}"
    );
    pass(secs(60)).await;
    let last = world.replies("ana").await.pop();
    assert_eq!(last.as_deref(), Some("water now"));
    assert_eq!(open(&world).await.len(), 1);
    hold(&world, "ana").await;
    pass(day).await;
    release(&world, "ana", None).await;
    pass(secs(60)).await;
    let before = world.replies("ana").await.len();
    pass(day).await;
    assert_eq!(open(&world).await.len(), 1);
    assert_eq!(world.replies("ana").await.len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_pattern_that_is_none_is_told_to_the_model() {
    let mut setup = Setup::web();
    let never = |_: Nothing, cx: ToolContext| async move {
        let mut set = ToolOutput::of("set");
        set.remind.push(Reminder {
            every: Some("now and then".into()),
            ..Reminder::once(cx.at.plus(secs(60)), "x")
        });
        Ok(set)
    };
    setup.agent = setup
        .agent
        .tool(tool("never", "", Effect::PURE, never).into_tool());
    let world = setup.start().await;
    world.model.on("go", [Act::Call(&[("never", "{}")])]);
    world.model.on("no cron pattern", [Act::Say("sorry")]);
    world.say("ana", "go").await;
    world.quiet().await;
    assert_eq!(world.replies("ana").await, ["sorry"]);
}

#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

/// The person asks twice; operators are asked once.
#[tokio::test(start_paused = true)]
async fn an_order_that_is_given_again_while_it_waits_is_not_asked_about_again() {
    let shop = Shop::default();
    let world = approving(&shop).start().await;
    // The same call, whatever its spelling.
    let again = Act::Call(&[("order", r#"{ "item" : "soup" }"#)]);
    world.model.on("please", [ORDER, again, ORDER]);
    world.model.on("waiting", [Act::Say("patience")]);
    world.model.on("\"order\"", [Act::Say("ordered")]);
    for text in ["please 1", "please 2"] {
        world.say("ana", text).await;
        world.quiet().await;
    }
    assert_eq!(world.replies("ana").await.last().unwrap(), "patience");
    let waits = open(&world).await;
    assert_eq!(waits.len(), 1);
    decide_one(&world, &waits[0], "bea", true).await;
    pass(secs(3)).await;
    world.quiet().await;
    assert_eq!(shop.done(), ["order soup"]);
    // What was decided waits no more: it is a new order.
    world.say("ana", "please 3").await;
    world.quiet().await;
    assert_eq!(open(&world).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn another_order_is_asked_about_while_one_waits_and_so_is_another_persons() {
    let shop = Shop::default();
    let world = approving(&shop).start().await;
    let bread = Act::Call(&[("order", r#"{"item":"bread"}"#)]);
    world.model.on("please", [ORDER, bread, ORDER]);
    for (who, text) in [
        ("ana", "please 1"),
        ("ana", "please 2"),
        ("bob", "please 3"),
    ] {
        world.say(who, text).await;
        world.quiet().await;
    }
    assert_eq!(open(&world).await.len(), 3);
}
