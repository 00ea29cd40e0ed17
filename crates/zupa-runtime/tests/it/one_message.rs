//! One message: one turn, one model call, one reply, shown while it is written.

use zupa_core::desk::Desk;
use zupa_core::{
    AuditHead, Content, Deduplicates, DeliveryState, Hint, InboundState, ReceiptLevel, TurnState,
};

use crate::support::{Setup, World, check, inbound};

/// What the door was told, in order.
fn hinted(world: &World) -> Vec<&'static str> {
    let word = |hint: &Hint| match hint {
        Hint::Typing => "typing",
        Hint::Delta { run: 1, .. } => "delta",
        Hint::Delta { .. } => "delta of a later run",
        Hint::End { .. } => "end",
        Hint::Stage { .. } => "stage",
        Hint::Look => "look",
    };
    world
        .door()
        .hints()
        .iter()
        .map(|(_, hint)| word(hint))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn one_message_is_one_turn_and_one_send() {
    let world = Setup::phone(Deduplicates::Never).start().await;
    world.say("ana", "hello").await;
    world.quiet().await;
    assert_eq!(world.model.calls(), 1);
    assert_eq!(world.visible(), ["re: hello"]);
    assert_eq!(world.lines("ana").await, ["ana: hello", "⇒ re: hello"]);

    let view = world.view("hello").await;
    let turn = view.turn.unwrap();
    assert_eq!(
        (turn.state, turn.runs, turn.failures),
        (TurnState::Committed, 1, 0)
    );
    assert_eq!(view.inbounds[0].state, InboundState::Answered);
    let steps: Vec<_> = view.steps.iter().map(|step| step.key.as_str()).collect();
    assert_eq!(steps, ["call_model/1/model"]);
    let sent = &view.deliveries[0];
    assert_eq!((sent.state, sent.attempts), (DeliveryState::Sent, 1));
    assert_eq!(sent.receipt, ReceiptLevel::None);
    let call = &world.door().calls()[0];
    assert_eq!((call.delivery, call.attempt), (sent.id, 1));
}

#[tokio::test(start_paused = true)]
async fn a_sent_reply_is_shown_while_it_is_written() {
    let world = Setup::phone(Deduplicates::ByKey).start().await;
    world.say("ana", "hello").await;
    world.quiet().await;
    let expected = ["look", "typing", "delta", "end"];
    assert_eq!(hinted(&world), expected);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_the_commit_delivers_is_shown_while_it_is_written() {
    let world = Setup::web().start().await;
    world.say("ana", "hello").await;
    world.quiet().await;
    let expected = ["look", "typing", "delta", "end", "look"];
    assert_eq!(hinted(&world), expected);
    assert!(world.door().calls().is_empty(), "readers read the outbox");
    let view = world.view("hello").await;
    assert_eq!(view.deliveries[0].state, DeliveryState::Sent);
}

#[tokio::test(start_paused = true)]
async fn messages_one_after_the_other_are_answered_one_by_one() {
    let world = Setup::phone(Deduplicates::ByKey).start().await;
    check(
        &world,
        "
        user: one
        saw: u[one]
        sent: re: one
        user: two
        saw: u[one] a[re: one] u[two]
        sent: re: two
        ",
    )
    .await;
    assert_eq!(world.visible(), ["re: one", "re: two"]);
}

#[tokio::test(start_paused = true)]
async fn a_reaction_alone_asks_for_no_answer() {
    let world = Setup::web().start().await;
    let mut reaction = inbound("ana", "r1", "");
    reaction.content = Content::Reaction {
        to: "m1".into(),
        emoji: "👍".into(),
    };
    world.deliver(reaction).await.unwrap();
    world.quiet().await;
    assert_eq!(world.model.calls(), 0);
    assert!(world.replies("ana").await.is_empty());
    let view = world.view("r1").await;
    assert_eq!(view.inbounds[0].state, InboundState::Silent);
    assert_eq!(view.inbounds[0].reason.as_deref(), Some("only reactions"));
}

#[tokio::test(start_paused = true)]
async fn every_end_of_a_turn_is_in_the_audit_chain() {
    let world = Setup::web().start().await;
    world.say("ana", "one").await;
    world.quiet().await;
    world.say("ana", "two").await;
    world.quiet().await;
    let conversation = world.view("one").await.conversation;
    let links = world.memory.audit(conversation).await.unwrap();
    let stream = conversation.to_string();
    let end = zupa_core::audit::verify(&stream, AuditHead::default(), &links).unwrap();
    assert_eq!(end.number, 3);
    let moved = &links[0].entry;
    let reason = "agent_completed: idle to awaiting_input";
    assert_eq!((&*moved.action, &*moved.reason), ("talk.moved", reason));
    for (link, said) in links[1..].iter().zip(["re: one", "re: two"]) {
        assert_eq!(
            (&*link.entry.action, &*link.entry.actor),
            ("turn.answered", "agent:tester")
        );
        let salted = zupa_core::audit::commitment(link.salt.unwrap(), said.as_bytes());
        assert_eq!(link.entry.commitment, Some(salted));
    }
}
