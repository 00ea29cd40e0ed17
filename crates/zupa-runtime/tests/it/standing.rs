//! How a channel stands: each change is told, and a block is in the audit as well.

use tokio::sync::watch;
use zupa_core::bus::names;
use zupa_core::standing::{Pairing, State, Status};
use zupa_core::{ChannelId, Desk, EventBus, Standing, TenantId, Timestamp};

use crate::support::{Setup, pass, secs};

/// A phone that has not started, and the handle by which it is followed.
fn phone() -> (watch::Sender<Status>, Standing) {
    let status = watch::Sender::new(Status {
        state: State::Degraded("not_started"),
        since: Timestamp(1),
        pairing: None,
        starts: 0,
    });
    let standing = Standing {
        channel: ChannelId::parse("phone").unwrap(),
        tenant: TenantId::default_tenant(),
        kind: "wwebjs-bridge",
        status: status.subscribe(),
    };
    (status, standing)
}

fn becomes(phone: &watch::Sender<Status>, state: State, since: i64) {
    phone.send_modify(|status| {
        status.state = state;
        status.since = Timestamp(since);
    });
}

#[tokio::test(start_paused = true)]
async fn each_change_is_told_and_a_block_is_on_record() {
    let setup = Setup::web();
    let desk = setup.memory.clone();
    let bus = EventBus::default();
    let mut feed = bus.feed("channel:*").unwrap();
    let (phone, standing) = phone();
    let mut world = setup
        .start_with(|builder| {
            builder
                .bus(bus)
                .standing(standing)
                .desk(std::sync::Arc::new(desk.clone()))
        })
        .await;
    for (state, since) in [
        (State::Starting, 2),
        (State::Ready, 3),
        (State::Blocked("tos_block"), 4),
    ] {
        becomes(&phone, state, since);
        pass(secs(1)).await;
        // A code is no change of state.
        phone.send_modify(|status| status.pairing = Some(Pairing::Code("ABCD".to_owned())));
        pass(secs(1)).await;
    }
    world.shutdown(secs(10)).await.unwrap();
    let mut told = Vec::new();
    while let Some(event) = feed.next().await {
        let channel = event.payload.label("channel").unwrap();
        assert_eq!(channel.as_str(), "phone");
        assert_eq!(event.payload.word("kind"), Some("wwebjs-bridge"));
        told.push((event.name, event.payload.word("reason")));
    }
    assert_eq!(
        told,
        [
            (names::CHANNEL_STARTING, None),
            (names::CHANNEL_READY, None),
            (names::CHANNEL_BLOCKED, Some("tos_block")),
        ]
    );
    let acts = desk.acts().await.unwrap();
    let said: Vec<_> = acts
        .iter()
        .map(|link| &link.entry)
        .map(|entry| (&*entry.actor, &*entry.action, &*entry.reason, entry.at))
        .collect();
    let blocked = "phone: tos_block";
    assert_eq!(
        said,
        [("runtime", "channel.blocked", blocked, Timestamp(4))]
    );
}
