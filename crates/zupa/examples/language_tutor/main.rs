//! A language tutor: it corrects sentences on typed cards, keeps each learner's
//! vocabulary, and sets a reminder that really arrives, also when the process was killed
//! meanwhile.
//!
//! `cargo run -p zupa --example language_tutor -- --people 15 --kills 10 --seed 1`
//!
//! Without a network or a key: the model is a script.

#[path = "../stage/mod.rs"]
mod stage;
mod tutor;

use std::path::PathBuf;

use stage::{Line, Outcome, Play, Read, flag, paid};

/// What everybody says, and what has to be in the answer.
const LINES: [Line; 5] = [
    ("I has a dog", "I have a dog"),
    ("new word: cachorro = dog", "1 word"),
    ("new word: gato = cat", "2 words"),
    ("remind me soon", "Time to practise: cachorro, gato"),
    ("bye", "Até logo"),
];

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, serve, folder, people] = &arguments[..]
        && serve == "serve"
    {
        let folder = PathBuf::from(folder);
        let script = include_str!("script.toml");
        let served = stage::serve(&folder, people.parse()?, tutor::agent(), script);
        return tokio::runtime::Runtime::new()?.block_on(served);
    }
    let folder = tempfile::tempdir()?;
    let play = Play {
        folder: folder.path(),
        people: usize::try_from(flag("--people", 15))?,
        lines: &LINES,
        kills: u32::try_from(flag("--kills", 10))?,
        seed: flag("--seed", 1),
    };
    let read = play.run()?;
    check(&read)?;
    let paid = paid(folder.path())?;
    for line in &read["person0"] {
        println!("{line}");
    }
    println!(
        "\n{} learners, each reminded once; {} kills",
        play.people, play.kills
    );
    println!("{paid}");
    Ok(())
}

/// Everybody was corrected once and reminded once.
fn check(read: &Read) -> Outcome<()> {
    for (who, lines) in read {
        for once in [
            "I have a dog",
            "1 word",
            "2 words",
            "I will remind you",
            "Time to practise",
        ] {
            let times = lines.iter().filter(|line| line.contains(once)).count();
            if times != 1 {
                return Err(format!("{who} read {once:?} {times} times: {lines:#?}").into());
            }
        }
    }
    Ok(())
}
