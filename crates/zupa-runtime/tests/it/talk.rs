//! Where a conversation stands: failures in a row call a human, and so does the person.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use zupa_core::desk::Decided;
use zupa_core::machine::conversation::{ConversationState, GiveUp};
use zupa_core::{Desk, ErrorKind, Wait, WaitState};
use zupa_runtime::EndReason;
use zupa_testkit::FaultyStore;

use crate::support::{
    Act, Setup, World, conversation_of, decide, decide_one, error, kept, pass, secs,
};

async fn open(world: &World) -> Vec<Wait> {
    world.memory.waits(Some(WaitState::Open), 10).await.unwrap()
}

async fn stands(world: &World) -> ConversationState {
    kept(world, "ana").await.talk.unwrap().state()
}

/// A turn that the model fails for good.
async fn fails(world: &World, text: &'static str) {
    let act = Act::Fail(error(ErrorKind::ContentFilter));
    world.model.on(text, [act]);
    world.say("ana", text).await;
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_conversation_rests_where_its_turn_has_left_it() {
    let world = Setup::web().start().await;
    world.say("ana", "one").await;
    world.quiet().await;
    assert_eq!(stands(&world).await, ConversationState::AwaitingInput);
    fails(&world, "two").await;
    let talk = kept(&world, "ana").await.talk.unwrap();
    assert_eq!(talk.state(), ConversationState::Fallback);
    assert_eq!(talk.failures(), 1);
    world.say("ana", "three").await;
    world.quiet().await;
    assert_eq!(kept(&world, "ana").await.talk.unwrap().failures(), 0);
    pass(secs(20 * 60)).await;
    assert_eq!(stands(&world).await, ConversationState::Idle);
}

#[tokio::test(start_paused = true)]
async fn the_fourth_failure_in_a_row_calls_a_human() {
    let world = Setup::web().start().await;
    for text in ["one", "two", "three"] {
        fails(&world, text).await;
    }
    assert_eq!(stands(&world).await, ConversationState::Fallback);
    assert!(open(&world).await.is_empty());
    fails(&world, "four").await;
    assert_eq!(stands(&world).await, ConversationState::NeedsHuman);
    pass(secs(5)).await;
    world.quiet().await;
    let [review] = &open(&world).await[..] else {
        panic!("operators are asked once");
    };
    assert!(review.opened.subject.contains("takeover"));
    fails(&world, "five").await;
    pass(secs(5)).await;
    assert_eq!(open(&world).await.len(), 1, "and not again");
}

#[tokio::test(start_paused = true)]
async fn a_person_calls_a_human_and_is_answered_until_one_comes() {
    let setup = Setup::web();
    let mut world = setup.start().await;
    for text in ["/human", "/human ", "anybody?"] {
        world.say("ana", text).await;
        world.quiet().await;
    }
    let asked = "I have asked a colleague to take over.";
    assert_eq!(world.replies("ana").await, [asked, asked, "re: anybody?"]);
    assert_eq!(stands(&world).await, ConversationState::NeedsHuman);
    let last = world.model.asked().pop().unwrap();
    assert!(last.messages[0].text().contains("None has come yet"));
    world.shutdown(secs(1)).await.unwrap();
    drop(world);

    let world = setup.start().await;
    let [review] = &open(&world).await[..] else {
        panic!("one review");
    };
    let decided = decide_one(&world, review, "bea", false).await;
    assert!(matches!(decided, Decided::Done { .. }));
    pass(secs(5)).await;
    world.quiet().await;
    assert_eq!(stands(&world).await, ConversationState::AwaitingInput);
    assert_eq!(
        world.replies("ana").await.len(),
        3,
        "nobody says anything of it"
    );
    world.say("ana", "/human  ").await;
    world.quiet().await;
    assert_eq!(open(&world).await.len(), 1, "it can be called again");
}

#[tokio::test(start_paused = true)]
async fn where_no_human_comes_the_person_is_told() {
    let world = Setup::web().start().await;
    world.say("ana", "/human").await;
    world.quiet().await;
    pass(secs(31 * 60)).await;
    world.quiet().await;
    let said = world.replies("ana").await;
    assert_eq!(
        said[1],
        "None of my colleagues is free right now. I can go on helping you."
    );
    assert!(open(&world).await.is_empty());
    assert_ne!(stands(&world).await, ConversationState::NeedsHuman);
}

/// What the audit says of where Ana's conversation stands.
async fn moves(world: &World) -> Vec<String> {
    let id = conversation_of(world, "ana").await;
    let chain = Desk::audit(&world.memory, id).await.unwrap();
    let of_talk = chain
        .into_iter()
        .filter(|link| link.entry.action.starts_with("talk."));
    of_talk
        .map(|link| format!("{} {}", link.entry.action, link.entry.reason))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn every_passage_is_in_the_audit_and_a_turn_that_stays_writes_none() {
    let world = Setup::web().start().await;
    for text in ["one", "two", "/help"] {
        world.say("ana", text).await;
        world.quiet().await;
    }
    fails(&world, "three").await;
    fails(&world, "four").await;
    world.say("ana", "five").await;
    world.quiet().await;
    pass(secs(20 * 60)).await;
    let expected = [
        "talk.moved agent_completed: idle to awaiting_input",
        "talk.moved fallback: awaiting_input to fallback",
        "talk.moved agent_completed: fallback to awaiting_input",
        "talk.moved timeout: awaiting_input to idle",
    ];
    assert_eq!(moves(&world).await, expected);
    let talk = kept(&world, "ana").await.talk.unwrap();
    let passages = talk.passages().iter();
    let passages: Vec<_> = passages
        .map(|passage| {
            let [from, to] = [passage.from.as_str(), passage.to.as_str()];
            format!("talk.moved {}: {from} to {to}", passage.event.as_str())
        })
        .collect();
    assert_eq!(passages, expected);
    let times: Vec<_> = talk.passages().iter().map(|passage| passage.at).collect();
    assert!(times.is_sorted() && times[3].since(times[2]) >= secs(15 * 60));
}

#[tokio::test(start_paused = true)]
async fn a_hand_back_that_comes_too_late_is_refused_and_told_to_the_audit() {
    let world = Setup::web().start().await;
    for text in ["/human", "/human ", "anybody?"] {
        world.say("ana", text).await;
        world.quiet().await;
    }
    let called = ["talk.moved escalate: idle to needs_human"];
    assert_eq!(moves(&world).await, called, "waiting on is no news");
    world.say("ana", "/reset").await;
    world.quiet().await;
    decide(&world, false).await;
    assert_eq!(stands(&world).await, ConversationState::Idle);
    let refused = "talk.refused state Idle has no transition for HandBack";
    assert_eq!(
        moves(&world).await,
        [called[0], "talk.moved reset: needs_human to idle", refused]
    );
}

/// Gives up at the third failure, and calls nobody.
fn giving_up() -> Setup {
    let mut setup = Setup::web();
    setup.agent = setup.agent.gives_up_after(2, GiveUp::Error);
    setup
}

#[tokio::test(start_paused = true)]
async fn an_agent_may_give_up_without_a_human_and_the_session_ends_with_an_error() {
    let world = giving_up().start().await;
    world.say("ana", "hello").await;
    world.quiet().await;
    for text in ["one", "two"] {
        fails(&world, text).await;
    }
    assert_eq!(stands(&world).await, ConversationState::Fallback);
    fails(&world, "three").await;
    pass(secs(5)).await;
    world.quiet().await;
    assert_eq!(stands(&world).await, ConversationState::Error);
    assert!(open(&world).await.is_empty(), "nobody is called");
    let sorry = world.agent.fallback.as_str();
    let said = ["re: hello", sorry, sorry, sorry];
    assert_eq!(world.replies("ana").await, said);
    let over = kept(&world, "ana").await;
    assert!(over.session.over);
    assert_eq!(over.episodes[0].reason, EndReason::Error);
    assert_eq!(session_ends(&world).await, ["error"]);

    pass(secs(60 * 60)).await;
    assert_eq!(stands(&world).await, ConversationState::Error);
    world.say("ana", "four").await;
    world.quiet().await;
    let anew = kept(&world, "ana").await;
    assert_eq!((anew.session.number, anew.session.over), (2, false));
    assert_eq!(stands(&world).await, ConversationState::AwaitingInput);
    assert_eq!(world.replies("ana").await[4], "re: four");
    fails(&world, "five").await;
    assert_eq!(anew.talk.unwrap().failures(), 0);
    assert_eq!(stands(&world).await, ConversationState::Fallback);
    assert_eq!(session_ends(&world).await, ["error"]);
    let moves = moves(&world).await;
    assert_eq!(
        moves[2..4],
        [
            "talk.moved fallback: fallback to error",
            "talk.moved start: error to awaiting_input",
        ]
    );
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Card {
    front: String,
}

/// What has come meanwhile is served before the session ends by itself.
#[tokio::test(start_paused = true)]
async fn a_message_behind_one_failure_too_many_begins_another_session() {
    let mut setup = giving_up();
    setup.agent = setup.agent.replies(|card: Card| card.front);
    let world = setup.start().await;
    world.model.on("hello", [Act::Say(r#"{"front":"hi"}"#)]);
    for text in ["hello", "one", "two"] {
        world.say("ana", text).await;
        world.quiet().await;
    }
    world.model.on("three", [Act::Hold]);
    world.say("ana", "three").await;
    world.model.called(6).await;
    world.say("ana", "/help").await;
    world.model.release();
    world.quiet().await;
    assert_eq!(session_ends(&world).await, ["error"]);
    let kept = kept(&world, "ana").await;
    assert_eq!((kept.session.number, kept.session.over), (2, false));
    assert_eq!(stands(&world).await, ConversationState::AwaitingInput);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_dies_behind_one_failure_too_many_does_not_keep_the_session_open() {
    let world = giving_up().start().await;
    world.say("ana", "hello").await;
    world.quiet().await;
    for text in ["one", "two"] {
        fails(&world, text).await;
    }
    for text in ["three", "four"] {
        let refused = error(ErrorKind::ContentFilter);
        world.model.always(text, Act::Fail(refused));
        world.say("ana", text).await;
    }
    pass(secs(5)).await;
    world.quiet().await;
    let over = kept(&world, "ana").await;
    assert!(over.session.over);
    assert_eq!(over.episodes[0].reason, EndReason::Error);
    assert_eq!(over.talk.unwrap().state(), ConversationState::Error);
    assert_eq!(session_ends(&world).await, ["error"]);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_given_up_is_told_of_a_human_only_where_one_is_called() {
    for give_up in [GiveUp::Error, GiveUp::NeedsHuman] {
        let mut setup = Setup::web();
        setup.agent = setup.agent.replies(|card: Card| card.front);
        setup.agent = setup.agent.gives_up_after(1, give_up);
        let world = setup.start().await;
        for text in ["one", "two"] {
            world.say("ana", text).await;
            world.quiet().await;
        }
        pass(secs(5)).await;
        world.quiet().await;
        let language = &world.agent.language;
        let sorry = world.agent.fallback.as_str();
        let last = match give_up {
            GiveUp::Error => sorry,
            GiveUp::NeedsHuman => &language.human_asked,
        };
        assert_eq!(world.replies("ana").await, [sorry, last]);
        let reviews = open(&world).await.len();
        assert_eq!(reviews, usize::from(give_up == GiveUp::NeedsHuman));
        let ends = session_ends(&world).await;
        assert_eq!(ends.is_empty(), give_up == GiveUp::NeedsHuman);
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_bears_no_failure_does_not_start() {
    let mut setup = Setup::web();
    setup.agent = setup.agent.gives_up_after(0, GiveUp::Error);
    let store = FaultyStore::new(Arc::new(setup.memory.clone()));
    let refused = setup.try_start(Arc::new(store)).await.err();
    assert_eq!(refused.unwrap().kind(), ErrorKind::Invalid);
}

/// Why Ana's sessions ended, as the audit has it.
async fn session_ends(world: &World) -> Vec<String> {
    let id = conversation_of(world, "ana").await;
    let chain = Desk::audit(&world.memory, id).await.unwrap();
    let ended = chain
        .into_iter()
        .filter(|link| link.entry.action == "session.ended");
    ended.map(|link| link.entry.reason).collect()
}
