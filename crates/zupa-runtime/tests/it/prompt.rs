//! What the model is shown: the instructions, a bounded history, and the
//! claimed messages, in this order.

use zupa_core::{Content, ErrorKind, Prompt, Role};

use crate::support::{Act, Setup, World, check, error, inbound};

fn last_prompt(world: &World) -> Vec<Prompt> {
    world.model.asked().pop().unwrap().messages.to_vec()
}

#[tokio::test(start_paused = true)]
async fn the_prompt_is_the_instructions_the_last_lines_and_the_claimed_messages() {
    let mut setup = Setup::web();
    setup.agent.prompt = "You are polite.".into();
    setup.agent.history = 3;
    let world = setup.start().await;
    check(
        &world,
        "
        user: one
        saw: s[You are polite.] u[one]
        sent: re: one
        user: two
        saw: s[You are polite.] u[one] a[re: one] u[two]
        sent: re: two
        user: three
        user: four
        saw: s[You are polite.] a[re: one] u[two] a[re: two] u[three] u[four]
        sent: re: three + four
        user: five
        saw: s[You are polite.] u[three] u[four] a[re: three + four] u[five]
        sent: re: five
        ",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn no_instructions_and_no_history_leave_the_message_alone() {
    let mut setup = Setup::web();
    setup.agent.history = 0;
    let world = setup.start().await;
    check(
        &world,
        "
        user: one
        saw: u[one]
        sent: re: one
        user: two
        saw: u[two]
        sent: re: two
        ",
    )
    .await;
}

/// The reply's number lies above that of a message that came while it was being
/// written; the model must still see that it has answered.
#[tokio::test(start_paused = true)]
async fn a_message_that_came_during_a_turn_is_answered_knowing_that_turns_reply() {
    let world = Setup::web().start().await;
    world.model.on("one", [Act::Hold]);
    world.say("ana", "one").await;
    world.model.called(1).await;
    world.say("ana", "two").await;
    world.model.release();
    world.quiet().await;
    let expected = [
        (Role::User, "one"),
        (Role::Assistant, "re: one"),
        (Role::User, "two"),
    ];
    assert_eq!(
        last_prompt(&world),
        expected.map(|(role, text)| Prompt::line(role, text))
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_given_up_is_not_remembered() {
    let mut setup = Setup::web();
    setup.agent.fallback = String::new();
    let world = setup.start().await;
    world
        .model
        .on("bad", [Act::Fail(error(ErrorKind::ContentFilter))]);
    check(
        &world,
        "
        user: bad
        saw: u[bad]
        user: good
        saw: u[good]
        sent: re: good
        ",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_not_text_is_shown_in_words() {
    let world = Setup::web().start().await;
    let mut picture = inbound("ana", "m1", "");
    picture.content = Content::Media {
        mime: "image/png".into(),
        handle: "h".into(),
        caption: Some("my cat".into()),
        filename: None,
        bytes: None,
        sha256: None,
    };
    world.deliver(picture).await.unwrap();
    world.quiet().await;
    assert_eq!(
        last_prompt(&world),
        [Prompt::line(Role::User, "[image/png] my cat")]
    );
}
