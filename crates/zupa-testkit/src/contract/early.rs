//! News that comes before the message it speaks of, or in one batch with it: it makes no
//! difference.

use std::time::Duration;

use zupa_core::store::{Accept, Accepted, Batch};
use zupa_core::{
    ChannelId, Content, ConversationId, EARLY_NEWS, InboundState, PlatformId, Receipt,
    ReceiptLevel, ReceiptNews, Timestamp,
};

use super::Harness;
use super::world::path::{queued, texts};
use super::world::wire::{level, receipt};
use super::world::{World, count};

fn edit(about: &str, text: &str, at: Option<i64>) -> Receipt {
    let content = Content::text(text);
    Receipt {
        at: at.map(Timestamp),
        ..receipt(about, ReceiptNews::Edit { content })
    }
}

fn revoke(about: &str) -> Receipt {
    receipt(about, ReceiptNews::Revoke)
}

impl World<'_> {
    /// Accepts one message beside news, in one batch.
    async fn beside(&self, message: Accept, receipts: Vec<Receipt>) -> Accepted {
        let batch = Batch {
            accept: vec![message],
            receipts,
            ..self.batch()
        };
        self.write(batch).await.accept.remove(0).unwrap()
    }

    async fn ended_as(&self, platform_id: &str) -> (ConversationId, InboundState) {
        let view = self.desk.turn(platform_id).await.unwrap().unwrap();
        (view.conversation, view.inbounds[0].state)
    }

    /// What a turn is handed of the one message of a conversation.
    async fn words(&self, platform_id: &str) -> String {
        let (conversation, _) = self.ended_as(platform_id).await;
        texts(&self.claim(conversation).await).concat()
    }

    /// Accepts a message of a conversation of its own.
    async fn first_sighting(&self, id: &str) {
        let accepted = self.accept_one(self.message(id, id, "0")).await;
        let is_first = matches!(accepted, Accepted::Queued { .. } | Accepted::Revoked { .. });
        assert!(is_first, "{accepted:?}");
    }
}

/// An edit that comes first is kept, over a death too, and is in the message when it is
/// accepted. What the message said first is what later deliveries are compared with.
pub async fn an_edit_waits_for_its_message(harness: &dyn Harness) {
    let world = World::open(harness).await;
    world
        .hear_receipts(vec![edit("m1", "hello", Some(2))])
        .await;
    let (world, _) = world.die().await;
    let message = world.message("ana", "m1", "hullo");
    let event = message.event;
    let (conversation, _) = queued(&world.accept_one(message).await);
    let again = world.accept_one(world.message("ana", "m1", "hullo")).await;
    assert_eq!(again, Accepted::Duplicate { event });
    assert_eq!(texts(&world.claim(conversation).await), ["hello"]);

    // It is spent: nothing is left to be forgotten.
    let forgotten = world.store.forget_news(world.after(1), 100).await.unwrap();
    assert_eq!(forgotten, 0);
}

/// A message that was taken back before it came is accepted, ended, and nobody's turn.
pub async fn a_revoke_waits_for_its_message(harness: &dyn Harness) {
    let world = World::open(harness).await;
    world.hear_receipts(vec![revoke("m1")]).await;
    let mut message = world.message("ana", "m1", "oops");
    message.offer = Some(world.offer());
    let batch = Batch {
        accept: vec![message],
        ..world.batch()
    };
    let mut applied = world.write(batch).await;
    let Ok(Accepted::Revoked {
        conversation,
        number,
    }) = applied.accept.remove(0)
    else {
        panic!("it is known to be taken back");
    };
    assert_eq!(number.0, 1);
    assert!(
        applied.taken.remove(0).is_none(),
        "nobody runs a turn of it"
    );
    assert!(world.due().await.is_empty());
    assert_eq!(world.store.backlog().await.unwrap(), 0);
    let view = world.desk.turn("m1").await.unwrap().unwrap();
    assert_eq!(view.inbounds[0].state, InboundState::Silent);
    assert_eq!(view.inbounds[0].reason.as_deref(), Some("revoked"));
    assert_eq!(count(&world.counts().await.ended, "silent"), 1);

    // What comes next has the next number, and is answered.
    let next = world.accept_one(world.message("ana", "m2", "hello")).await;
    assert_eq!((queued(&next).0, queued(&next).1.0), (conversation, 2));
    assert_eq!(texts(&world.claim(conversation).await), ["hello"]);
}

/// A message and its news in one batch are what they would be one after the other.
pub async fn a_batch_may_hold_a_message_and_its_news(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let message = world.message("ana", "m1", "hullo");
    let accepted = world
        .beside(message, vec![edit("m1", "hello", Some(2))])
        .await;
    let (conversation, _) = queued(&accepted);
    let gone = world
        .beside(world.message("ana", "m2", "oops"), vec![revoke("m2")])
        .await;
    assert!(matches!(gone, Accepted::Revoked { .. }), "{gone:?}");
    assert_eq!(texts(&world.claim(conversation).await), ["hello"]);
}

/// Of edits in any order, in one batch with the message, before it or behind it, the
/// newest counts; one that comes again, later than a newer one, changes nothing. A revoke
/// among them has the last word wherever it stands.
pub async fn the_newest_edit_counts_in_any_order(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let orders = [
        [1, 2, 3],
        [1, 3, 2],
        [2, 1, 3],
        [2, 3, 1],
        [3, 1, 2],
        [3, 2, 1],
    ];
    for (case, order) in orders.iter().enumerate() {
        for message_at in 0..=3 {
            let revokes = match case {
                0 | 4 => &[None, Some(0), Some(1), Some(2), Some(3)][..],
                _ => &[None],
            };
            for &revoked_at in revokes {
                let id = format!("m{case}-{message_at}-{revoked_at:?}");
                let heard = [&order[..], &[order[0]]].concat();
                for place in 0..=heard.len() {
                    if place == message_at {
                        world.first_sighting(&id).await;
                    }
                    if Some(place) == revoked_at {
                        world.hear_receipts(vec![revoke(&id)]).await;
                    }
                    if let Some(made_at) = heard.get(place) {
                        let news = edit(&id, &made_at.to_string(), Some(*made_at));
                        world.hear_receipts(vec![news]).await;
                    }
                }
                let case = format!("{order:?}, message at {message_at}, {revoked_at:?}");
                match revoked_at {
                    Some(_) => {
                        let (_, state) = world.ended_as(&id).await;
                        assert_eq!(state, InboundState::Silent, "{case}");
                    }
                    None => assert_eq!(world.words(&id).await, "3", "{case}"),
                }
            }
        }
    }
}

/// Where a platform tells no times the last edit to come counts; one that it dates is
/// not undone by one that it does not.
pub async fn edits_without_a_time_count_as_they_come(harness: &dyn Harness) {
    let world = World::open(harness).await;
    for (id, message_at) in [("early", 3), ("between", 1), ("late", 0)] {
        let news = [("a", None), ("b", None), ("c", Some(5)), ("d", None)];
        for (place, (text, at)) in news.into_iter().enumerate() {
            if place == message_at {
                world.first_sighting(id).await;
            }
            world.hear_receipts(vec![edit(id, text, at)]).await;
        }
        assert_eq!(world.words(id).await, "c", "{id}");
    }
    for text in ["a", "b"] {
        world.hear_receipts(vec![edit("undated", text, None)]).await;
    }
    world.first_sighting("undated").await;
    assert_eq!(world.words("undated").await, "b");
}

/// What waits belongs to one channel, and names no scope.
pub async fn early_news_stays_within_its_channel(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let mut elsewhere = revoke("m1");
    elsewhere.channel = ChannelId::parse("window").unwrap();
    world.hear_receipts(vec![elsewhere, revoke("scoped")]).await;
    let (conversation, _) = queued(&world.accept_one(world.message("ana", "m1", "a")).await);
    let mut scoped = world.message("ana", "scoped", "b");
    scoped.inbound.scope = "room".into();
    queued(&world.accept_one(scoped).await);
    assert_eq!(texts(&world.claim(conversation).await), ["a", "b"]);
}

/// What no message comes for is forgotten after its time, bite by bite, and counted;
/// what comes after that comes as it is.
pub async fn early_news_expires(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let began = world.now;
    let status = receipt("of nobody", level(ReceiptLevel::Read));
    world
        .hear_receipts(vec![revoke("m1"), edit("m2", "b", None), status])
        .await;
    // It waits from its first sighting on, however often it comes.
    world.pass(Duration::from_secs(60));
    world.hear_receipts(vec![revoke("m1")]).await;
    world.pass(EARLY_NEWS);
    let before = world.now.minus(EARLY_NEWS);
    let nothing = world.store.forget_news(began, 100).await.unwrap();
    assert_eq!(nothing, 0, "it is not old enough");
    let mut forgotten = Vec::new();
    for _ in 0..3 {
        forgotten.push(world.store.forget_news(before, 1).await.unwrap());
    }
    assert_eq!(forgotten.iter().sum::<u64>(), 3, "{forgotten:?}");
    assert_eq!(forgotten[2], 0, "{forgotten:?}");
    let (conversation, _) = queued(&world.accept_one(world.message("ana", "m1", "a")).await);
    world.accept_one(world.message("ana", "m2", "not b")).await;
    assert_eq!(texts(&world.claim(conversation).await), ["a", "not b"]);
}

/// A message and its revoke by two callers at once: one of them finds the other.
pub async fn a_message_beside_its_revoke_is_revoked(harness: &dyn Harness) {
    let world = World::open(harness).await;
    for round in 0..20 {
        let id = format!("m{round}");
        let accept = Batch {
            accept: vec![world.message("ana", &id, "oops")],
            ..world.batch()
        };
        let news = Batch {
            receipts: vec![Receipt {
                about: PlatformId::parse(id.clone()).unwrap(),
                ..revoke("m")
            }],
            ..world.batch()
        };
        world.write_at_once(vec![accept, news]).await;
        let (_, state) = world.ended_as(&id).await;
        assert_eq!(state, InboundState::Silent, "round {round}");
    }
    assert!(world.due().await.is_empty());
}
