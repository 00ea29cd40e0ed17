//! Promises of the messages that a door hands in.

use zupa_core::{Content, Inbound, Outgoing, PlatformId, Receipt, ReceiptNews};

use super::{Deed, HandedIn, Harness, Line, Scene, WORDS, sends};

/// Somebody writes; what is handed in for it.
async fn writes(scene: &Scene) -> Option<Inbound> {
    message(scene.platform.does(Deed::Writes).await?)
}

fn message(handed_in: HandedIn) -> Option<Inbound> {
    match handed_in {
        HandedIn::Inbound(inbound) => Some(inbound),
        HandedIn::Receipt(_) => panic!("news where a message was said"),
    }
}

/// What decides whether two inbounds are one message.
fn identity(inbound: &Inbound) -> (Option<&PlatformId>, &str, &str, zupa_core::Digest) {
    (
        inbound.platform_id.as_ref(),
        inbound.scope.as_str(),
        inbound.address.alias.as_str(),
        inbound.content.digest(),
    )
}

/// Whose it is, what it says, under which id.
pub async fn what_somebody_writes_is_handed_in_whole(harness: &dyn Harness) -> Option<()> {
    let scene = harness.scene(Line::Works).await?;
    let inbound = writes(&scene).await?;
    assert_eq!(&inbound.address.channel, scene.door.id());
    assert_eq!(&inbound.address.tenant, scene.door.tenant());
    assert!(inbound.platform_id.is_some(), "no id to know it by");
    assert!(inbound.content == Content::text(WORDS));
    Some(())
}

/// So that accept can tell.
pub async fn a_message_that_comes_again_is_the_same(harness: &dyn Harness) -> Option<()> {
    let scene = harness.scene(Line::Works).await?;
    let first = writes(&scene).await?;
    let again = message(scene.platform.repeats().await?)?;
    assert_eq!(identity(&first), identity(&again));
    Some(())
}

/// People do say things twice.
pub async fn the_same_words_twice_are_two_messages(harness: &dyn Harness) -> Option<()> {
    let scene = harness.scene(Line::Works).await?;
    let (first, other) = (writes(&scene).await?, writes(&scene).await?);
    assert_ne!(first.platform_id, other.platform_id);
    assert_eq!(first.address, other.address);
    Some(())
}

/// What somebody did to the message they wrote before, and its id.
async fn news_of(harness: &dyn Harness, deed: Deed) -> Option<(Option<PlatformId>, Receipt)> {
    let scene = harness.scene(Line::Works).await?;
    let first = writes(&scene).await?;
    match scene.platform.does(deed).await? {
        HandedIn::Receipt(receipt) => Some((first.platform_id, receipt)),
        HandedIn::Inbound(_) => panic!("a message where there is news of one"),
    }
}

/// By the id under which it was handed in, whichever comes first.
pub async fn an_edit_names_its_message(harness: &dyn Harness) -> Option<()> {
    let (id, receipt) = news_of(harness, Deed::Edits).await?;
    assert_eq!(Some(&receipt.about), id.as_ref());
    assert!(matches!(receipt.news, ReceiptNews::Edit { .. }));
    Some(())
}

/// By the id under which it was handed in, whichever comes first.
pub async fn a_revoke_names_its_message(harness: &dyn Harness) -> Option<()> {
    let (id, receipt) = news_of(harness, Deed::Revokes).await?;
    assert_eq!(Some(&receipt.about), id.as_ref());
    assert_eq!(receipt.news, ReceiptNews::Revoke);
    Some(())
}

/// A reaction is a message, and says what it is about.
pub async fn a_reaction_names_its_message(harness: &dyn Harness) -> Option<()> {
    let scene = harness.scene(Line::Works).await?;
    let first = writes(&scene).await?;
    let reaction = message(scene.platform.does(Deed::Reacts).await?)?;
    let Content::Reaction { to, .. } = &reaction.content else {
        panic!("a reaction is handed in as {}", reaction.content.kind());
    };
    assert_eq!(
        Some(to.as_str()),
        first.platform_id.as_ref().map(PlatformId::as_str)
    );
    assert_ne!(reaction.platform_id, first.platform_id);
    Some(())
}

/// The address of a message is one that an answer arrives at.
pub async fn who_has_written_can_be_written_to(harness: &dyn Harness) -> Option<()> {
    let scene = sends(harness).await?;
    let inbound = writes(&scene).await?;
    let answer = Outgoing {
        to: inbound.address,
        ..scene.outgoing(Content::text("two soups are on their way"))
    };
    scene
        .door
        .send(answer)
        .await
        .expect("a platform that works");
    assert_eq!(scene.platform.seen().await, ["two soups are on their way"]);
    Some(())
}
