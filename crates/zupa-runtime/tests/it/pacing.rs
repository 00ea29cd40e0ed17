//! A platform with limits: nothing is sent faster than it allows, whatever dies, and who has
//! asked waits for nobody who has not.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use zupa_core::{
    ChannelId, Clock, Deduplicates, DeliveryState, ErrorKind, Outbound, Outcome, Pace, PairPace,
    Timestamp,
};
use zupa_runtime::{Cx, Drained, Ending, Graph, Move, QuietHours, State, Stop, ends};
use zupa_testkit::{Answer, Call, Fault};

use crate::support::{DOOR, Setup, World, door, error, inbound, life, pass, secs};

const PER_SECOND: u32 = 20;
const PAIR: PairPace = PairPace {
    every: Duration::from_secs(6),
    burst: 5,
    slack: Duration::from_secs(1),
};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Nothing;

impl State for Nothing {
    type Update = ();
    type Kept = ();
    fn apply(&mut self, (): ()) {}
    fn kept(&self) -> &() {
        &()
    }
    fn attach(&mut self, (): ()) {}
}

/// Answers `ana: 3 reply` with three messages, and `ana: 3 news` with three of which nobody
/// has asked for.
async fn talk(_: &Nothing, cx: &mut Cx) -> Result<Move<Nothing>, Stop> {
    let asked = cx.inbounds()[0].content.as_prompt_text();
    let (who, wanted) = asked.split_once(": ").unwrap();
    let (count, lane) = wanted.split_once(' ').unwrap();
    let say = |text: String| match lane {
        "reply" => Outbound::reply(text),
        _ => Outbound::proactive(text),
    };
    let said = (1..=count.parse().unwrap()).map(|number: u32| say(format!("{who}: {number}")));
    Ok(Move::end(Ending::Answer(said.collect())))
}

fn platform() -> Setup {
    Setup::with(door(DOOR, Deduplicates::ByKey).with_pace(pace()))
}

fn pace() -> Pace {
    Pace {
        pair: Some(PAIR),
        ..Pace::per_second(PER_SECOND)
    }
}

fn talkative() -> Graph<Nothing> {
    let graph = Graph::builder("talkative").node("talk", talk, [ends()]);
    graph.build().unwrap()
}

async fn start(setup: &Setup) -> World {
    setup.start_with(|builder| builder.graph(talkative())).await
}

/// What reached the platform since the first `before` calls, and when by the wall.
fn arrived(world: &World, before: usize) -> Vec<(Timestamp, String)> {
    let (now, wall) = (Instant::now(), world.clock.wall());
    let at = world.door().called_at();
    let said = world.door().calls();
    let said = said.iter().map(|sent| sent.content.as_prompt_text());
    let at = at.into_iter().map(|at| wall.minus(now - at));
    at.zip(said).skip(before).collect()
}

/// Meta's words: so many messages in any second; and to one person a burst within 6 s, after
/// which there is nothing for as long as the messages would have taken one by one.
fn assert_within_limits(arrived: &[(Timestamp, String)]) {
    let mut second = VecDeque::new();
    let mut bursts: HashMap<&str, (Timestamp, u32)> = HashMap::new();
    for (at, said) in arrived {
        second.push_back(*at);
        while second[0].plus(secs(1)) <= *at {
            second.pop_front();
        }
        assert!(second.len() <= PER_SECOND as usize, "{at:?}");

        let who = said.split_once(':').unwrap().0;
        let (from, count) = bursts.get(who).copied().unwrap_or((*at, 0));
        let burst = if *at >= from.plus(PAIR.every * count) {
            (*at, 1)
        } else {
            let in_burst = *at < from.plus(PAIR.every) && count < PAIR.burst;
            assert!(in_burst, "{said} came too early, at {at:?}");
            (from, count + 1)
        };
        bursts.insert(who, burst);
    }
}

#[test]
fn no_send_breaks_a_limit_and_no_death_makes_room() {
    let setup = platform();
    let people: Vec<_> = (0..30).map(|number| format!("p{number}")).collect();
    let mut seen = Vec::new();
    for killed_after in [Some(900), Some(1_700), Some(14_000), None] {
        life(async {
            let world = start(&setup).await;
            if seen.is_empty() {
                for who in &people {
                    world.say(who, &format!("{who}: 7 reply")).await;
                }
            }
            match killed_after {
                Some(millis) => pass(Duration::from_millis(millis)).await,
                None => world.quiet().await,
            }
            seen.extend(arrived(&world, seen.len()));
        });
    }
    assert_within_limits(&seen);
    let visible = setup.visible();
    assert_eq!(visible.len(), 7 * people.len());
    for who in &people {
        let mut said = visible
            .iter()
            .filter(|said| said.starts_with(&format!("{who}:")));
        for number in 1..=7 {
            assert_eq!(
                *said.next().unwrap(),
                format!("{who}: {number}"),
                "in order"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_time_is_left_alone_until_then() {
    let world = start(&platform()).await;
    world.say("ana", "ana: 7 reply").await;
    pass(secs(2)).await;
    assert_eq!(world.visible().len(), 5);
    let writes = world.store.calls_of(Call::Write);
    pass(secs(28)).await;
    assert_eq!(
        world.visible().len(),
        5,
        "a burst of 5 is 30 s, and 1 s for the way"
    );
    assert_eq!(world.store.calls_of(Call::Write), writes);
    let view = world.view("ana: 7 reply").await;
    assert_eq!(view.deliveries[5].attempts, 0);
    pass(secs(3)).await;
    assert_eq!(world.visible().len(), 7);
    assert_within_limits(&arrived(&world, 0));
}

#[tokio::test(start_paused = true)]
async fn a_reply_overtakes_a_campaign() {
    let world = start(&platform()).await;
    // More than one look lists.
    for number in 0..400 {
        let who = format!("p{number}");
        world.say(&who, &format!("{who}: 1 news")).await;
    }
    pass(secs(5)).await;
    let before = world.visible().len();
    assert!((80..120).contains(&before), "{before}");
    let asked = Instant::now();
    world.say("zoe", "zoe: 2 reply").await;
    world.door().called(before + 3).await;
    assert!(
        asked.elapsed() < Duration::from_millis(500),
        "{:?}",
        asked.elapsed()
    );
    let since: Vec<_> = world.visible().split_off(before);
    let at = since.iter().position(|said| said == "zoe: 1").unwrap();
    assert!(at <= 1, "{since:?}");
    world.quiet().await;
    assert_eq!(world.visible().len(), 402);
    assert_within_limits(&arrived(&world, 0));
}

#[tokio::test(start_paused = true)]
async fn a_campaign_of_one_number_hides_nobody_who_writes_to_another() {
    let mut setup = platform();
    let other = Arc::new(door("other", Deduplicates::ByKey).with_pace(pace()));
    setup.doors.push(other.clone());
    let world = start(&setup).await;
    // More than several looks list.
    for number in 0..1_000 {
        let who = format!("p{number}");
        world.say(&who, &format!("{who}: 1 news")).await;
    }
    pass(secs(5)).await;
    let asked = Instant::now();
    let mut zoe = inbound("zoe", "z1", "zoe: 1 news");
    zoe.address.channel = ChannelId::parse("other").unwrap();
    world.deliver(zoe).await.unwrap();
    other.called(1).await;
    assert!(asked.elapsed() < secs(2), "{:?}", asked.elapsed());
    world.quiet().await;
    assert_eq!(world.door().calls().len(), 1_000);
    assert_within_limits(&arrived(&world, 0));
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_is_away_spends_no_attempt_and_no_place() {
    let world = start(&platform()).await;
    world.door().set_open(false);
    for number in 0..300 {
        let who = format!("p{number}");
        world.say(&who, &format!("{who}: 1 reply")).await;
    }
    // Far longer than all attempts would take.
    pass(secs(60 * 60)).await;
    assert!(world.door().calls().is_empty());
    world.door().set_open(true);
    // In the middle, with a line in front of it.
    world.door().called(100).await;
    world.door().set_open(false);
    pass(secs(60 * 60)).await;
    let before = world.door().calls().len();
    assert!(before <= 101, "{before}");
    world.door().set_open(true);
    world.quiet().await;
    let calls = world.door().calls();
    assert_eq!(calls.len(), 300);
    assert!(calls.iter().all(|call| call.attempt == 1));
    assert_within_limits(&arrived(&world, 0));
}

#[tokio::test(start_paused = true)]
async fn a_door_without_a_pace_that_is_away_spends_the_attempt_of_the_commit_alone() {
    let setup = Setup::phone(Deduplicates::Never);
    let world = start(&setup).await;
    world.door().set_open(false);
    world.say("ana", "ana: 2 reply").await;
    pass(secs(60 * 60)).await;
    assert!(world.door().calls().is_empty());
    world.door().set_open(true);
    world.quiet().await;
    let attempts: Vec<_> = world
        .door()
        .calls()
        .iter()
        .map(|call| call.attempt)
        .collect();
    assert_eq!(attempts, [2, 1]);
}

#[tokio::test(start_paused = true)]
async fn at_night_replies_leave_and_nothing_else() {
    let setup = platform();
    let morning = Arc::new(OnceLock::<Timestamp>::new());
    let until = morning.clone();
    let night = QuietHours::new(move |now| until.get().is_none_or(|morning| now < *morning));
    let channel = ChannelId::parse(DOOR).unwrap();
    let world = setup
        .start_with(|builder| builder.graph(talkative()).quiet_hours(channel, night))
        .await;
    world.say("ana", "ana: 1 news").await;
    world.say("bia", "bia: 1 reply").await;
    pass(secs(60 * 60)).await;
    assert_eq!(world.visible(), ["bia: 1"]);
    let view = world.view("ana: 1 news").await;
    assert_eq!(view.deliveries[0].attempts, 0);
    morning.set(world.clock.wall()).unwrap();
    world.quiet().await;
    assert_eq!(world.visible(), ["bia: 1", "ana: 1"]);
}

#[tokio::test(start_paused = true)]
async fn what_stands_in_line_when_night_falls_stays() {
    let setup = platform();
    let is_night = Arc::new(AtomicBool::new(false));
    let falls = is_night.clone();
    let night = QuietHours::new(move |_| falls.load(Ordering::SeqCst));
    let channel = ChannelId::parse(DOOR).unwrap();
    let world = setup
        .start_with(|builder| builder.graph(talkative()).quiet_hours(channel, night))
        .await;
    for number in 0..100 {
        let who = format!("p{number}");
        world.say(&who, &format!("{who}: 1 news")).await;
    }
    world.door().called(10).await;
    is_night.store(true, Ordering::SeqCst);
    pass(secs(60)).await;
    let left = world.visible().len();
    assert!(left <= 11, "{left}");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ends_waits_for_no_line_and_leaves_no_doubt() {
    let setup = platform();
    let mut world = start(&setup).await;
    for number in 0..400 {
        let who = format!("p{number}");
        world.say(&who, &format!("{who}: 1 news")).await;
    }
    world.door().called(10).await;
    world.say("zoe", "zoe: 1 reply").await;
    let began = Instant::now();
    assert_eq!(world.shutdown(secs(10)).await.unwrap(), Drained::Whole);
    assert!(began.elapsed() < secs(3), "{:?}", began.elapsed());
    let visible = world.visible();
    assert!(
        visible.contains(&"zoe: 1".to_owned()),
        "who has asked is answered"
    );
    assert!(visible.len() < 20, "{}", visible.len());
    drop(world);

    let world = start(&setup).await;
    let in_doubt = world.accounting().await.deliveries;
    assert_eq!(in_doubt.get(DeliveryState::InDoubt.as_str()), None);
    world.quiet().await;
    assert_eq!(world.visible().len(), 401);
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_takes_no_place_of_the_hour() {
    let hourly = Pace {
        per_hour: Some(6),
        ..Pace::per_second(PER_SECOND)
    };
    let setup = Setup::with(door(DOOR, Deduplicates::ByKey).with_pace(hourly));
    let refused = error(ErrorKind::Invalid).with_outcome(Outcome::NotApplied);
    setup.door().answer(vec![Answer::Fail(refused); 20]);
    let world = start(&setup).await;
    for number in 0..23 {
        let who = format!("p{number}");
        world.say(&who, &format!("{who}: 1 news")).await;
    }
    pass(secs(60)).await;
    assert_eq!(world.door().calls().len(), 23);
    assert_eq!(world.visible().len(), 3, "half of an hour is kept");
    world.say("ana", "ana: 1 news").await;
    world.say("bia", "bia: 1 reply").await;
    pass(secs(60)).await;
    assert_eq!(world.visible().len(), 4);
    assert_eq!(world.visible()[3], "bia: 1");
    pass(secs(60 * 60)).await;
    assert_eq!(world.visible().len(), 5);
}

/// A world in which a message has left, and the disk is full since.
async fn full_disk() -> World {
    let setup = Setup::phone(Deduplicates::Never);
    setup
        .door()
        .answer([Answer::After(secs(1), Box::new(Answer::Ok))]);
    let world = start(&setup).await;
    world.say("ana", "ana: 1 reply").await;
    world.door().called(1).await;
    let full = Fault::Fail(error(ErrorKind::Full));
    world.store.always(Call::Write, full);
    world
}

#[tokio::test(start_paused = true)]
async fn what_a_door_has_answered_is_kept_until_a_disk_has_room() {
    let world = full_disk().await;
    pass(secs(20)).await;
    world.store.heal();
    world.quiet().await;
    let view = world.view("ana: 1 reply").await;
    assert_eq!(view.deliveries[0].state, DeliveryState::Sent);
    assert_eq!(world.door().calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_disk_without_room_is_asked_no_faster_than_it_may_have_some() {
    let world = full_disk().await;
    // Longer than evidence is waited for.
    pass(secs(1_000)).await;
    let before = world.store.calls_of(Call::Write);
    pass(secs(100)).await;
    let asked = world.store.calls_of(Call::Write) - before;
    assert!(asked < 300, "{asked}");
}
