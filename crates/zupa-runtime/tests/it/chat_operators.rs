//! Reviews decided by chat: by whoever writes from an alias that is bound to an operator,
//! and by nobody else.

use std::sync::Arc;

use zupa_core::review::{self, CLAIM_TIME};
use zupa_core::{
    Address, Alias, ChannelId, Clock, Deduplicates, Desk, Digest, ErrorKind, Hold, TenantId, Wait,
    WaitState,
};
use zupa_testkit::{Call, Fault, FaultyStore};

use crate::support::{Act, Setup, Shop, World, conversation_of, door, inbound, life, pass, secs};

const BEA: &str = "+5511999990000";
const ORDER: Act = Act::Call(&[("order", r#"{"item":"soup"}"#)]);
const RESERVE: Act = Act::Call(&[("reserve", r#"{"item":"soup"}"#)]);
const REFUSED: &str = "That is not for everybody.";
const UNKNOWN: &str = "There is no such review.";

fn address_of(who: &str) -> Address {
    inbound(who, "any", "any").address
}

/// A shop whose orders operators approve, and bea, who is one, and is no administrator.
fn setup(shop: &Shop) -> Setup {
    let mut setup = Setup::web();
    setup.agent = setup
        .agent
        .tool(shop.approved_order())
        .operator_at("bea", address_of(BEA))
        .admin_at(address_of("boss"));
    setup.model.always("please order", ORDER);
    setup.model.always("soup\"}", Act::Say("ordered"));
    setup.model.always("rejected", Act::Say("sorry"));
    setup
}

async fn start(setup: &Setup) -> World {
    let desk = Arc::new(setup.memory.clone());
    setup.start_with(|builder| builder.desk(desk)).await
}

/// Ana's order, which waits for an operator.
async fn asked(world: &World) -> Wait {
    world.say("ana", "please order").await;
    world.quiet().await;
    open(world).await.remove(0)
}

async fn open(world: &World) -> Vec<Wait> {
    world.memory.waits(Some(WaitState::Open), 10).await.unwrap()
}

/// What somebody hears who says this.
async fn told(world: &World, who: &str, text: &str) -> String {
    let before = world.replies(who).await.len();
    world.say(who, text).await;
    world.quiet().await;
    let mut replies = world.replies(who).await.split_off(before);
    assert_eq!(replies.len(), 1, "{replies:?}");
    replies.remove(0)
}

/// What the audit of ana's conversation says of decisions.
async fn decisions(world: &World) -> Vec<String> {
    let id = conversation_of(world, "ana").await;
    let chain = world.memory.audit(id).await.unwrap();
    let ours = chain
        .iter()
        .filter(|link| link.entry.action.starts_with("review."));
    ours.map(|link| {
        let entry = &link.entry;
        format!("{} {}: {}", entry.actor, entry.action, entry.reason)
    })
    .collect()
}

#[tokio::test(start_paused = true)]
async fn an_operator_approves_by_chat_and_the_paused_call_is_made_once() {
    let shop = Shop::default();
    let world = start(&setup(&shop)).await;
    let id = asked(&world).await.opened.id;
    let said = told(&world, BEA, &format!("/approve {id} only this once")).await;
    assert_eq!(said, format!("Approved: review {id}."));
    pass(secs(3)).await;
    world.quiet().await;
    assert_eq!(shop.done(), ["order soup"]);
    assert_eq!(world.replies("ana").await.last().unwrap(), "ordered");

    let decision = world
        .memory
        .wait(id)
        .await
        .unwrap()
        .unwrap()
        .decision
        .unwrap();
    assert_eq!((decision.by.as_str(), decision.approved), ("bea", true));
    assert_eq!(decision.note, "only this once");
    let audited = format!("operator review.approved: order, review {id}, by bea");
    assert_eq!(decisions(&world).await, std::slice::from_ref(&audited));

    for again in ["/approve", "/reject", "/approve  "] {
        let said = told(&world, BEA, &format!("{again} {id}")).await;
        let before = format!("Nothing changes: bea has approved review {id} before.");
        assert_eq!(said, before);
    }
    pass(secs(3)).await;
    assert_eq!(shop.done(), ["order soup"]);
    assert_eq!(decisions(&world).await, [audited]);
}

#[tokio::test(start_paused = true)]
async fn an_operator_rejects_by_chat_and_the_call_is_not_made() {
    let shop = Shop::default();
    let world = start(&setup(&shop)).await;
    let id = asked(&world).await.opened.id;
    assert_eq!(
        told(&world, BEA, &format!("/reject {id}")).await,
        format!("Rejected: review {id}.")
    );
    pass(secs(3)).await;
    world.quiet().await;
    assert!(shop.done().is_empty());
    assert_eq!(world.replies("ana").await.last().unwrap(), "sorry");
}

#[tokio::test(start_paused = true)]
async fn whoever_is_no_operator_hears_the_same_of_every_id() {
    let shop = Shop::default();
    let world = start(&setup(&shop)).await;
    let id = asked(&world).await.opened.id;
    let nobody = "00000000-0000-0000-0000-000000000001";
    for who in ["ana", "boss", "eve"] {
        for text in [
            format!("/approve {id}"),
            format!("/reject {id} no"),
            format!("/approve {nobody}"),
            format!("/approve x {who}"),
        ] {
            let of_them = format!("{text} {who}");
            assert_eq!(told(&world, who, &of_them).await, REFUSED, "{of_them}");
        }
    }
    assert_eq!(open(&world).await.len(), 1);
    assert!(decisions(&world).await.is_empty());
    for wrong in [
        format!("/approve {nobody}"),
        "/approve x".into(),
        format!("/approve {}", &id.to_string()[..8]),
    ] {
        assert_eq!(told(&world, BEA, &wrong).await, UNKNOWN, "{wrong}");
    }
    let misused = told(&world, BEA, "/approve").await;
    assert_eq!(
        misused,
        "I do not understand /approve. /help lists what I know."
    );
    let long = format!("/approve {id} {}", "x".repeat(2_001));
    world.deliver(inbound(BEA, "long", &long)).await.unwrap();
    world.quiet().await;
    let said = world.replies(BEA).await.pop().unwrap();
    assert_eq!(
        said,
        "Nothing was decided: a note has at most 2000 characters."
    );
    assert_eq!(open(&world).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn where_nobody_is_an_operator_these_are_texts_like_any_other() {
    let world = Setup::web().start().await;
    assert_eq!(told(&world, "ana", "/approve x").await, "re: /approve x");
    assert!(!told(&world, "ana", "/help").await.contains("/approve"));
}

/// What the group hears when this person says it there; nobody knows who that is
/// without a name.
async fn told_in_group(world: &World, speaker: Option<&str>, text: &str) -> String {
    let group = "123@g.us";
    let mut message = inbound(group, &format!("{speaker:?} {text}"), text);
    message.speaker = speaker.map(|who| Alias::parse(who).unwrap());
    world.deliver(message).await.unwrap();
    world.quiet().await;
    world.replies(group).await.pop().unwrap()
}

#[tokio::test(start_paused = true)]
async fn in_a_group_the_speaker_decides_and_not_the_group() {
    let shop = Shop::default();
    let mut setup = setup(&shop);
    setup.agent = setup
        .agent
        .operator_at("everybody", address_of("123@g.us"))
        .command_for_admins("reset");
    let world = start(&setup).await;
    let id = asked(&world).await.opened.id;
    let approve = format!("/approve {id}");
    for speaker in [Some("ana"), None, Some("boss")] {
        assert_eq!(told_in_group(&world, speaker, &approve).await, REFUSED);
    }
    assert_eq!(open(&world).await.len(), 1);
    for speaker in [Some("ana"), None] {
        assert_eq!(told_in_group(&world, speaker, "/reset").await, REFUSED);
    }
    assert_eq!(
        told_in_group(&world, Some("boss"), "/reset").await,
        "We start anew."
    );
    let said = told_in_group(&world, Some(BEA), &approve).await;
    assert_eq!(said, format!("Approved: review {id}."));
}

#[tokio::test(start_paused = true)]
async fn a_review_of_another_tenant_is_not_there() {
    let shop = Shop::default();
    let mut setup = setup(&shop);
    let other = Address {
        tenant: TenantId::parse("another").unwrap(),
        ..address_of("carl")
    };
    setup.agent = setup.agent.operator_at("carl", other.clone());
    let another_door = door("another", Deduplicates::ByKey).at_commit();
    setup.doors.push(Arc::new(another_door));
    let world = start(&setup).await;
    let id = asked(&world).await.opened.id;
    let mut message = inbound("carl", "theirs", &format!("/approve {id}"));
    message.address = other.clone();
    world.deliver(message).await.unwrap();
    world.quiet().await;
    let lines = world.memory.lines(&other, zupa_core::Number(0), 10).await;
    assert_eq!(lines.unwrap().pop().unwrap().text, UNKNOWN);
    assert_eq!(open(&world).await.len(), 1);

    // The same alias at another door is somebody else.
    let mut message = inbound(BEA, "elsewhere", &format!("/approve {id}"));
    message.address.channel = ChannelId::parse("another").unwrap();
    let there = message.address.clone();
    world.deliver(message).await.unwrap();
    world.quiet().await;
    let lines = world.memory.lines(&there, zupa_core::Number(0), 10).await;
    assert_eq!(lines.unwrap().pop().unwrap().text, REFUSED);
}

#[tokio::test(start_paused = true)]
async fn what_another_operator_has_claimed_is_not_decided_by_chat() {
    let shop = Shop::default();
    let world = start(&setup(&shop)).await;
    let id = asked(&world).await.opened.id;
    let (at, desk) = (world.clock.wall(), &world.memory);
    let claimed = review::claim(desk, id, Some("carl"), at, Digest::default()).await;
    claimed.unwrap();
    let said = told(&world, BEA, &format!("/approve {id}")).await;
    let until = at.plus(CLAIM_TIME);
    assert_eq!(
        said,
        format!("Nothing changes: carl has claimed review {id} until {until}.")
    );
    assert_eq!(open(&world).await.len(), 1);
    pass(CLAIM_TIME).await;
    let said = told(&world, BEA, &format!("/approve  {id}")).await;
    assert_eq!(said, format!("Approved: review {id}."));
}

#[tokio::test(start_paused = true)]
async fn who_approves_a_takeover_by_chat_has_the_conversation() {
    let world = start(&setup(&Shop::default())).await;
    world.say("ana", "/human").await;
    world.quiet().await;
    let id = open(&world).await.remove(0).opened.id;
    world.say(BEA, &format!("/approve {id}")).await;
    pass(secs(5)).await;
    assert_eq!(
        world.replies(BEA).await,
        [format!("Approved: review {id}.")]
    );
    let ana = conversation_of(&world, "ana").await;
    let view = world.memory.conversation(ana).await.unwrap().unwrap();
    let hold: Hold = view.hold.unwrap();
    assert_eq!(hold.by, "bea");
}

/// The process dies at each of its writes around the command, which runs again.
#[test]
fn a_command_that_runs_again_decides_once() {
    let (mut crashes, mut heard_before) = (0, 0);
    for nth in 1..12 {
        for fault in [Fault::CrashBefore, Fault::CrashAfter] {
            let shop = Shop::default();
            let mut setup = setup(&shop);
            setup.agent = setup.agent.tool(shop.approved_reserve());
            setup.model.on("please order", [RESERVE]);
            let store = Arc::new(FaultyStore::new(Arc::new(setup.memory.clone())));
            let desk = || Arc::new(setup.memory.clone());
            let (id, crashed) = life(async {
                let desk = desk();
                let world = setup
                    .start_over_with(store.clone(), |builder| builder.desk(desk))
                    .await;
                let id = asked(&world).await.opened.id;
                store.at_call_of(Call::Write, nth, fault.clone());
                let approve = inbound(BEA, "decide", &format!("/approve {id}"));
                let delivering = world.deliver(approve);
                let _ = tokio::time::timeout(secs(5), delivering).await;
                pass(secs(20)).await;
                let crashed = tokio::time::timeout(secs(0), store.crashed()).await;
                (id, crashed.is_ok())
            });
            crashes += usize::from(crashed);
            heard_before += life(async {
                let world = start(&setup).await;
                let approve = inbound(BEA, "decide", &format!("/approve {id}"));
                world.deliver(approve).await.unwrap();
                pass(secs(30)).await;
                world.quiet().await;
                let said = world.replies(BEA).await;
                let [said] = &said[..] else {
                    panic!("one answer at write {nth}: {said:?}");
                };
                let now = format!("Approved: review {id}.");
                let before = format!("Nothing changes: bea has approved review {id} before.");
                assert!(*said == now || *said == before, "{said}");
                assert_eq!(decisions(&world).await.len(), 1, "at write {nth}");
                assert_eq!(shop.done(), ["reserve soup"], "at write {nth}");
                usize::from(*said == before)
            });
        }
    }
    assert!(crashes > 10, "{crashes} crashes");
    assert!(heard_before > 0, "a decision outlives the crash behind it");
}

#[tokio::test(start_paused = true)]
async fn built_in_commands_are_taken_away_or_kept_for_administrators() {
    let mut setup = setup(&Shop::default());
    setup.agent = setup
        .agent
        .without_command("reset")
        .without_command("reject")
        .command_for_admins("human");
    let world = start(&setup).await;
    assert_eq!(told(&world, "ana", "/reset").await, "re: /reset");
    assert_eq!(told(&world, BEA, "/reject x").await, "re: /reject x");
    assert_eq!(told(&world, "ana", "/human").await, REFUSED);
    let lists = |text: String| -> Vec<String> {
        let names = text
            .lines()
            .skip(1)
            .filter_map(|line| line.split([' ', ':']).next());
        names.map(str::to_owned).collect()
    };
    assert_eq!(lists(told(&world, "ana", "/help").await), ["/help"]);
    assert_eq!(
        lists(told(&world, "boss", "/help ").await),
        ["/help", "/human"]
    );
    assert_eq!(
        lists(told(&world, BEA, "/help  ").await),
        ["/help", "/approve"]
    );
    assert_eq!(
        told(&world, "boss", "/human ").await,
        "I have asked a colleague to take over."
    );
}

#[tokio::test(start_paused = true)]
async fn an_agent_whose_commands_make_no_sense_does_not_start() {
    let of = |change: fn(zupa_runtime::Agent) -> zupa_runtime::Agent| {
        let mut setup = Setup::web();
        setup.agent = change(setup.agent);
        setup
    };
    for (setup, why) in [
        (of(|agent| agent.without_command("restet")), "restet"),
        (of(|agent| agent.command_for_admins("approve")), "approve"),
        (
            of(|agent| agent.operator_at("bea", address_of(BEA))),
            "Builder::desk",
        ),
        (
            of(|agent| agent.operator_at("person", address_of(BEA))),
            "an operator",
        ),
    ] {
        let store = FaultyStore::new(Arc::new(setup.memory.clone()));
        let error = setup.try_start(Arc::new(store)).await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(why), "{error}");
        assert!(!error.to_string().contains(BEA), "{error}");
    }
}
