//! The contract of doors, against the simulator of Meta's side: both directions over HTTP.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use zupa_core::{Alias, DeliveryId, Inbound, Receipt, ReceiptLevel, ReceiptNews, Webhook};
use zupa_testkit::contract::channel::{
    Deed, HandedIn, Harness, Line, Platform, Scene, WORDS, run_all,
};
use zupa_whatsapp_cloud::{WhatsAppCloud, webhooks};
use zupa_whatsapp_sim::{Fate, Number, Options, Phone, Simulator};

use crate::support::{NUMBER, SECRET, config};

const SOMEBODY: &str = "15550001111";

/// All that was handed in.
#[derive(Debug, Default)]
pub struct Heard {
    pub inbounds: Vec<Inbound>,
    pub receipts: Vec<Receipt>,
}

/// Listens for what Meta posts; where.
pub async fn listen(webhook: Arc<dyn Webhook>, heard: watch::Sender<Heard>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = format!("http://{}/webhooks/wa", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (webhook, heard) = (webhook.clone(), heard.clone());
            let service = service_fn(move |request| take(webhook.clone(), heard.clone(), request));
            let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(serving);
        }
    });
    here
}

async fn take(
    webhook: Arc<dyn Webhook>,
    heard: watch::Sender<Heard>,
    request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let headers: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_bytes()))
        .collect();
    let mut response = Response::new(Empty::new());
    match webhook.open(&headers, &body) {
        Ok(opened) => heard.send_modify(|heard| {
            heard.inbounds.extend(opened.batch.inbounds);
            heard.receipts.extend(opened.batch.receipts);
        }),
        Err(_) => *response.status_mut() = StatusCode::UNAUTHORIZED,
    }
    Ok(response)
}

/// Somebody with a phone, and what the door has heard of them.
struct Meta {
    // It ends with the last handle.
    _simulator: Simulator,
    phone: Phone,
    heard: watch::Receiver<Heard>,
    deeds: AtomicU32,
}

impl Meta {
    /// Waits until something has been handed in.
    async fn handed_in<T>(&self, find: impl Fn(&Heard) -> Option<T>) -> T {
        let mut heard = self.heard.clone();
        let found = heard.wait_for(|heard| find(heard).is_some()).await.unwrap();
        find(&found).unwrap()
    }

    /// The `count`-th inbound under this id.
    async fn inbound(&self, id: &str, count: usize) -> HandedIn {
        let inbound = self.handed_in(|heard| {
            let is_it = |inbound: &&Inbound| {
                let known = inbound.platform_id.as_ref();
                known.is_some_and(|known| known.as_str() == id)
            };
            heard.inbounds.iter().filter(is_it).nth(count - 1).cloned()
        });
        HandedIn::Inbound(inbound.await)
    }

    fn id(deed: u32) -> String {
        format!("wamid.deed{deed}")
    }
}

#[async_trait]
impl Platform for Meta {
    fn somebody(&self) -> Alias {
        Alias::parse(SOMEBODY).unwrap()
    }

    async fn seen(&self) -> Vec<String> {
        self.phone
            .seen()
            .into_iter()
            .map(|seen| seen.text)
            .collect()
    }

    async fn told(&self, delivery: DeliveryId) -> Option<Vec<Receipt>> {
        let delivery = delivery.to_string();
        let about = move |heard: &Heard| {
            let is_about = |receipt: &&Receipt| match &receipt.news {
                ReceiptNews::Status { key, .. } => key.as_ref() == Some(&delivery),
                _ => false,
            };
            let told: Vec<_> = heard.receipts.iter().filter(is_about).cloned().collect();
            let sent = |receipt: &Receipt| match receipt.news {
                ReceiptNews::Status { level, .. } => level >= ReceiptLevel::Sent,
                _ => false,
            };
            told.iter().any(sent).then_some(told)
        };
        Some(self.handed_in(about).await)
    }

    async fn does(&self, deed: Deed) -> Option<HandedIn> {
        let number = self.deeds.fetch_add(1, Ordering::Relaxed);
        let (id, before) = (Self::id(number), Self::id(number.saturating_sub(1)));
        let text = |body: &str| json!({ "type": "text", "text": { "body": body } });
        let of = |kind: &str, part: Value| json!({ "type": kind, kind: part });
        let message = match deed {
            Deed::Writes => text(WORDS),
            Deed::Edits => of(
                "edit",
                json!({ "original_message_id": before, "message": text("two soups, please") }),
            ),
            Deed::Revokes => of("revoke", json!({ "original_message_id": before })),
            Deed::Reacts => of("reaction", json!({ "message_id": before, "emoji": "+" })),
        };
        assert!(self.phone.says_as(id.clone(), message).acknowledged().await);
        Some(match deed {
            Deed::Writes | Deed::Reacts => self.inbound(&id, 1).await,
            Deed::Edits | Deed::Revokes => {
                let receipt = self.handed_in(|heard| {
                    let is_it = |receipt: &&Receipt| receipt.about.as_str() == before;
                    heard.receipts.iter().find(is_it).cloned()
                });
                HandedIn::Receipt(receipt.await)
            }
        })
    }

    async fn repeats(&self) -> Option<HandedIn> {
        let id = Self::id(self.deeds.load(Ordering::Relaxed) - 1);
        assert!(self.phone.again(&id)?.acknowledged().await);
        Some(self.inbound(&id, 2).await)
    }
}

struct Cloud;

#[async_trait]
impl Harness for Cloud {
    async fn scene(&self, line: Line) -> Option<Scene> {
        let number = Number {
            phone_number_id: NUMBER.to_owned(),
            access_token: "the-access-token".to_owned(),
            app_secret: SECRET.to_owned(),
            ..Number::default()
        };
        let options = Options {
            numbers: vec![number],
            ..Options::default()
        };
        let simulator = Simulator::start(options).await.unwrap();
        let mut config = config("wa", NUMBER);
        config.graph_url = match line {
            Line::Gone => "http://127.0.0.1:1/v23.0".to_owned(),
            _ => simulator.graph_url(),
        };
        let door = WhatsAppCloud::new(config).unwrap();
        let (sender, heard) = watch::channel(Heard::default());
        let webhook = webhooks(std::slice::from_ref(&door)).remove(0);
        simulator.post_to(listen(webhook, sender).await);
        // Whoever has not written may be sent nothing but templates.
        let phone = simulator.phone(SOMEBODY);
        assert!(phone.writes("before").acknowledged().await);
        simulator.next_sends(match line {
            Line::Works | Line::Gone => None,
            Line::LosesAnswer => Some(Fate::LoseAnswer),
            Line::Late => Some(Fate::TakeLate(Duration::from_secs(60))),
            Line::Refuses => Some(Fate::Refuse(131_026)),
            Line::Busy => Some(Fate::Refuse(130_429)),
        });
        Some(Scene {
            door: Arc::new(door),
            platform: Arc::new(Meta {
                _simulator: simulator,
                phone,
                heard,
                deeds: AtomicU32::new(0),
            }),
        })
    }
}

#[tokio::test]
async fn every_promise_of_a_door_is_kept() {
    let report = run_all(&Cloud).await;
    assert!(report.broken.is_empty(), "{report}");
    // Meta knows no idempotency key.
    assert_eq!(
        report.skipped,
        ["sending::a_repeated_key_arrives_once_where_the_door_says_so"]
    );
}
