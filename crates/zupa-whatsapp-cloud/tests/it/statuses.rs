//! News of messages of ours.

use serde_json::json;
use zupa_core::{ReceiptLevel, ReceiptNews};

use crate::support::open;

#[test]
fn statuses_are_levels_and_carry_our_key() {
    let status = |word: &str, key: Option<&str>| {
        json!({
            "id": "wamid.A", "status": word, "timestamp": "1700000000",
            "recipient_id": "15550001111", "biz_opaque_callback_data": key,
        })
    };
    let opened = open(json!({ "statuses": [
        status("sent", Some("our.key")), status("delivered", None), status("read", None),
        status("played", None), status("failed", None), status("dreamt", None),
        { "status": "sent" }, 7,
    ] }));
    let news: Vec<_> = opened
        .batch
        .receipts
        .iter()
        .map(|receipt| match &receipt.news {
            ReceiptNews::Status { level, key } => (*level, key.as_deref()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        news,
        [
            (ReceiptLevel::Sent, Some("our.key")),
            (ReceiptLevel::Delivered, None),
            (ReceiptLevel::Read, None),
            (ReceiptLevel::Read, None),
            (ReceiptLevel::Failed, None),
        ]
    );
    assert_eq!(opened.skipped["unreadable"], 3);
    assert!(opened.batch.receipts[0].at.is_some());
}
