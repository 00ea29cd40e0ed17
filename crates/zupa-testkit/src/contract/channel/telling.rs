//! Promises of the news that a door hands in about what it has sent.

use zupa_core::{Content, Receipt, ReceiptLevel, ReceiptNews};

use super::{Harness, Line, WORDS, sends};

fn is_about(receipt: &Receipt, key: &str, id: Option<&str>) -> bool {
    let carries =
        matches!(&receipt.news, ReceiptNews::Status { key: Some(told), .. } if told == key);
    carries || id == Some(receipt.about.as_str())
}

fn proves_sent(receipt: &Receipt) -> bool {
    matches!(&receipt.news, ReceiptNews::Status { level, .. } if *level >= ReceiptLevel::Sent)
}

/// By its key, or by the id that the send was answered with.
pub async fn news_of_a_message_leads_to_it(harness: &dyn Harness) -> Option<()> {
    let scene = sends(harness).await?;
    let outgoing = scene.outgoing(Content::text(WORDS));
    let delivery = outgoing.delivery;
    let receipt = scene
        .door
        .send(outgoing)
        .await
        .expect("a platform that works");
    let told = scene.platform.told(delivery).await?;
    assert!(told.iter().any(proves_sent), "nobody said that it was sent");
    let (key, id) = (delivery.to_string(), receipt.platform_id);
    for news in &told {
        assert_eq!(
            (&news.tenant, &news.channel),
            (scene.door.tenant(), scene.door.id())
        );
        let id = id.as_ref().map(|id| id.as_str());
        assert!(is_about(news, &key, id), "news of something else");
    }
    Some(())
}

/// There is no id to know it by.
pub async fn news_of_a_send_without_an_answer_carries_its_key(harness: &dyn Harness) -> Option<()> {
    let scene = harness.scene(Line::LosesAnswer).await?;
    let outgoing = scene.outgoing(Content::text(WORDS));
    let delivery = outgoing.delivery;
    scene
        .door
        .send(outgoing)
        .await
        .expect_err("nobody has answered");
    let told = scene.platform.told(delivery).await?;
    let key = delivery.to_string();
    let settles = |news: &Receipt| proves_sent(news) && is_about(news, &key, None);
    assert!(told.iter().any(settles), "nobody said that it was sent");
    Some(())
}
