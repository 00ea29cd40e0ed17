//! News about known messages on their way into `zupa.receipt`.

use uuid::Uuid;
use zupa_core::{DeliveryId, Receipt, ReceiptLevel, ReceiptNews, Result};

use super::item::{integer, item, json};

item! {
    /// News about a known message.
    ReceiptItem is "zupa.receipt_item" {
        about: String,
        channel: String,
        tenant: String,
        news: &'static str,
        level: Option<i32>,
        proves_sent: Option<bool>,
        turn: Option<Uuid>,
        ordinal: Option<i32>,
        content: Option<String>,
    }
}

pub(super) fn receipt(item: &Receipt) -> Result<ReceiptItem> {
    let mut news = ReceiptItem {
        about: item.about.as_str().to_owned(),
        channel: item.channel.as_str().to_owned(),
        tenant: item.tenant.as_str().to_owned(),
        // A kind that this version does not know changes nothing.
        news: "unknown",
        level: None,
        proves_sent: None,
        turn: None,
        ordinal: None,
        content: None,
    };
    match &item.news {
        ReceiptNews::Status { level, key } => {
            // A key that is not ours is somebody else's message.
            let key = key.as_deref().and_then(|key| DeliveryId::parse(key).ok());
            news.news = "status";
            news.level = Some(*level as i32);
            news.proves_sent = Some(!matches!(level, ReceiptLevel::Failed | ReceiptLevel::None));
            news.turn = key.map(|key| key.turn.0);
            news.ordinal = key.map(|key| integer(key.ordinal));
        }
        ReceiptNews::Edit { content } => {
            news.news = "edit";
            news.content = Some(json(content)?);
        }
        ReceiptNews::Revoke => news.news = "revoke",
        _ => {}
    }
    Ok(news)
}
