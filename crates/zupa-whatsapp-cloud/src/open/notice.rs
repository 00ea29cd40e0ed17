//! Notices of the platform within a conversation: who has another number, or another id.

use serde_json::Value;
use zupa_core::ReceiptNews;

use super::fields::{person, text};

/// Reads a notice; none if it says nothing of who is who. The address of now comes first,
/// a number before an id.
pub(super) fn read(message: &Value) -> Option<ReceiptNews> {
    let pointers: &[_] = match text(message, "/system/type")? {
        "user_changed_number" => &[
            "/system/wa_id",
            "/system/new_wa_id",
            "/system/user_id",
            "/from",
            "/from_user_id",
            "/system/previous_user_id",
        ],
        "user_changed_user_id" => &[
            "/system/wa_id",
            "/from",
            "/system/user_id",
            "/from_user_id",
            "/system/previous_user_id",
        ],
        _ => return None,
    };
    let who = person(message, pointers)?;
    (!who.also.is_empty()).then_some(ReceiptNews::Moved { who })
}
