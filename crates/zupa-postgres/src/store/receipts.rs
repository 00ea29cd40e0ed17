//! News about known messages on their way into `zupa.receipt`.

use uuid::Uuid;
use zupa_core::{
    Address, ConversationId, DeliveryId, Person, Receipt, ReceiptLevel, ReceiptNews, Result,
    Timestamp, Wish,
};

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
        said_at: Option<i64>,
        fresh: Option<Uuid>,
        names: Option<Vec<String>>,
        opts_out: Option<bool>,
    }
}

impl ReceiptItem {
    /// News of a person, who may have no conversation yet.
    fn of(&mut self, item: &Receipt, news: &'static str, person: &Person, now: Timestamp) {
        let address = Address {
            tenant: item.tenant.clone(),
            channel: item.channel.clone(),
            alias: person.alias.clone(),
        };
        let fresh = ConversationId::of_news(now, &address);
        let aliases = std::iter::once(&person.alias).chain(&person.also);
        self.news = news;
        self.fresh = Some(fresh.0);
        self.names = Some(aliases.map(|alias| alias.as_str().to_owned()).collect());
    }
}

pub(super) fn receipt(item: &Receipt, now: Timestamp) -> Result<ReceiptItem> {
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
        said_at: item.at.map(|at| at.0),
        fresh: None,
        names: None,
        opts_out: None,
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
        ReceiptNews::Echo { to } => news.of(item, "echo", to, now),
        ReceiptNews::Moved { who } => news.of(item, "moved", who, now),
        ReceiptNews::Wish { who, wish } => {
            news.of(item, "wish", who, now);
            news.opts_out = Some(*wish == Wish::Nothing);
        }
        _ => {}
    }
    Ok(news)
}
