//! Passing signs, as the simulator of Meta's side sees them.

use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;
use zupa_core::{
    Address, Alias, Channel, ChannelId, Content, DeliveryId, Hint, Outgoing, TenantId, TurnId,
};
use zupa_whatsapp_cloud::{WhatsAppCloud, webhooks};
use zupa_whatsapp_sim::{Number, Options, Simulator};

use crate::contract::{Heard, listen};
use crate::support::{NUMBER, SECRET, config};

const SOMEBODY: &str = "15550001111";

/// A simulator, a number that is posted to, and what it has heard.
pub async fn number(typing: bool) -> (Simulator, WhatsAppCloud, watch::Receiver<Heard>) {
    let simulator = Simulator::start(Options {
        numbers: vec![Number {
            phone_number_id: NUMBER.to_owned(),
            app_secret: SECRET.to_owned(),
            access_token: "the-access-token".to_owned(),
            ..Number::default()
        }],
        ..Options::default()
    });
    let simulator = simulator.await.unwrap();
    let mut config = config("wa", NUMBER);
    config.graph_url = simulator.graph_url();
    config.typing = typing;
    let door = WhatsAppCloud::new(config).unwrap();
    let (sender, heard) = watch::channel(Heard::default());
    let webhook = webhooks(std::slice::from_ref(&door)).remove(0);
    simulator.post_to(listen(webhook, sender).await);
    (simulator, door, heard)
}

fn somebody() -> Address {
    Address {
        tenant: TenantId::default_tenant(),
        channel: ChannelId::parse("wa").unwrap(),
        alias: Alias::parse(SOMEBODY).unwrap(),
    }
}

/// "Good day!" to somewhere.
pub fn outgoing(to: Address) -> Outgoing {
    let turn = TurnId(Uuid::from_u128(1));
    Outgoing {
        delivery: DeliveryId { turn, ordinal: 0 },
        to,
        content: Content::text("Good day!"),
        as_template: false,
        attempt: 1,
        timeout: Duration::from_secs(10),
    }
}

#[tokio::test]
async fn typing_is_shown_for_what_was_written_last_and_marks_it_as_read() {
    let (simulator, door, _) = number(true).await;
    door.hint(&somebody(), Hint::Typing);
    let phone = simulator.phone(SOMEBODY);
    for id in ["wamid.first", "wamid.second"] {
        assert!(phone.writes_as(id, "hello").acknowledged().await);
        // Once for each, however often the model is asked.
        for _ in 0..3 {
            door.hint(&somebody(), Hint::Typing);
        }
        simulator
            .until(|record| record.typing.last().is_some_and(|last| last == id))
            .await;
    }
    assert!(phone.said().iter().all(|said| said.read));
    door.send(outgoing(somebody())).await.unwrap();
    door.hint(&somebody(), Hint::Typing);
    simulator.until(|record| record.typing.len() == 3).await;
    let record = simulator.record();
    let shown = ["wamid.first", "wamid.second", "wamid.second"];
    assert_eq!(record.typing, shown);
    assert_eq!(record.marked_read, shown);
    assert_eq!(record.attempts.len(), 1, "a sign is no send");
}

#[tokio::test]
async fn a_number_may_show_nothing() {
    let (simulator, door, _) = number(false).await;
    let phone = simulator.phone(SOMEBODY);
    assert!(phone.writes("hello").acknowledged().await);
    door.hint(&somebody(), Hint::Typing);
    door.send(outgoing(somebody())).await.unwrap();
    assert!(simulator.record().typing.is_empty());
    assert!(!phone.said()[0].read);
}

#[test]
fn a_sign_outside_of_a_runtime_is_lost_and_nothing_else() {
    let door = WhatsAppCloud::new(config("wa", NUMBER)).unwrap();
    door.hint(&somebody(), Hint::Typing);
}
