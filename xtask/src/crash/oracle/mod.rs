//! The oracle: a process of its own that knows what was sent and what was
//! acknowledged, from its own synced log. It holds the sender and the fake
//! model, is never killed, and never looks into Zupa's database.
//!
//! The nemesis starts it from the same binary and talks to it in lines
//! (`wire`). When the nemesis goes away, so does the oracle.

mod again;
mod deliver;
mod door;
mod follow;
pub mod handle;
pub mod log;
mod model;
pub mod phones;
mod sender;
mod stream;
mod talk;
pub mod truth;

use std::io::{BufRead as _, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use self::log::Log;
use self::model::Model;
use self::phones::Phones;
use self::sender::Sender;
use super::options::Channel;
use super::script::Script;
use super::wire::{Order, Report};

/// What the oracle is started with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Brief {
    pub script: Script,
    pub log: PathBuf,
    /// Where the fake model listens.
    pub model: IpAddr,
}

/// Runs until standard input ends.
pub async fn run(brief: &str) -> anyhow::Result<()> {
    let brief: Brief = serde_json::from_str(brief).context("cannot read the brief")?;
    let log = Log::create(&brief.log)?;
    let (port, model) = Model::serve(brief.model, brief.script.clone(), log.clone()).await?;
    let phones = match brief.script.channel {
        Channel::WebChat => None,
        Channel::WhatsappCloud => Some(Phones::start(&brief.script, brief.model).await?),
    };
    let graph = phones.as_ref().map(Phones::graph_url);
    let sender = Sender::new(brief.script, log, model, phones);
    report(&Report::Listening { port, graph });

    let mut orders = orders();
    let mut look = interval(Duration::from_millis(10));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut finished = false;
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(order) => obey(&sender, order),
                None => {
                    sender.look_at_screens();
                    return sender.log.flush().await;
                }
            },
            _ = look.tick() => {
                sender.look_at_screens();
                if !finished && sender.finished() {
                    finished = true;
                    report(&Report::Finished);
                }
                if sender.all_told() && sender.followed.caught_up() {
                    report(&Report::CaughtUp);
                }
            }
        }
    }
}

fn obey(sender: &Arc<Sender>, order: Order) {
    match order {
        Order::Begin { doors } => sender.begin(doors),
        Order::Start { door, incarnation } => sender.start(door, incarnation),
        Order::Release { messages } => sender.release(messages),
        Order::Poison { index } => sender.poison(index),
        Order::Watch { number } => sender.watch(number),
        Order::Heal => sender.heal(),
        Order::Answer => sender.model.answers(),
        Order::CatchUp { numbers } => sender.followed.catch_up(numbers),
    }
}

/// A thread, because reading standard input cannot be cancelled.
fn orders() -> mpsc::UnboundedReceiver<Order> {
    let (sender, receiver) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            match serde_json::from_str(&line) {
                Ok(order) => drop(sender.send(order)),
                Err(error) => eprintln!("oracle: cannot read the order {line}: {error}"),
            }
        }
    });
    receiver
}

fn report(report: &Report) {
    let mut out = std::io::stdout().lock();
    let written = serde_json::to_writer(&mut out, report).map_err(std::io::Error::from);
    if written
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush())
        .is_err()
    {
        // Nobody listens any more.
        std::process::exit(1);
    }
}
