//! Hints between processes: work for whoever is free, news for whoever reads.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc};
use zupa_core::{Deduplicates, Hint, Nudge, Wakeup};

use crate::support::{DOOR, Setup, awake, inbound, pass, phones, secs};

/// Hints from elsewhere, and those for elsewhere.
#[derive(Debug)]
struct Wire {
    told: mpsc::UnboundedSender<Nudge>,
    heard: Mutex<mpsc::UnboundedReceiver<Nudge>>,
}

#[async_trait]
impl Wakeup for Wire {
    fn wake(&self, nudge: Nudge) {
        let _ = self.told.send(nudge);
    }

    async fn woken(&self) -> Nudge {
        match self.heard.lock().await.recv().await {
            Some(nudge) => nudge,
            None => std::future::pending().await,
        }
    }
}

/// A wakeup, what it was told, and where others speak.
fn wire() -> (
    Arc<Wire>,
    mpsc::UnboundedReceiver<Nudge>,
    mpsc::UnboundedSender<Nudge>,
) {
    let (told, out) = mpsc::unbounded_channel();
    let (elsewhere, heard) = mpsc::unbounded_channel();
    let heard = Mutex::new(heard);
    (Arc::new(Wire { told, heard }), out, elsewhere)
}

fn drained(out: &mut mpsc::UnboundedReceiver<Nudge>) -> Vec<Nudge> {
    std::iter::from_fn(|| out.try_recv().ok()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_message_and_its_answer_are_news_for_readers_elsewhere() {
    let (wire, mut out, _elsewhere) = wire();
    let mut setup = Setup::web().replicated();
    setup.wakeup = Some(wire);
    let world = awake(setup.start().await).await;
    world.say("ana", "hello").await;
    world.quiet().await;
    let news = drained(&mut out);
    assert_eq!(news.len(), 2, "{news:?}");
    for nudge in &news {
        let Nudge::News(address) = nudge else {
            panic!("it was claimed at once, so nobody need look: {nudge:?}");
        };
        assert_eq!(
            (address.channel.as_str(), address.alias.as_str()),
            (DOOR, "ana")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_nobody_took_at_once_wakes_those_elsewhere() {
    let (wire, mut out, _elsewhere) = wire();
    let mut setup = phones(Deduplicates::Never);
    setup.agent.burst.silence = secs(1);
    setup.wakeup = Some(wire);
    let world = awake(setup.start().await).await;
    world.say("ana", "hello").await;
    let conversation = world.view("hello").await.conversation;
    assert_eq!(drained(&mut out), [Nudge::Due(conversation)]);
}

#[tokio::test(start_paused = true)]
async fn news_from_elsewhere_makes_readers_look_and_work_is_begun() {
    let (wire, _out, elsewhere) = wire();
    let mut setup = Setup::web().replicated();
    setup.wakeup = Some(wire);
    let world = awake(setup.start().await).await;
    let address = inbound("ana", "x", "x").address;
    elsewhere.send(Nudge::News(address.clone())).unwrap();
    pass(Duration::from_millis(1)).await;
    let hints = setup.door().hints();
    assert!(matches!(&hints[..], [(to, Hint::Look)] if *to == address));
    drop(world);
}
