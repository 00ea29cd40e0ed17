//! The web chat as a channel.

use std::time::Duration;

use zupa_core::{
    Acknowledges, Channel, ChannelId, Content, Deduplicates, DeliveryId, ErrorKind, Hint, Hints,
    Outgoing, TenantId,
};
use zupa_http::WebChat;

use crate::fakes::{App, turn};

#[tokio::test]
async fn its_commit_is_its_delivery() {
    let app = App::new();
    let hints = Hints::default();
    let id = ChannelId::parse("main").unwrap();
    let chat = WebChat::new(id.clone(), TenantId::default_tenant(), hints.clone());
    assert_eq!(
        (chat.id(), chat.tenant()),
        (&id, &TenantId::default_tenant())
    );
    assert_eq!(chat.capabilities().acknowledges, Acknowledges::AtCommit);
    assert_eq!(chat.capabilities().deduplicates, Deduplicates::ByKey);

    let refused = chat
        .send(Outgoing {
            delivery: DeliveryId {
                turn: turn(1),
                ordinal: 0,
            },
            to: app.address("c"),
            content: Content::text("hello"),
            as_template: false,
            attempt: 1,
            timeout: Duration::from_secs(1),
        })
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);

    let mut feed = hints.watch(app.address("c"));
    chat.hint(&app.address("c"), Hint::Typing);
    assert!(matches!(feed.next().await, Some(Hint::Typing)));
}
