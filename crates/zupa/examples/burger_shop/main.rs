//! A burger shop: a menu, recommendations, loyalty points, and orders that the person
//! confirms and that the kitchen cooks once, since it knows their keys, however often the
//! process is killed.
//!
//! `cargo run -p zupa --example burger_shop -- --people 60 --kills 10 --seed 1`
//!
//! Without a network or a key: the model is a script. The agent runs in a process of
//! its own, which is killed again and again while people order; in the end the
//! kitchen's book is compared with what they read.

mod kitchen;
mod shop;
#[path = "../stage/mod.rs"]
mod stage;

use std::path::PathBuf;

use kitchen::Kitchen;
use stage::{Line, Outcome, Play, Read, flag, paid};

/// What everybody says, and what has to be in the answer.
const LINES: [Line; 6] = [
    ("what is on the menu?", "classic"),
    ("what do you recommend?", "double"),
    ("I want a double", "Shall I order"),
    ("yes please", "is on its way"),
    ("how many points do I have?", "You have 10 points"),
    ("thanks", "See you"),
];

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, serve, folder, people] = &arguments[..]
        && serve == "serve"
    {
        let folder = PathBuf::from(folder);
        let agent = shop::agent(Kitchen::at(&folder));
        let served = stage::serve(&folder, people.parse()?, agent, include_str!("script.toml"));
        return tokio::runtime::Runtime::new()?.block_on(served);
    }
    let folder = tempfile::tempdir()?;
    let play = Play {
        folder: folder.path(),
        people: usize::try_from(flag("--people", 60))?,
        lines: &LINES,
        kills: u32::try_from(flag("--kills", 10))?,
        seed: flag("--seed", 1),
    };
    let read = play.run()?;
    check(&read, &Kitchen::at(folder.path()), play.people)?;
    let paid = paid(folder.path())?;
    for line in &read["person0"] {
        println!("{line}");
    }
    println!(
        "\n{} orders of {} people, each placed once; {} kills",
        play.people, play.people, play.kills
    );
    println!("{paid}");
    Ok(())
}

/// Everybody has one burger, ten points, and has read each answer once.
fn check(read: &Read, kitchen: &Kitchen, people: usize) -> Outcome<()> {
    let orders = kitchen.orders()?;
    if orders.len() != people {
        return Err(format!("{people} people ordered, and the kitchen has {orders:?}").into());
    }
    for (who, lines) in read {
        for once in [
            "Shall I order",
            "The kitchen has it",
            "is on its way",
            "You have 10 points",
        ] {
            let times = lines.iter().filter(|line| line.contains(once)).count();
            if times != 1 {
                return Err(format!("{who} read {once:?} {times} times: {lines:#?}").into());
            }
        }
    }
    Ok(())
}
