//! What no door could read: kept to the bit for an operator, and apart from what people said.

use std::time::Duration;

use zupa_core::store::{Accept, Accepted, ClaimedTurn};
use zupa_core::{
    Address, Coming, Content, ConversationId, DeadLetterAct, DeadLetterActed, DeadLetterId,
    DeadLetterState, Inbound, RawPayload,
};

use super::Harness;
use super::dead_letters::done;
use super::world::path::{queued, texts};
use super::world::{World, address};

const DAY: Duration = Duration::from_secs(86_400);

impl World<'_> {
    /// What a door hands in that knows neither sender nor id.
    fn unread(&self, bytes: &[u8]) -> Accept {
        let Address {
            tenant, channel, ..
        } = address("nobody");
        let inbound = Inbound::undecodable(tenant, channel, bytes.to_vec()).unwrap();
        Accept {
            inbound,
            ..self.message("nobody", "x", "")
        }
    }

    /// One of those that is a dead letter.
    async fn unread_dies(&self, bytes: &[u8]) -> (ConversationId, DeadLetterId) {
        let (conversation, _) = queued(&self.accept_one(self.unread(bytes)).await);
        (conversation, self.unread_gives_up(conversation).await)
    }

    async fn unread_gives_up(&self, conversation: ConversationId) -> DeadLetterId {
        let turn = self.claim(conversation).await;
        self.give_up(&turn).await;
        DeadLetterId::Inbound(turn.inbounds[0].event)
    }

    async fn raw(&self, id: DeadLetterId) -> Option<RawPayload> {
        self.desk.dead_letter(id).await.unwrap().unwrap().raw
    }
}

/// It is one message however often it comes, and is kept to the bit as long as its letter
/// is, not as long as other payloads are.
pub async fn what_no_door_can_read_is_kept_to_the_bit(harness: &dyn Harness) {
    let mut world = World::open(harness).await;
    let bytes: Vec<u8> = (0..=255).chain([0, 0xff]).collect();
    let accepted = world.accept_one(world.unread(&bytes)).await;
    let (conversation, _) = queued(&accepted);
    let again = world.accept_one(world.unread(&bytes)).await;
    assert!(matches!(again, Accepted::Duplicate { .. }), "{again:?}");
    let other = world.accept_one(world.unread(b"{")).await;
    assert_eq!(queued(&other).0, conversation);
    for _ in 0..2 {
        world.unread_gives_up(conversation).await;
    }
    world.assert_balanced().await;

    world.pass(30 * DAY);
    world.store.purge(world.now, world.now, 100).await.unwrap();
    let (world, _) = world.die().await;
    let letters = world.dead_letters().await;
    assert_eq!(letters.len(), 2);
    let raws = [
        RawPayload::Bytes(hex(&bytes)),
        RawPayload::Text("{".to_owned()),
    ];
    for (letter, raw) in letters.iter().zip(raws) {
        assert_eq!(
            (letter.content.as_str(), letter.attempts),
            ("undecodable", 1)
        );
        assert_eq!(world.raw(letter.id).await, Some(raw));
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Each is taken alone, and what came with it is taken as it came: by nobody's fault in
/// two parts, and as something that no turn has had before.
pub async fn what_no_door_can_read_is_taken_alone(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let mut batch: Vec<_> = ["a", "b", "", "", "c", "d"]
        .into_iter()
        .enumerate()
        .map(|(place, text)| world.message("ana", &place.to_string(), text))
        .collect();
    for unread in &mut batch[2..4] {
        let payload = b"\xff".as_slice().into();
        unread.inbound.content = Content::Undecodable { payload };
    }
    let (conversation, _) = queued(world.accept(batch).await[0].as_ref().unwrap());
    let unread = "[unreadable: 1 bytes]";
    for expected in [["a", "b"].as_slice(), &[unread], &[unread], &["c", "d"]] {
        assert_eq!(world.due().await, [conversation]);
        let turn = world.claim(conversation).await;
        assert_eq!(texts(&turn), expected);
        assert!(all_are_new(&turn));
        world.answer(&turn, "ok").await;
        world.assert_balanced().await;
    }
    assert!(world.due().await.is_empty());
    let conversation = world.desk.conversation(conversation).await.unwrap();
    assert_eq!(conversation.unwrap().pending, 0);
}

fn all_are_new(turn: &ClaimedTurn) -> bool {
    let mut inbounds = turn.inbounds.iter();
    inbounds.all(|inbound| inbound.coming == Coming::New)
}

/// The bytes exist nowhere else, so no other words take their place. Trying it again as
/// it is takes nothing from them.
pub async fn what_no_door_can_read_is_not_edited(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let (conversation, id) = world.unread_dies(b"{").await;
    let edit = || DeadLetterAct::Edit {
        text: "hello".into(),
        confirmed: true,
    };
    let raw = Some(RawPayload::Text("{".to_owned()));
    for _ in 0..2 {
        assert_eq!(world.deal(id, edit()).await, DeadLetterActed::NotPossible);
        assert_eq!(world.stands(id).await, DeadLetterState::Pending);
        assert_eq!(world.raw(id).await, raw);
        assert!(done(&world.redrive(id).await));
        assert_eq!(world.unread_gives_up(conversation).await, id);
    }
    let discard = DeadLetterAct::Discard {
        reason: "noise".into(),
    };
    world.deal(id, discard).await;
    let already = DeadLetterActed::Already(DeadLetterState::Discarded);
    assert_eq!(world.deal(id, edit()).await, already);
}

/// With its letter the bytes are gone, and nothing but them: the message stays in its
/// place, and is known when it comes again. Words of people are not touched.
pub async fn what_no_door_can_read_goes_with_its_letter(harness: &dyn Harness) {
    let world = World::open(harness).await;
    let (_, unread) = world.unread_dies(b"\xff\0").await;
    let (_, said) = world.dies("ana", "a").await;
    let (_, kept) = world.unread_dies(b"{").await;
    for id in [unread, said] {
        let discard = DeadLetterAct::Discard {
            reason: "noise".into(),
        };
        assert!(done(&world.deal(id, discard).await));
        assert!(done(&world.deal(id, DeadLetterAct::Forget).await));
    }
    let lines = async |address: Address| {
        let lines = world.desk.lines(&address, Default::default(), 10).await;
        let lines = lines.unwrap().into_iter().map(|line| line.text);
        lines.collect::<Vec<_>>()
    };
    let expected = ["[unreadable: 0 bytes]", "[unreadable: 1 bytes]"];
    assert_eq!(lines(world.unread(b"").inbound.address).await, expected);
    assert_eq!(lines(address("ana")).await, ["a"]);
    let raw = Some(RawPayload::Text("{".to_owned()));
    assert_eq!(world.raw(kept).await, raw);
    let again = world.accept_one(world.unread(b"\xff\0")).await;
    assert!(matches!(again, Accepted::Duplicate { .. }), "{again:?}");
    world.assert_balanced().await;
}
