//! A group: whoever speaks is in the message, and what is sent goes to all of them.

use serde_json::json;
use zupa_whatsapp_sim::Options;

use crate::business::{code, send, soon, start};

const ANA: &str = "15550001111";
const BRUNO: &str = "15550002222";

#[tokio::test]
async fn a_message_of_a_group_says_who_speaks_and_where() {
    let (simulator, business) = start(Options::default()).await;
    let group = simulator.group("Lunch", &[ANA]);
    group.writes(ANA, "soup?");
    business.told(1).await;
    group.writes(BRUNO, "yes");
    let items = business.told(2).await;
    let said: Vec<_> = items
        .iter()
        .map(|item| (&item["from"], &item["group_id"], &item["text"]["body"]))
        .collect();
    let id = json!(group.id());
    assert_eq!(
        said,
        [
            (&json!(ANA), &id, &json!("soup?")),
            (&json!(BRUNO), &id, &json!("yes")),
        ]
    );
    assert_eq!(simulator.people(), [ANA, BRUNO], "a group is nobody");
    assert!(simulator.phone(ANA).said().is_empty(), "of the chat of two");
}

#[tokio::test]
async fn what_is_sent_to_a_group_is_seen_in_it_and_its_statuses_say_so() {
    let (simulator, business) = start(Options::default()).await;
    let group = simulator.group("Lunch", &[ANA, BRUNO]);
    assert!(soon(group.writes(ANA, "soup?").acknowledged()).await);
    let text = |to: &str| {
        json!({
            "recipient_type": "group", "to": to, "type": "text", "text": { "body": "soup it is" },
            "biz_opaque_callback_data": "k.0",
        })
    };
    let taken = send(&simulator, text(group.id())).await.unwrap();
    assert_eq!(taken.0, 200);
    assert_eq!(soon(group.sees(1)).await[0].text, "soup it is");
    let statuses = business.told(3).await.split_off(1);
    for status in statuses {
        assert_eq!(status["recipient_type"], "group", "{status}");
        assert_eq!(status["recipient_id"], group.id());
        assert_eq!(status["biz_opaque_callback_data"], "k.0");
    }
    let refused = send(&simulator, text("capi-group-of-nobody-1")).await;
    assert_eq!(code(&refused), 131_026);
}
