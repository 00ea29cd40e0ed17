//! News about a person: a human who writes to them by hand, another address, what they
//! want to hear; and where replies go.

use std::time::Duration;

use zupa_core::desk::{ConversationView, Releasing};
use zupa_core::store::{Accept, Attempted, ClaimOutcome};
use zupa_core::{
    Alias, AuditEntry, AuditHead, ConversationId, DeliveryState, Hold, HoldKind, Lane, Person,
    Receipt, ReceiptNews, Timestamp, Wish, audit,
};

use super::Harness;
use super::world::path::{answered, queued, texts};
use super::world::wire::{Place, Talk, receipt, sent};
use super::world::{World, address};

const SECOND: Duration = Duration::from_secs(1);
const QUEUED: DeliveryState = DeliveryState::Queued;

fn person(aliases: &[&str]) -> Person {
    let alias = |alias: &&str| Alias::parse(*alias).unwrap();
    Person {
        alias: alias(&aliases[0]),
        also: aliases[1..].iter().map(alias).collect(),
    }
}

fn echo(about: &str, to: &str, at: Timestamp) -> Receipt {
    let to = person(&[to]);
    Receipt {
        at: Some(at),
        ..receipt(about, ReceiptNews::Echo { to })
    }
}

fn moved(aliases: &[&str], at: Timestamp) -> Receipt {
    let who = person(aliases);
    Receipt {
        at: Some(at),
        ..receipt("notice", ReceiptNews::Moved { who })
    }
}

pub(super) fn wish(of: &str, wish: Wish, at: Timestamp) -> Receipt {
    let who = person(&[of]);
    Receipt {
        at: Some(at),
        ..receipt("notice", ReceiptNews::Wish { who, wish })
    }
}

impl World<'_> {
    pub(super) async fn hears(&self, news: Receipt) {
        self.hear_receipts(vec![news]).await;
    }

    async fn shown(&self, id: ConversationId) -> ConversationView {
        self.desk.conversation(id).await.unwrap().unwrap()
    }

    async fn human_at(&self, id: ConversationId) -> Option<Timestamp> {
        let hold = self.shown(id).await.hold?;
        assert_eq!((hold.kind, hold.by.as_str()), (HoldKind::Human, "human"));
        hold.human_at
    }

    async fn hands_back(&self, id: ConversationId) -> u64 {
        let entry = self.act("conversation.released");
        match self.desk.release(id, None, entry).await.unwrap() {
            Releasing::Done { answered, .. } => answered,
            other => panic!("somebody has it, was {other:?}"),
        }
    }

    /// Of entries that no run has made; the whole chain has to fit.
    async fn told(&self, id: ConversationId) -> Vec<(String, String)> {
        let links = self.desk.audit(id).await.unwrap();
        let verified = audit::verify(&id.to_string(), AuditHead::default(), &links);
        assert!(verified.is_ok(), "{verified:?}: {links:?}");
        let entries = links.into_iter().map(|link| link.entry);
        let told = entries.filter(|entry| entry.turn.is_none());
        let told: Vec<AuditEntry> = told.collect();
        assert!(told.iter().all(|entry| entry.at <= self.now));
        told.into_iter()
            .map(|entry| (entry.actor, entry.action))
            .collect()
    }

    fn from(&self, aliases: &[&str], id: &str) -> Accept {
        let Person { also, .. } = person(aliases);
        let mut message = self.message(aliases[0], id, id);
        message.inbound.also = also;
        message
    }

    async fn says(&self, aliases: &[&str], id: &str) -> ConversationId {
        queued(&self.accept_one(self.from(aliases, id)).await).0
    }

    async fn head(&self, id: ConversationId) -> AuditHead {
        let links = self.desk.audit(id).await.unwrap();
        let last = links.last().unwrap();
        AuditHead {
            number: last.number,
            hash: last.hash,
        }
    }

    async fn reached_at(&self, id: ConversationId) -> String {
        self.shown(id).await.address.alias.as_str().to_owned()
    }
}

fn words(told: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(actor, action): &(&str, &str)| (actor.to_string(), action.to_string());
    told.iter().map(owned).collect()
}

/// A human who writes by hand has the conversation, in the transaction that takes the
/// echo in: what waits to be sent is cancelled, and nothing of it is claimed. A later word
/// moves the line; one that comes again, or late, does not.
pub async fn a_humans_word_takes_the_conversation(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let talk = world.talk("ana", &[("one", QUEUED)]).await;
    let id = talk.turn.conversation;
    let (first, later) = (world.now, world.after(2));
    world.hears(echo("e1", "ana", first)).await;
    assert_eq!(world.human_at(id).await, Some(first));
    let view = world.delivery(&talk, 0).await;
    assert_eq!(view.state, DeliveryState::Cancelled);
    assert_eq!(view.reason.as_deref(), Some(Hold::REASON));
    world.says(&["ana"], "m2").await;
    assert!(world.due().await.is_empty());

    world.pass(3 * SECOND);
    for (about, at) in [("e2", later), ("e1", first), ("e2", later)] {
        world.hears(echo(about, "ana", at)).await;
        assert_eq!(world.human_at(id).await, Some(later));
    }
    // A platform's clock may be ahead.
    world.hears(echo("e3", "ana", world.after(60))).await;
    assert_eq!(world.human_at(id).await, Some(world.now));
    assert_eq!(
        world.told(id).await,
        words(&[("human", "conversation.held")])
    );
    let (world, _) = world.die().await;
    assert!(world.human_at(id).await.is_some());
    assert_eq!(world.hands_back(id).await, 1, "what the human has read");
}

/// Whom a human writes to first has a conversation, which is theirs.
pub async fn a_humans_word_begins_a_conversation(harness: &dyn Harness) {
    let world = World::open(harness).await;
    world.hears(echo("e1", "ana", world.now)).await;
    world.hears(echo("e2", "bob", world.now)).await;
    let id = world.says(&["ana"], "m1").await;
    assert!(world.due().await.is_empty());
    let held = world.desk.conversations(true, None, 10).await.unwrap();
    assert_eq!(held.len(), 2);
    assert!(held[0].id > held[1].id, "they sort by birth");
    let outcome = world.try_claim(id).await;
    assert!(!matches!(outcome, ClaimOutcome::Taken(_)));
}

/// What we have sent ourselves, the platform may echo too: that is nobody's hand.
pub async fn an_echo_of_our_own_send_takes_nothing(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let talk = world.talk("ana", &[("one", DeliveryState::Sending)]).await;
    world.settle(talk.rows[0], 1, sent("p1")).await;
    world.hears(echo("p1", "ana", world.now)).await;
    let mut elsewhere = echo("p1", "ana", world.now);
    elsewhere.channel = zupa_core::ChannelId::parse("window").unwrap();
    world.hears(elsewhere).await;
    assert!(world.shown(talk.turn.conversation).await.hold.is_none());
    let held = world.desk.conversations(true, None, 10).await.unwrap();
    assert_eq!(held.len(), 1, "of another door it is nobody's id");
}

/// A word from before the hand-back takes the conversation from nobody, however late it
/// comes; a new one does.
pub async fn a_word_from_before_the_hand_back_takes_nothing(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let id = world.hear("ana", "hello").await;
    let first = world.now;
    world.pass(SECOND);
    world.hears(echo("e1", "ana", first)).await;
    world.pass(SECOND);
    world.hands_back(id).await;
    world.pass(SECOND);
    for at in [first, world.now.minus(SECOND)] {
        world.hears(echo("e1", "ana", at)).await;
        assert!(world.shown(id).await.hold.is_none());
    }
    world.hears(echo("e2", "ana", world.now)).await;
    assert_eq!(world.human_at(id).await, Some(world.now));
}

/// By phone, by the platform's id alone, and by a new number: one conversation, one turn at
/// a time, one hold.
pub async fn one_person_by_many_addresses_is_one_conversation(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let id = world.says(&["15550001", "CC.one"], "m1").await;
    let mut turn = world.claim(id).await;
    assert_eq!(world.says(&["CC.one"], "m2").await, id);
    world.pass(SECOND);
    world
        .hears(moved(&["15550002", "15550001", "CC.two"], world.now))
        .await;
    assert_eq!(world.says(&["15550002"], "m3").await, id);
    assert_eq!(world.says(&["CC.two"], "m4").await, id);
    let meanwhile = world.try_claim(id).await;
    assert!(!matches!(meanwhile, ClaimOutcome::Taken(_)));
    // The audit went on beside the run.
    turn.audit = world.head(id).await;
    world.answer(&turn, "hi").await;
    assert_eq!(texts(&world.claim(id).await), ["m2", "m3", "m4"]);
    assert_eq!(
        world.told(id).await,
        words(&[("person", "conversation.moved")])
    );
    world.hears(echo("e1", "15550001", world.now)).await;
    assert!(world.human_at(id).await.is_some());
    assert_eq!(world.desk.status().await.unwrap().conversations, 1);
}

/// Replies go to the address of the newest message, by the platform's time; a notice of
/// a move counts as one. What comes again, or late, changes nothing.
pub async fn replies_go_where_the_newest_message_came_from(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let began = world.now;
    let id = world.says(&["old", "CC.one"], "m1").await;
    assert_eq!(world.reached_at(id).await, "old");
    world.pass(10 * SECOND);
    world.says(&["CC.one"], "m2").await;
    assert_eq!(world.reached_at(id).await, "CC.one");
    world.hears(moved(&["new", "old"], world.now)).await;
    assert_eq!(world.reached_at(id).await, "new");
    let mut late = world.from(&["old"], "m3");
    late.inbound.platform_time = Some(began.plus(SECOND));
    world.accept_one(late).await;
    world.hears(moved(&["older", "old"], began)).await;
    world.accept_one(world.from(&["CC.one"], "m2")).await;
    assert_eq!(world.reached_at(id).await, "new");
    assert_eq!(world.says(&["older"], "m4").await, id, "known all the same");
    assert_eq!(world.reached_at(id).await, "older");

    let turn = world.claim(id).await;
    assert_eq!(turn.address, address("older"));
    world.say(&turn, &[("hi", QUEUED)]).await;
    assert_eq!(world.due_deliveries().await[0].to, address("older"));
}

/// Addresses that have led to two conversations go on to do so; the first one says where
/// a message goes, and the audit says once that there was a choice.
pub async fn a_conflict_of_addresses_merges_nothing(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let phone = world.says(&["15550001"], "m1").await;
    let other = world.says(&["CC.one"], "m2").await;
    assert_ne!(phone, other);
    let contested = words(&[("runtime", "conversation.contested")]);
    for id in ["m3", "m4"] {
        assert_eq!(world.says(&["15550001", "CC.one"], id).await, phone);
        assert_eq!(world.told(phone).await, contested);
    }
    assert_eq!(world.says(&["CC.one"], "m5").await, other);
    assert!(world.told(other).await.is_empty());
    let both = moved(&["15550001", "CC.one"], world.now);
    world.hears(both).await;
    assert_eq!(world.says(&["CC.one"], "m6").await, other);
    assert_eq!(world.told(phone).await, contested);
}

impl World<'_> {
    /// A reply and a proactive message that nobody has tried.
    pub(super) async fn two_kinds(&self, alias: &str) -> Talk {
        let conversation = self.hear(alias, "hello").await;
        let turn = self.claim(conversation).await;
        let mut commit = answered(&[("reply", QUEUED), ("by the way", QUEUED)]);
        commit.outbound[1].outbound.lane = Lane::Proactive;
        let numbers = self.committed(&turn, commit).await;
        let rows = numbers.into_iter().map(|number| Place {
            conversation,
            number,
        });
        Talk {
            rows: rows.collect(),
            turn,
        }
    }

    async fn tries(&self, talk: &Talk) -> [Attempted; 2] {
        [
            self.attempt(talk.rows[0], 1).await,
            self.attempt(talk.rows[1], 1).await,
        ]
    }
}

/// Who wants to hear nothing that they have not asked for is answered, and no more; a
/// later wish counts, an earlier one that comes late does not.
pub async fn what_nobody_wants_to_hear_is_cancelled(harness: &dyn Harness) {
    use Attempted::{Granted, Lost};
    let mut world = World::open(harness).await;
    let began = world.now;
    let talk = world.two_kinds("ana").await;
    let id = talk.turn.conversation;
    world.pass(10 * SECOND);
    world.hears(wish("ana", Wish::Nothing, world.now)).await;
    world.hears(wish("ana", Wish::Anything, began)).await;
    assert_eq!(world.shown(id).await.opted_out, Some(world.now));
    assert_eq!(world.tries(&talk).await, [Granted, Lost]);
    let view = world.delivery(&talk, 1).await;
    assert_eq!(view.state, DeliveryState::Cancelled);
    assert_eq!(view.reason.as_deref(), Some(Lane::OPTED_OUT));
    let bob = world.two_kinds("bob").await;
    assert_eq!(world.tries(&bob).await, [Granted, Granted]);

    let (mut world, _) = world.die().await;
    let talk = world.two_kinds("ana").await;
    world.hears(wish("cyd", Wish::Nothing, world.now)).await;
    world.pass(SECOND);
    for _ in 0..2 {
        world.hears(wish("ana", Wish::Anything, world.now)).await;
    }
    assert_eq!(world.tries(&talk).await, [Granted, Granted]);
    let wishes = [
        ("person", "conversation.opted_out"),
        ("person", "conversation.opted_in"),
    ];
    assert_eq!(world.told(id).await, words(&wishes));
    assert_eq!(world.shown(id).await.opted_out, None);
    // A wish before the first word is kept, too.
    let cyd = world.two_kinds("cyd").await;
    assert_eq!(world.tries(&cyd).await, [Granted, Lost]);
}
