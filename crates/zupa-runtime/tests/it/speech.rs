//! Speech: what a voice message becomes, when an answer is spoken, and what is said
//! when either fails: never nothing, never both.

use std::sync::Arc;

use tokio::time::Instant;
use zupa_core::{
    Content, Deduplicates, Error, ErrorKind, Inbound, InboundState, IntakeBatch, Outgoing, Prompt,
    Retry,
};
use zupa_runtime::Modality;
use zupa_testkit::{Call, Ear, Fault, MUMBLE, Mouth, Throat};

use crate::support::{Act, Setup, Shop, World, door, error, inbound, life, pass, secs, voice};

const ASKED: &str = "I could not understand your voice message. Please write it to me.";

/// A phone that carries voice.
fn phone() -> Setup {
    Setup::with(door("door", Deduplicates::ByKey).with_voice())
}

fn speaking(mut setup: Setup, modality: Modality) -> (Setup, Arc<Mouth>) {
    let mouth = Arc::new(Mouth::default());
    setup.agent = setup.agent.speaks(mouth.clone(), modality);
    (setup, mouth)
}

/// Hands messages in together and waits for all that they lead to.
async fn hand_in(world: &World, inbounds: Vec<Inbound>) {
    let batch = IntakeBatch {
        inbounds,
        receipts: Vec::new(),
    };
    let told = world.runtime().intake().deliver(batch).await.unwrap();
    assert!(told.iter().all(Result::is_ok), "{told:?}");
    world.quiet().await;
}

/// What was sent, and how.
fn sent(setup: &Setup) -> Vec<String> {
    let how = |outgoing: &Outgoing| match &outgoing.content {
        Content::Voice { audio, transcript } => {
            assert_eq!(*audio.bytes, *transcript.as_bytes());
            format!("voice: {transcript}")
        }
        content => format!("text: {}", content.as_prompt_text()),
    };
    setup.door().visible().iter().map(how).collect()
}

fn last_prompt(setup: &Setup) -> Vec<String> {
    let asked = setup.model.asked().pop().unwrap();
    let text = |line: &Prompt| line.text().to_owned();
    asked.messages.iter().map(text).collect()
}

#[tokio::test(start_paused = true)]
async fn a_voice_message_reaches_the_model_as_its_words() {
    let (setup, ear) = phone().hearing();
    let world = setup.start().await;
    hand_in(&world, vec![voice(&setup, "ana", "two soups")]).await;
    assert_eq!(last_prompt(&setup), ["two soups"]);
    assert_eq!(sent(&setup), ["text: re: two soups"]);
    assert_eq!(ear.heard(), ["two soups"]);
    assert_eq!(setup.door().fetched(), ["two soups"]);
}

#[test]
fn what_was_heard_is_remembered_as_its_words_after_a_restart_too() {
    let (setup, _) = phone().hearing();
    life(async {
        let mut world = setup.start().await;
        hand_in(&world, vec![voice(&setup, "ana", "two soups")]).await;
        world.shutdown(secs(1)).await.unwrap();
    });
    life(async {
        let world = setup.start().await;
        world.say("ana", "and bread").await;
        world.quiet().await;
    });
    let lines = ["two soups", "re: two soups", "and bread"];
    assert_eq!(last_prompt(&setup), lines);
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_does_not_hear_is_told_of_a_voice_message() {
    let setup = phone();
    let world = setup.start().await;
    hand_in(&world, vec![voice(&setup, "ana", "two soups")]).await;
    assert_eq!(last_prompt(&setup), ["[audio/ogg; codecs=opus]"]);
    assert!(setup.door().fetched().is_empty());
}

#[tokio::test(start_paused = true)]
async fn whether_an_answer_is_spoken_is_a_matter_of_modality_and_channel() {
    use Modality::{Dynamic, Mirror, Text, Voice};
    let list = "- soup\n- salad";
    for (modality, spoken_to, answer, spoken) in [
        (Text, false, "yes", false),
        (Text, true, "yes", false),
        (Voice, false, "yes", true),
        (Voice, true, list, true),
        (Mirror, false, "yes", false),
        (Mirror, true, "yes", true),
        (Mirror, true, list, true),
        (Dynamic, false, "yes", true),
        (Dynamic, true, "yes", true),
        (Dynamic, true, list, false),
        (Dynamic, false, "see https://example.com", false),
    ] {
        let silent = Setup::phone(Deduplicates::ByKey);
        for (setup, spoken) in [(phone(), spoken), (silent, false), (Setup::web(), false)] {
            let (setup, _) = setup.hearing();
            let (setup, mouth) = speaking(setup, modality);
            setup.model.always("hello", Act::Say(answer));
            let world = setup.start().await;
            let message = match spoken_to {
                true => voice(&setup, "ana", "hello"),
                false => inbound("ana", "m1", "hello"),
            };
            hand_in(&world, vec![message]).await;
            let case = format!("{modality:?} {spoken_to} {answer}");
            assert_eq!(setup.replies("ana").await, [answer], "{case}");
            assert_eq!(mouth.said().len(), usize::from(spoken), "{case}");
            let how = if spoken { "voice" } else { "text" };
            let is_sent = !setup.door().calls().is_empty();
            assert!(
                !is_sent || sent(&setup) == [format!("{how}: {answer}")],
                "{case}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_spoken_is_remembered_as_its_words() {
    let (setup, mouth) = speaking(phone(), Modality::Voice);
    let world = setup.start().await;
    hand_in(&world, vec![inbound("ana", "m1", "one")]).await;
    hand_in(&world, vec![inbound("ana", "m2", "two")]).await;
    assert_eq!(last_prompt(&setup), ["one", "re: one", "two"]);
    assert_eq!(sent(&setup), ["voice: re: one", "voice: re: two"]);
    assert_eq!(mouth.bounds(), [Content::VOICE_BYTES; 2]);
    // As another process reads it.
    drop(world);
    let world = setup.start().await;
    hand_in(&world, vec![inbound("ana", "m3", "three")]).await;
    assert_eq!(last_prompt(&setup)[1], "re: one");
}

/// How transcription may fail.
fn deaf() -> Vec<Throat> {
    let down = Error::new(ErrorKind::Unavailable, "as the test wants it").with_retry(Retry::Now);
    vec![
        Throat::Fail(down),
        Throat::Fail(error(ErrorKind::Unauthorized)),
        Throat::Fail(error(ErrorKind::Invalid)),
        Throat::Hang,
        Throat::Silence,
    ]
}

#[tokio::test(start_paused = true)]
async fn a_failed_transcription_asks_for_text_once() {
    for act in deaf() {
        let (setup, ear) = phone().hearing();
        let (setup, mouth) = speaking(setup, Modality::Voice);
        ear.plan([act.clone()]);
        let world = setup.start().await;
        let before = Instant::now();
        hand_in(&world, vec![voice(&setup, "ana", "hello")]).await;
        assert_eq!(sent(&setup), [format!("text: {ASKED}")], "{act:?}");
        assert_eq!((ear.heard().len(), setup.model.calls()), (1, 0), "{act:?}");
        assert!(mouth.said().is_empty(), "what it says by itself is written");
        let view = world.view("hello").await;
        assert_eq!(view.inbounds[0].state, InboundState::Answered, "{act:?}");
        let turn = view.turn.unwrap();
        assert_eq!((turn.runs, turn.failures), (1, 0), "{act:?}");
        assert!(before.elapsed() < secs(17), "{act:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn media_that_cannot_be_fetched_is_asked_for_as_text() {
    for case in 0..4 {
        let (setup, ear) = phone().hearing();
        let mut message = voice(&setup, "ana", "hello");
        match case {
            0 => setup.door().hold("hello", Err(error(ErrorKind::NotFound))),
            // Not what the message has announced.
            3 => {
                if let Content::Media { sha256, .. } = &mut message.content {
                    *sha256 = Some("0".repeat(64));
                }
            }
            1 => {
                if let Content::Media { bytes, .. } = &mut message.content {
                    *bytes = Some(17 << 20);
                }
            }
            _ => {
                let media = zupa_core::Media {
                    mime: "audio/ogg".into(),
                    bytes: vec![b'a'; (16 << 20) + 1],
                };
                setup.door().hold("hello", Ok(media));
            }
        }
        let world = setup.start().await;
        hand_in(&world, vec![message]).await;
        assert_eq!(sent(&setup), [format!("text: {ASKED}")], "{case}");
        assert_eq!((ear.heard().len(), setup.model.calls()), (0, 0), "{case}");
        let fetches = usize::from(case != 1);
        assert_eq!(setup.door().fetched().len(), fetches, "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_language_of_the_agent_asks_for_text() {
    let (mut setup, ear) = phone().hearing();
    setup.agent = setup.agent.speaking(zupa_runtime::Language::portuguese());
    setup.agent.language.fallback = String::new();
    ear.plan([Throat::Silence]);
    let world = setup.start().await;
    hand_in(&world, vec![voice(&setup, "ana", "hello")]).await;
    assert!(sent(&setup)[0].contains("mensagem de voz"));
}

#[tokio::test(start_paused = true)]
async fn of_several_messages_the_understood_ones_are_answered_and_the_other_is_mentioned() {
    let (setup, ear) = phone().hearing();
    ear.plan([Throat::Work, Throat::Fail(error(ErrorKind::Invalid))]);
    let world = setup.start().await;
    let inbounds = vec![
        voice(&setup, "ana", "two soups"),
        voice(&setup, "ana", MUMBLE),
        inbound("ana", "m3", "and bread"),
    ];
    hand_in(&world, inbounds).await;
    let lines = [
        "two soups",
        "[a voice message that could not be understood]",
        "and bread",
    ];
    assert_eq!(last_prompt(&setup), lines);
    assert_eq!(
        sent(&setup),
        [
            format!("text: {ASKED}"),
            format!("text: re: {}", lines.join(" + "))
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_is_down_is_asked_once_for_all_messages() {
    let (setup, ear) = phone().hearing();
    ear.plan([Throat::Fail(error(ErrorKind::Unavailable))]);
    let world = setup.start().await;
    let said = ["one", "two", "three"];
    let inbounds = said.map(|words| voice(&setup, "ana", words)).to_vec();
    hand_in(&world, inbounds).await;
    assert_eq!(sent(&setup), [format!("text: {ASKED}")]);
    assert_eq!((ear.heard().len(), setup.model.calls()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_transcript_is_as_long_as_a_message_may_be() {
    let (mut setup, ear) = phone().hearing();
    setup.settings.payload_bytes = 100;
    ear.plan([Throat::Endless(1_000)]);
    let world = setup.start().await;
    hand_in(&world, vec![voice(&setup, "ana", "hello")]).await;
    assert_eq!(last_prompt(&setup), ["a".repeat(100)]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_synthesis_sends_text_and_nothing_else() {
    let mut mute = deaf();
    mute.push(Throat::Endless(Content::VOICE_BYTES + 1));
    for act in mute {
        let (setup, mouth) = speaking(phone(), Modality::Voice);
        mouth.plan([act.clone()]);
        let world = setup.start().await;
        hand_in(&world, vec![inbound("ana", "m1", "hello")]).await;
        assert_eq!(sent(&setup), ["text: re: hello"], "{act:?}");
        assert_eq!((mouth.said().len(), setup.model.calls()), (1, 1), "{act:?}");
        let turn = world.view("m1").await.turn.unwrap();
        assert_eq!((turn.runs, turn.failures), (1, 0), "{act:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_largest_voice_message_arrives_whole() {
    let (setup, mouth) = speaking(phone(), Modality::Voice);
    mouth.plan([Throat::Endless(Content::VOICE_BYTES)]);
    let world = setup.start().await;
    hand_in(&world, vec![inbound("ana", "m1", "hello")]).await;
    let outgoing = setup.door().visible().remove(0);
    let Content::Voice { audio, .. } = outgoing.content else {
        panic!("it is not spoken");
    };
    assert_eq!(audio.bytes.len(), Content::VOICE_BYTES);
}

#[tokio::test(start_paused = true)]
async fn speech_leaves_time_for_the_rest_of_the_turn() {
    let (mut setup, mouth) = speaking(phone(), Modality::Voice);
    setup.settings.turn_timeout = secs(10);
    mouth.plan([Throat::Hang]);
    let world = setup.start().await;
    hand_in(&world, vec![inbound("ana", "m1", "hello")]).await;
    assert_eq!(sent(&setup), ["text: re: hello"]);
    assert_eq!(world.view("m1").await.turn.unwrap().runs, 1);
}

#[test]
fn a_crash_between_transcription_and_answer_does_not_transcribe_again() {
    let (setup, ear) = phone().hearing();
    setup.model.on("hello", [Act::Hang]);
    life(async {
        let world = setup.start().await;
        let message = voice(&setup, "ana", "hello");
        world.deliver(message).await.unwrap();
        world.model.called(1).await;
        crate::support::pass(secs(1)).await;
    });
    life(async { setup.start().await.quiet().await });
    assert_eq!((ear.heard().len(), setup.model.calls()), (1, 2));
    assert_eq!(sent(&setup), ["text: re: hello"]);
}

#[test]
fn a_crash_does_not_ask_an_ear_again_that_has_failed() {
    let (setup, ear) = phone().hearing();
    ear.plan([Throat::Fail(error(ErrorKind::Unavailable))]);
    setup.model.on("hello", [Act::Hang]);
    life(async {
        let world = setup.start().await;
        let batch = IntakeBatch {
            inbounds: vec![voice(&setup, "ana", MUMBLE), inbound("ana", "m2", "hello")],
            receipts: Vec::new(),
        };
        world.runtime().intake().deliver(batch).await.unwrap();
        world.model.called(1).await;
        crate::support::pass(secs(1)).await;
    });
    life(async { setup.start().await.quiet().await });
    assert_eq!(ear.heard().len(), 1);
    let answer = "re: [a voice message that could not be understood] + hello";
    assert_eq!(
        sent(&setup),
        [format!("text: {ASKED}"), format!("text: {answer}")]
    );
}

/// Every write of a turn with a voice message that is understood, one that is not, and
/// a spoken answer.
#[test]
fn a_crash_at_any_write_leaves_one_mention_and_one_answer() {
    for write in 1..=8 {
        for fault in [Fault::CrashBefore, Fault::CrashAfter] {
            let (setup, ear) = phone().hearing();
            let (setup, mouth) = speaking(setup, Modality::Voice);
            let both = || vec![voice(&setup, "ana", "hello"), voice(&setup, "ana", MUMBLE)];
            life(async {
                let world = setup.start().await;
                world.store.at_call_of(Call::Write, write, fault.clone());
                tokio::select! {
                    () = world.store.crashed() => {}
                    () = hand_in(&world, both()) => {}
                }
            });
            life(async {
                let world = setup.start().await;
                // The platform redelivers what was not acknowledged.
                hand_in(&world, both()).await;
            });
            let case = format!("write {write} {fault:?}");
            let answered = sent(&setup);
            assert_eq!(answered.len(), 2, "{case}: {answered:?}");
            assert_eq!(answered[0], format!("text: {ASKED}"), "{case}");
            assert!(answered[1].starts_with("voice: re: hello + "), "{case}");
            // What was not recorded in time is paid again; the rest is not.
            let (heard, said) = (ear.heard().len(), mouth.said().len());
            assert!(
                (2..=4).contains(&heard) && (1..=2).contains(&said),
                "{case}"
            );
        }
    }
}

/// A shop that asks before it orders, and an agent that hears.
fn confirming(shop: &Shop) -> (Setup, Arc<Ear>) {
    let (mut setup, ear) = phone().hearing();
    setup.agent = setup
        .agent
        .tool_with_confirmation(shop.order(), |_| "Shall I?".into());
    let order = Act::Call(&[("order", r#"{"item":"soup"}"#)]);
    setup.model.on("hungry", [order]);
    setup.model.always("\"order\"", Act::Say("ordered"));
    setup.model.always("rejected", Act::Say("not ordered"));
    (setup, ear)
}

#[tokio::test(start_paused = true)]
async fn a_question_is_answered_by_voice() {
    for (answer, done, reply) in [
        ("yes", &["order soup"][..], "ordered"),
        ("no", &[], "not ordered"),
    ] {
        let shop = Shop::default();
        let (setup, ear) = confirming(&shop);
        let world = setup.start().await;
        hand_in(&world, vec![inbound("ana", "m1", "hungry")]).await;
        hand_in(&world, vec![voice(&setup, "ana", answer)]).await;
        assert_eq!(shop.done(), done);
        assert_eq!(setup.replies("ana").await, ["Shall I?", reply]);
        assert_eq!(ear.heard(), [answer], "it is paid for once");
        hand_in(&world, vec![inbound("ana", "m2", "and now?")]).await;
        assert!(last_prompt(&setup).contains(&answer.to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_spoken_answer_that_is_not_understood_is_asked_for_as_text() {
    let down = || Throat::Fail(error(ErrorKind::Unavailable));
    for (said, plan) in [(MUMBLE, Throat::Work), ("yes", down())] {
        let shop = Shop::default();
        let (setup, ear) = confirming(&shop);
        ear.plan([plan]);
        let world = setup.start().await;
        hand_in(&world, vec![inbound("ana", "m1", "hungry")]).await;
        hand_in(&world, vec![voice(&setup, "ana", said)]).await;
        assert!(shop.done().is_empty());
        let asked = format!("{ASKED}\nShall I?");
        assert_eq!(setup.replies("ana").await.last(), Some(&asked));
        hand_in(&world, vec![inbound("ana", "m2", "yes")]).await;
        assert_eq!(shop.done(), ["order soup"]);
    }
}

/// Nobody hears for ever: what is never understood is no yes.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_never_understood_is_asked_for_twice() {
    let shop = Shop::default();
    let (setup, ear) = confirming(&shop);
    ear.plan(vec![Throat::Silence; 3]);
    let world = setup.start().await;
    hand_in(&world, vec![inbound("ana", "m1", "hungry")]).await;
    for said in ["yes 1", "yes 2", "yes 3"] {
        hand_in(&world, vec![voice(&setup, "ana", said)]).await;
    }
    let asked = format!("{ASKED}\nShall I?");
    let said = ["Shall I?", &asked, &asked, "not ordered"];
    assert_eq!(setup.replies("ana").await, said);
    assert!(shop.done().is_empty());
}

/// The process dies while the model is asked what to say of the order.
#[test]
fn a_spoken_yes_that_was_recorded_is_not_heard_again() {
    let shop = Shop::default();
    let (setup, ear) = confirming(&shop);
    setup.model.on("\"order\"", [Act::Hold]);
    life(async {
        let world = setup.start().await;
        hand_in(&world, vec![inbound("ana", "m1", "hungry")]).await;
        let yes = voice(&setup, "ana", "yes");
        world.deliver(yes).await.unwrap();
        pass(secs(2)).await;
        assert_eq!(shop.done(), ["order soup"], "and the model is asked");
    });
    setup.model.release();
    life(async {
        let world = setup.start().await;
        pass(secs(60)).await;
        world.quiet().await;
    });
    assert_eq!(ear.heard(), ["yes"]);
    assert_eq!(shop.done(), ["order soup"]);
}
