//! The contract of doors, kept by the web chat: what visitors write comes in by its route;
//! what the agent says leaves with the commit, so there is nothing to send.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use serde_json::json;
use tower::ServiceExt;
use zupa_core::{Alias, ChannelId, DeliveryId, Hints, Inbound, Receipt, TenantId};
use zupa_http::WebChat;
use zupa_testkit::contract::channel::{
    Deed, HandedIn, Harness, Line, Platform, Scene, WORDS, run_all,
};

use crate::fakes::{App, post};

/// A visitor of the page.
struct Visitor {
    router: Router,
    /// What reached the intake.
    seen: Arc<Mutex<Vec<Inbound>>>,
    deeds: AtomicU32,
}

impl Visitor {
    async fn writes(&self, deed: u32) -> HandedIn {
        let body = json!({ "id": format!("deed-{deed}"), "text": WORDS }).to_string();
        let request = post("/chat/ana/messages", body);
        let answer = self.router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), 202);
        let seen = self.seen.lock().unwrap();
        HandedIn::Inbound(seen.last().unwrap().clone())
    }
}

#[async_trait]
impl Platform for Visitor {
    fn somebody(&self) -> Alias {
        Alias::parse("ana").unwrap()
    }

    /// The page reads the outbox itself.
    async fn seen(&self) -> Vec<String> {
        Vec::new()
    }

    async fn told(&self, _: DeliveryId) -> Option<Vec<Receipt>> {
        None
    }

    async fn does(&self, deed: Deed) -> Option<HandedIn> {
        let number = self.deeds.fetch_add(1, Ordering::Relaxed);
        match deed {
            Deed::Writes => Some(self.writes(number).await),
            Deed::Edits | Deed::Revokes | Deed::Reacts => None,
        }
    }

    async fn repeats(&self) -> Option<HandedIn> {
        let last = self.deeds.load(Ordering::Relaxed) - 1;
        Some(self.writes(last).await)
    }
}

struct Page;

#[async_trait]
impl Harness for Page {
    async fn scene(&self, line: Line) -> Option<Scene> {
        let (id, tenant) = (
            ChannelId::parse("main").unwrap(),
            TenantId::default_tenant(),
        );
        let app = App::new();
        (line == Line::Works).then(|| Scene {
            door: Arc::new(WebChat::new(id, tenant, Hints::default())),
            platform: Arc::new(Visitor {
                router: app.router,
                seen: app.seen,
                deeds: AtomicU32::new(0),
            }),
        })
    }
}

#[tokio::test]
async fn every_promise_of_a_door_without_sends_is_kept() {
    let report = run_all(&Page).await;
    assert!(report.broken.is_empty(), "{report}");
    let kept = [
        "sending::what_a_door_can_do_is_constant",
        "sending::media_that_nobody_has_is_not_asked_for_again",
        "hearing::what_somebody_writes_is_handed_in_whole",
        "hearing::a_message_that_comes_again_is_the_same",
        "hearing::the_same_words_twice_are_two_messages",
    ];
    assert_eq!(report.kept, kept);
}
