//! What somebody wrote by hand, in the app of a phone of the business.

use serde_json::value::RawValue;
use zupa_core::{PlatformId, Receipt, ReceiptNews};

use super::fields::{item, person, text, time};
use crate::door::Door;

/// Reads an echo: to whom is all that counts, whatever it says.
pub(super) fn receipt(door: &Door, raw: &RawValue) -> Option<Receipt> {
    let echo = item(raw).head;
    // In a group nobody's own address leads to it.
    let names: &[&str] = match text(&echo, "/group_id") {
        Some(_) => &["/group_id"],
        None => &["/to", "/to_user_id"],
    };
    Some(Receipt {
        tenant: door.tenant.clone(),
        channel: door.channel.clone(),
        about: PlatformId::parse(text(&echo, "/id")?).ok()?,
        news: ReceiptNews::Echo {
            to: person(&echo, names)?,
        },
        at: time(&echo),
    })
}
