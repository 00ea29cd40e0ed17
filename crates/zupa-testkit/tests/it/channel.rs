//! The recording channel answers as told and remembers what it was sent.

use std::sync::Arc;
use std::time::Duration;

use zupa_core::{
    Address, Alias, Channel, ChannelId, Content, Deduplicates, DeliveryId, Error, ErrorKind, Hint,
    Ids, Outcome, Outgoing, TenantId, TurnId,
};
use zupa_testkit::{Answer, RecordingChannel, SeqIds};

fn channel(deduplicates: Deduplicates) -> RecordingChannel {
    let id = ChannelId::parse("door").unwrap();
    RecordingChannel::new(id, TenantId::default_tenant(), deduplicates)
}

fn outgoing(attempt: u32) -> Outgoing {
    Outgoing {
        delivery: DeliveryId {
            turn: TurnId(SeqIds::default().fresh()),
            ordinal: 0,
        },
        to: Address {
            tenant: TenantId::default_tenant(),
            channel: ChannelId::parse("door").unwrap(),
            alias: Alias::parse("ana").unwrap(),
        },
        content: Content::text("hi"),
        as_template: false,
        attempt,
        timeout: Duration::from_secs(10),
    }
}

#[tokio::test]
async fn it_answers_as_told_in_order() {
    let channel = channel(Deduplicates::Never);
    let refusal = Error::new(ErrorKind::RateLimited, "too fast");
    channel.answer([Answer::Fail(refusal), Answer::LostAnswer]);
    let failed = channel.send(outgoing(1)).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::RateLimited);
    assert!(channel.visible().is_empty());
    let lost = channel.send(outgoing(2)).await.unwrap_err();
    assert_eq!(lost.outcome(), Outcome::Unknown);
    assert_eq!(
        channel.visible().len(),
        1,
        "it was taken, only the answer got lost"
    );
    let sent = channel.send(outgoing(3)).await.unwrap();
    assert!(sent.platform_id.is_some());
    assert_eq!(channel.visible().len(), 2, "nobody drops the second one");
    let attempts: Vec<_> = channel.calls().iter().map(|call| call.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
}

#[tokio::test]
async fn one_that_deduplicates_shows_a_repeated_key_once() {
    let channel = channel(Deduplicates::ByKey);
    channel.answer([Answer::LostAnswer]);
    assert!(channel.send(outgoing(1)).await.is_err());
    assert!(channel.send(outgoing(2)).await.is_ok());
    assert_eq!((channel.calls().len(), channel.visible().len()), (2, 1));
    channel.hint(&outgoing(1).to, Hint::Typing);
    assert_eq!(channel.hints().len(), 1);
}

#[tokio::test]
async fn a_send_that_hangs_is_recorded() {
    let channel = Arc::new(channel(Deduplicates::Never));
    channel.answer([Answer::Hang]);
    let sending = tokio::spawn({
        let channel = Arc::clone(&channel);
        async move { channel.send(outgoing(1)).await }
    });
    channel.called(1).await;
    assert!(!sending.is_finished());
    sending.abort();
    assert!(channel.visible().is_empty());
}
