//! The contract of doors, over the true wire and a stand-in for the library.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use serde_json::{Value, json};
use zupa_core::{Alias, DeliveryId, Receipt, ReceiptLevel, ReceiptNews};
use zupa_testkit::contract::channel::{
    Deed, HandedIn, Harness, Line, Platform, Scene, WORDS, run_all,
};
use zupa_wwebjs_bridge::State;

use crate::support::{ANA, Bridge, Phone, eventually, has_node};

/// Ana, who writes to a phone.
struct Ana {
    phone: Phone,
    bridge: Bridge,
    deeds: AtomicU32,
}

impl Drop for Ana {
    fn drop(&mut self) {
        self.bridge.abort();
    }
}

impl Ana {
    /// The `count`-th message that was handed in for this deed.
    async fn inbound(&self, deed: &str, count: usize) -> HandedIn {
        let found = eventually("it is handed in", || {
            let all = self.bridge.taken.handed_in(&format!("{deed}|false|"));
            all.into_iter().nth(count - 1)
        });
        HandedIn::Inbound(found.await)
    }
}

#[async_trait]
impl Platform for Ana {
    fn somebody(&self) -> Alias {
        Alias::parse(ANA).unwrap()
    }

    async fn seen(&self) -> Vec<String> {
        let sent = self.phone.sent().into_iter();
        sent.map(|(_, text)| text).collect()
    }

    async fn told(&self, delivery: DeliveryId) -> Option<Vec<Receipt>> {
        // The page is loaded anew, and now shows what left.
        self.phone.mood(json!({ "found": true, "ready_again": 1 }));
        let delivery = delivery.to_string();
        let told = eventually("it is told to be sent", || {
            let mut told = self.bridge.taken.receipts();
            told.retain(|receipt| match &receipt.news {
                ReceiptNews::Status { key, .. } => key.as_ref() == Some(&delivery),
                _ => false,
            });
            let sent = |receipt: &Receipt| match receipt.news {
                ReceiptNews::Status { level, .. } => level >= ReceiptLevel::Sent,
                _ => false,
            };
            told.iter().any(sent).then_some(told)
        });
        Some(told.await)
    }

    async fn does(&self, deed: Deed) -> Option<HandedIn> {
        let number = self.deeds.fetch_add(1, Ordering::Relaxed);
        let (id, before) = (format!("D{number}"), format!("D{}", number.wrapping_sub(1)));
        let line = |id: &str, change: Value| {
            let mut line = json!({ "id": id, "chat": ANA, "fromMe": false, "body": WORDS });
            line.as_object_mut()
                .unwrap()
                .extend(change.as_object().unwrap().clone());
            line
        };
        self.phone.shows(match deed {
            Deed::Writes => line(&id, json!({})),
            Deed::Edits => line(&before, json!({ "event": "edit", "body": "two, please" })),
            Deed::Revokes => line(&before, json!({ "event": "revoke" })),
            Deed::Reacts => line(
                &id,
                json!({ "event": "reaction", "to": before, "body": "+" }),
            ),
        });
        Some(match deed {
            Deed::Writes => self.inbound(&id, 1).await,
            Deed::Reacts => {
                let found = eventually("it is handed in", || {
                    self.bridge.taken.handed_in(&format!("{id}|false||+")).pop()
                });
                HandedIn::Inbound(found.await)
            }
            Deed::Edits | Deed::Revokes => {
                let about = format!("{before}|false|");
                let found = eventually("it is news", || {
                    let mut receipts = self.bridge.taken.receipts();
                    receipts.retain(|receipt| receipt.about.as_str() == about);
                    receipts.pop()
                });
                HandedIn::Receipt(found.await)
            }
        })
    }

    /// A sidecar that dies and has forgotten what it told finds it once more.
    async fn repeats(&self) -> Option<HandedIn> {
        let id = format!("D{}", self.deeds.load(Ordering::Relaxed) - 1);
        let life = self.bridge.bridge.status().borrow().starts;
        let told = self.phone.path("session/told");
        eventually("it is confirmed", || {
            let names = std::fs::read_to_string(&told).unwrap();
            names.contains(&id).then_some(())
        })
        .await;
        std::fs::remove_file(told).unwrap();
        self.phone.mood(json!({ "die_in": life }));
        Some(self.inbound(&id, 2).await)
    }
}

struct Whatsapp;

#[async_trait]
impl Harness for Whatsapp {
    async fn scene(&self, line: Line) -> Option<Scene> {
        let phone = Phone::new();
        // Nobody is written to who has not written.
        phone.said("before", ANA, "before");
        phone.mood(match line {
            Line::Works => json!({}),
            Line::LosesAnswer => json!({ "first_send": "lost" }),
            Line::Late => json!({ "first_send": "hangs" }),
            Line::Refuses => json!({ "first_send": "refused" }),
            Line::Busy => json!({ "first_send": "null" }),
            Line::Gone => json!({ "start": "throws" }),
        });
        let bridge = phone.bridge();
        match line {
            Line::Gone => {
                bridge
                    .until("away", |status| {
                        status.state == State::Degraded("no_network")
                    })
                    .await
            }
            _ => bridge.ready().await,
        };
        Some(Scene {
            door: Arc::new(bridge.bridge.clone()),
            platform: Arc::new(Ana {
                phone,
                bridge,
                deeds: AtomicU32::new(0),
            }),
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_promise_of_a_door_is_kept() {
    if !has_node("every_promise_of_a_door_is_kept") {
        return;
    }
    let report = run_all(&Whatsapp).await;
    assert!(report.broken.is_empty(), "{report}");
    assert!(report.skipped.is_empty(), "{:?}", report.skipped);
}
