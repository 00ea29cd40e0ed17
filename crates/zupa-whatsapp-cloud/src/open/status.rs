//! One status of a message of ours.

use serde_json::Value;
use serde_json::value::RawValue;
use zupa_core::{Opened, PlatformId, Receipt, ReceiptLevel, ReceiptNews};

use super::UNREADABLE;
use super::fields::{text, time};
use crate::door::Door;

/// Adds what the status says, if it can be read.
pub(super) fn read(door: &Door, raw: &RawValue, opened: &mut Opened) {
    match receipt(door, raw) {
        Some(receipt) => opened.batch.receipts.push(receipt),
        None => opened.skip(UNREADABLE),
    }
}

fn receipt(door: &Door, raw: &RawValue) -> Option<Receipt> {
    let status: Value = serde_json::from_str(raw.get()).ok()?;
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
