//! A group, both ways, against the simulator of Meta's side.

use zupa_core::{Channel, Hint, ReceiptLevel, ReceiptNews};

use crate::signs::{number, outgoing};

const ANA: &str = "15550001111";

#[tokio::test]
async fn what_is_said_in_a_group_is_answered_in_it() {
    let (simulator, door, mut heard) = number(true).await;
    let group = simulator.group("Lunch", &[ANA, "15550002222"]);
    assert!(group.writes(ANA, "soup?").acknowledged().await);
    let said = heard.wait_for(|heard| !heard.inbounds.is_empty()).await;
    let said = said.unwrap().inbounds[0].clone();
    assert_eq!(said.address.alias.as_str(), group.id());
    assert_eq!(said.speaker.unwrap().as_str(), ANA);

    door.hint(&said.address, Hint::Typing);
    let message = outgoing(said.address);
    let key = message.delivery.to_string();
    door.send(message).await.unwrap();
    assert_eq!(group.sees(1).await[0].text, "Good day!");
    let is_read = |news: &ReceiptNews| match news {
        ReceiptNews::Status { key: of, level, .. } => {
            of.as_ref() == Some(&key) && *level == ReceiptLevel::Read
        }
        _ => false,
    };
    heard
        .wait_for(|heard| heard.receipts.iter().any(|receipt| is_read(&receipt.news)))
        .await
        .unwrap();
    assert!(simulator.phone(ANA).seen().is_empty(), "to all of them");
    assert!(simulator.record().typing.is_empty(), "no signs in groups");
}
