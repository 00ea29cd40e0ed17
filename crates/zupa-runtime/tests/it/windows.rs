//! A platform that lets nothing through a day after the person's last word.

use zupa_core::{
    Clock, Content, Deduplicates, DeliveryState, Desk, Outbound, ReplyWindow, WhenClosed,
};
use zupa_runtime::{Cx, Ending, Graph, Move, Stop, ends};

use crate::pacing::Nothing;
use crate::support::{DOOR, Setup, World, door, inbound, pass, secs};

const DAY: u64 = 86_400;

/// Answers with two texts; `long` with one that goes into no template; `news` with a template
/// of its own.
async fn talk(_: &Nothing, cx: &mut Cx) -> Result<Move<Nothing>, Stop> {
    let said = match cx.inbounds()[0].content.as_prompt_text().as_str() {
        "long" => vec![Outbound::reply("x".repeat(21))],
        "news" => vec![Outbound::of(Content::Template {
            name: "news".into(),
            language: "en".into(),
            parameters: Vec::new(),
            text: "soup".into(),
        })],
        other => vec![
            Outbound::reply(format!("{other}: 1")),
            Outbound::reply(format!("{other}: 2")),
        ],
    };
    Ok(Move::end(Ending::Answer(said)))
}

fn wait(days: u64) -> WhenClosed {
    WhenClosed::Wait {
        at_most: secs(days * DAY),
    }
}

async fn start(closed: WhenClosed) -> World {
    let window = ReplyWindow {
        open_for: secs(DAY),
        closed,
    };
    let setup = Setup::with(door(DOOR, Deduplicates::Never).with_window(window)).patient();
    let graph = Graph::builder("talkative")
        .node("talk", talk, [ends()])
        .build()
        .unwrap();
    setup.start_with(|builder| builder.graph(graph)).await
}

/// Somebody said it so long ago, and it comes in only now.
async fn said(world: &World, text: &str, seconds_ago: u64) {
    let mut late = inbound("ana", text, text);
    late.platform_time = Some(world.clock.wall().minus(secs(seconds_ago)));
    world.deliver(late).await.unwrap();
}

async fn states(world: &World, id: &str) -> Vec<(DeliveryState, Option<String>)> {
    let deliveries = world.view(id).await.deliveries;
    let states = deliveries.into_iter();
    states
        .map(|delivery| (delivery.state, delivery.reason))
        .collect()
}

async fn letters(world: &World) -> Vec<String> {
    let letters = world
        .memory
        .dead_letters(&Default::default(), None, 10)
        .await;
    letters
        .unwrap()
        .into_iter()
        .map(|letter| letter.class)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn inside_of_the_window_an_answer_leaves() {
    let world = start(WhenClosed::Review).await;
    said(&world, "hi", DAY - 1).await;
    pass(secs(1) / 2).await;
    assert_eq!(world.visible(), ["hi: 1", "hi: 2"]);
    assert!(world.door().calls().iter().all(|sent| !sent.as_template));
}

#[tokio::test(start_paused = true)]
async fn outside_of_it_an_operator_is_shown_what_was_to_be_said() {
    let world = start(WhenClosed::Review).await;
    said(&world, "hi", DAY).await;
    world.quiet().await;
    assert_eq!(world.door().calls().len(), 0);
    assert_eq!(letters(&world).await, ["window_closed"]);
    let states = states(&world, "hi").await;
    let closed = Some(ReplyWindow::REASON.to_owned());
    assert_eq!(states[0], (DeliveryState::Failed, closed));
    assert_eq!(states[1].0, DeliveryState::Cancelled, "a later part of it");
    let attempts = world.view("hi").await.deliveries[0].attempts;
    assert_eq!(attempts, 0, "it was never on the wire");
}

#[tokio::test(start_paused = true)]
async fn it_may_be_dropped() {
    let world = start(WhenClosed::Drop).await;
    said(&world, "hi", DAY).await;
    world.quiet().await;
    assert_eq!(world.door().calls().len(), 0);
    assert_eq!(letters(&world).await, [""; 0]);
    let closed = (
        DeliveryState::Cancelled,
        Some(ReplyWindow::REASON.to_owned()),
    );
    assert_eq!(states(&world, "hi").await, [closed.clone(), closed]);
}

#[tokio::test(start_paused = true)]
async fn it_may_wait_for_the_person() {
    let world = start(wait(30)).await;
    said(&world, "hi", DAY).await;
    pass(secs(2 * DAY)).await;
    assert_eq!(world.door().calls().len(), 0);
    assert_eq!(world.view("hi").await.deliveries[0].attempts, 0);
    said(&world, "back", 0).await;
    world.quiet().await;
    assert_eq!(world.visible(), ["hi: 1", "hi: 2", "back: 1", "back: 2"]);
}

#[tokio::test(start_paused = true)]
async fn an_operator_is_shown_what_has_waited_for_too_long() {
    let world = start(wait(2)).await;
    said(&world, "hi", DAY).await;
    pass(secs(2 * DAY - 10)).await;
    assert_eq!(letters(&world).await, [""; 0]);
    pass(secs(20)).await;
    assert_eq!(letters(&world).await, ["window_closed"]);
    assert_eq!(world.door().calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_template_does_not_wait_behind_a_text() {
    let world = start(wait(30)).await;
    said(&world, "hi", DAY).await;
    pass(secs(60)).await;
    said(&world, "news", DAY).await;
    pass(secs(60)).await;
    assert_eq!(world.visible(), ["soup"]);
    said(&world, "back", 0).await;
    world.quiet().await;
    let said = ["soup", "hi: 1", "hi: 2", "back: 1", "back: 2"];
    assert_eq!(world.visible(), said);
}

#[tokio::test(start_paused = true)]
async fn it_may_go_into_a_template_if_it_fits() {
    let world = start(WhenClosed::Template { chars: 20 }).await;
    said(&world, "hi", DAY).await;
    said(&world, "long", DAY).await;
    world.quiet().await;
    assert_eq!(world.visible(), ["hi: 1", "hi: 2"]);
    assert!(world.door().calls().iter().all(|sent| sent.as_template));
    assert_eq!(letters(&world).await, ["window_closed"]);
}

#[tokio::test(start_paused = true)]
async fn templates_leave_at_any_time() {
    let world = start(WhenClosed::Review).await;
    said(&world, "news", DAY).await;
    world.quiet().await;
    let calls = world.door().calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(
        (calls[0].content.kind(), calls[0].as_template),
        ("template", false)
    );
}
