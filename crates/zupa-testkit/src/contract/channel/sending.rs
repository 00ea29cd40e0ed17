//! Promises of [`zupa_core::Channel::send`] and of what a door says of itself.

use zupa_core::{Content, Deduplicates, ErrorKind, Outcome, Outgoing};

use super::{Harness, LONG, Line, SHORT, WORDS, quotes_nothing, sends};

/// Whoever asks twice is told the same.
pub async fn what_a_door_can_do_is_constant(harness: &dyn Harness) -> Option<()> {
    let scene = harness.scene(Line::Works).await?;
    let door = &scene.door;
    assert_eq!(door.capabilities(), door.capabilities());
    assert_eq!(door.voice(), door.voice());
    assert_eq!((door.id(), door.tenant()), (door.id(), door.tenant()));
    Some(())
}

/// To the character.
pub async fn a_message_arrives_as_it_was_sent(harness: &dyn Harness) -> Option<()> {
    let scene = sends(harness).await?;
    let text = format!(
        "{WORDS}\n\n  *two* & <b> \u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} e\u{301} \u{5e9}"
    );
    scene.says(&text).await.expect("a platform that works");
    assert_eq!(scene.platform.seen().await, [text]);
    Some(())
}

/// One after the other.
pub async fn messages_arrive_in_the_order_of_their_sends(harness: &dyn Harness) -> Option<()> {
    let scene = sends(harness).await?;
    let texts = ["one", "two", "three", "four", "five"];
    for text in texts {
        scene.says(text).await.expect("a platform that works");
    }
    assert_eq!(scene.platform.seen().await, texts);
    Some(())
}

/// Receipts speak of a message by it.
pub async fn every_message_has_an_id_of_its_own(harness: &dyn Harness) -> Option<()> {
    let scene = sends(harness).await?;
    let one = scene.says(WORDS).await.expect("a platform that works");
    let other = scene.says(WORDS).await.expect("a platform that works");
    assert!(one.platform_id.is_some(), "the platform told no id");
    assert_ne!(one.platform_id, other.platform_id);
    Some(())
}

/// It may have left, and only who judges may have it sent again.
pub async fn a_lost_answer_is_unknown_and_the_call_is_made_once(
    harness: &dyn Harness,
) -> Option<()> {
    let scene = harness.scene(Line::LosesAnswer).await?;
    let error = scene.says(WORDS).await.expect_err("nobody has answered");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    assert_eq!(scene.platform.seen().await, [WORDS]);
    Some(())
}

/// The caller's deadline holds.
pub async fn a_late_answer_is_left_in_time_and_unknown(harness: &dyn Harness) -> Option<()> {
    let scene = harness.scene(Line::Late).await?;
    let attempt = Outgoing {
        timeout: SHORT,
        ..scene.outgoing(Content::text(WORDS))
    };
    let sent = tokio::time::timeout(LONG, scene.door.send(attempt)).await;
    let error = sent
        .expect("it waits for longer than it may")
        .expect_err("nobody has answered");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error}");
    Some(())
}

/// Trying again is of no use, and nothing has to be looked for.
pub async fn a_refusal_is_terminal_and_nothing_arrives(harness: &dyn Harness) -> Option<()> {
    let scene = harness.scene(Line::Refuses).await?;
    let error = scene.says(WORDS).await.expect_err("it was refused");
    assert_eq!(error.outcome(), Outcome::NotApplied, "{error}");
    assert!(error.is_terminal(), "{error}");
    assert_eq!(scene.platform.seen().await, [""; 0]);
    Some(())
}

/// Trying again is of use.
pub async fn a_busy_platform_is_tried_again_and_nothing_arrives(
    harness: &dyn Harness,
) -> Option<()> {
    let scene = harness.scene(Line::Busy).await?;
    let error = scene.says(WORDS).await.expect_err("it was not taken");
    assert_eq!(error.outcome(), Outcome::NotApplied, "{error}");
    assert!(error.is_transient(), "{error}");
    assert_eq!(scene.platform.seen().await, [""; 0]);
    scene.says(WORDS).await.expect("it works again");
    assert_eq!(scene.platform.seen().await, [WORDS]);
    Some(())
}

/// What has not left may be sent again.
pub async fn a_platform_that_is_gone_is_tried_again(harness: &dyn Harness) -> Option<()> {
    let scene = harness.scene(Line::Gone).await?;
    let error = scene.says(WORDS).await.expect_err("nobody is there");
    assert_eq!(error.outcome(), Outcome::NotApplied, "{error}");
    assert!(error.is_transient(), "{error}");
    Some(())
}

/// Where it says so: [`Deduplicates::ByKey`].
pub async fn a_repeated_key_arrives_once_where_the_door_says_so(
    harness: &dyn Harness,
) -> Option<()> {
    let scene = sends(harness).await?;
    if scene.door.capabilities().deduplicates == Deduplicates::Never {
        return None;
    }
    let first = scene.outgoing(Content::text(WORDS));
    let again = Outgoing {
        attempt: 2,
        ..first.clone()
    };
    let first = scene.door.send(first).await.expect("a platform that works");
    let again = scene.door.send(again).await.expect("it was sent before");
    assert_eq!(first, again);
    assert_eq!(scene.platform.seen().await, [WORDS]);
    Some(())
}

/// Either it arrives or it is refused for good; nothing is dropped without a word.
pub async fn what_cannot_be_carried_is_refused_and_does_not_arrive(
    harness: &dyn Harness,
) -> Option<()> {
    let scene = sends(harness).await?;
    let unsupported = Content::Unsupported {
        raw_kind: "canary".to_owned(),
    };
    let place = Content::Location {
        latitude: 91.5,
        longitude: 0.0,
        name: None,
    };
    let cards = Content::Contacts { cards: Vec::new() };
    for content in [unsupported, place, cards, Content::text("")] {
        let kind = content.kind();
        let error = scene.door.send(scene.outgoing(content)).await;
        let error = error.expect_err("nobody can carry that");
        assert_eq!(error.outcome(), Outcome::NotApplied, "{kind}: {error}");
        assert!(error.is_terminal(), "{kind}: {error}");
    }
    assert_eq!(scene.platform.seen().await, [""; 0]);
    Some(())
}

/// Nor does what is beneath them.
pub async fn errors_quote_nothing(harness: &dyn Harness) -> Option<()> {
    let mut failed = 0;
    for line in [Line::LosesAnswer, Line::Refuses, Line::Busy, Line::Gone] {
        let Some(scene) = harness.scene(line).await else {
            continue;
        };
        let error = scene.says(WORDS).await.expect_err("it was not answered");
        quotes_nothing(&error, &scene.platform.somebody());
        failed += 1;
    }
    (failed > 0).then_some(())
}

/// Dropping a call is the caller's way to give up.
pub async fn a_send_that_was_dropped_leaves_the_next_one_alone(
    harness: &dyn Harness,
) -> Option<()> {
    let scene = harness.scene(Line::Late).await?;
    let dropped = tokio::time::timeout(SHORT, scene.says("dropped")).await;
    assert!(dropped.is_err(), "it was answered before it was dropped");
    scene.says(WORDS).await.expect("the next one works");
    let seen = scene.platform.seen().await;
    assert_eq!(seen.last().map(String::as_str), Some(WORDS));
    Some(())
}

/// A file that is not there, or a door without any.
pub async fn media_that_nobody_has_is_not_asked_for_again(harness: &dyn Harness) -> Option<()> {
    let scene = harness.scene(Line::Works).await?;
    let fetched = scene.door.media("000", 1_024, LONG).await;
    let error = fetched.expect_err("nobody has it");
    let kind = error.kind();
    assert!(
        matches!(kind, ErrorKind::NotFound | ErrorKind::Unsupported),
        "{error}"
    );
    assert!(error.is_terminal(), "{error}");
    Some(())
}
