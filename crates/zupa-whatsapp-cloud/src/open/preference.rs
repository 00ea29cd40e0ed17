//! What a person wants to hear that they have not asked for.

use serde_json::value::RawValue;
use zupa_core::{PlatformId, Receipt, ReceiptNews, Wish};

use super::fields::{item, person, text, time};
use crate::door::Door;

/// Reads a wish about marketing; of others nothing is known.
pub(super) fn receipt(door: &Door, raw: &RawValue) -> Option<Receipt> {
    let preference = item(raw).head;
    let wish = match (
        text(&preference, "/category")?,
        text(&preference, "/value")?,
    ) {
        ("marketing_messages", "stop") => Wish::Nothing,
        ("marketing_messages", "resume") => Wish::Anything,
        _ => return None,
    };
    Some(Receipt {
        tenant: door.tenant.clone(),
        channel: door.channel.clone(),
        // It has no id of its own; whoever hears it twice hears the same.
        about: PlatformId::parse("user_preferences").ok()?,
        news: ReceiptNews::Wish {
            who: person(&preference, &["/wa_id", "/user_id"])?,
            wish,
        },
        at: time(&preference),
    })
}
