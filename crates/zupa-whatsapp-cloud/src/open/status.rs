//! One status of a message of ours.

use serde_json::value::RawValue;
use zupa_core::{PlatformId, Receipt, ReceiptLevel, ReceiptNews};

use super::fields::{item, text, time};
use crate::door::Door;

/// Reads a status: what it says beside its word, its time and our key spoils nothing.
pub(super) fn receipt(door: &Door, raw: &RawValue) -> Option<Receipt> {
    let status = item(raw).head;
    let level = match text(&status, "/status")? {
        "sent" => ReceiptLevel::Sent,
        "delivered" => ReceiptLevel::Delivered,
        // Whoever plays a voice message has seen it.
        "read" | "played" => ReceiptLevel::Read,
        "failed" => ReceiptLevel::Failed,
        _ => return None,
    };
    Some(Receipt {
        tenant: door.tenant.clone(),
        channel: door.channel.clone(),
        about: PlatformId::parse(text(&status, "/id")?).ok()?,
        news: ReceiptNews::Status {
            level,
            key: text(&status, "/biz_opaque_callback_data").map(str::to_owned),
        },
        at: time(&status),
    })
}
