//! `cargo xtask ci`: every check of a pull request, in order, first failure ends it.
//!
//! This file runs the steps, `ci/steps.rs` lists them, `ci/beside.rs` runs some of them
//! while others run, `ci/needs.rs` holds the server that the tests talk to,
//! `ci/command.rs` starts the processes.

mod beside;
mod command;
mod needs;
mod steps;

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};

use beside::Beside;
pub use command::{cargo, root, target_folder};
use needs::Needs;
use steps::{Place, Step, steps};

/// What to run.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Runs only this step; may be repeated
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// Prints the names of the steps and ends
    #[arg(long)]
    list: bool,
}

/// How a step ended when it did not fail.
enum Outcome {
    Done,
    /// Something that it needs is not here; the text names it.
    Skipped(String),
}

/// Runs the steps.
pub fn run(options: Options) -> Result<()> {
    let mut steps = steps();
    if options.list {
        for step in &steps {
            println!("{:<16} {}", step.name, step.about);
        }
        return Ok(());
    }
    for name in &options.only {
        if steps.iter().all(|step| step.name != name) {
            bail!("no step is called {name}; `cargo xtask ci --list` names them all");
        }
    }
    if !options.only.is_empty() {
        steps.retain(|step| options.only.iter().any(|name| name == step.name));
        steps.iter_mut().for_each(|step| step.place = Place::InTurn);
    }
    run_all(&steps)
}

fn run_all(steps: &[Step]) -> Result<()> {
    let start = Instant::now();
    let mut needs = Needs::default();
    let mut skipped = Vec::new();
    let mut beside = None;
    for (index, step) in steps.iter().enumerate() {
        let is_last = index + 1 == steps.len();
        match step.place {
            Place::InTurn => {}
            Place::Beside => {
                eprintln!(
                    "==> {} ({} of {}): beside",
                    step.name,
                    index + 1,
                    steps.len()
                );
                if beside.is_none() {
                    beside = Some(Beside::start(&names_beside(steps))?);
                }
                continue;
            }
            Place::Alone => beside.take().map_or(Ok(()), Beside::finish)?,
        }
        if is_last && index > 0 {
            // The last step, the tests, has the last word: the balance comes before it.
            let (took, skipped) = (seconds(start.elapsed()), list(&skipped));
            eprintln!("==> {index} steps took {took}, skipped: {skipped}");
        }
        let (name, about) = (step.name, step.about);
        eprintln!("==> {name} ({} of {}): {about}", index + 1, steps.len());

        let step_start = Instant::now();
        let outcome = (step.run)(&mut needs);
        let took = seconds(step_start.elapsed());
        match outcome {
            Ok(Outcome::Done) if is_last => {}
            Ok(Outcome::Done) => eprintln!("    {name}: {took}"),
            Ok(Outcome::Skipped(reason)) => {
                eprintln!("    {name}: skipped: {reason}");
                skipped.push(name);
            }
            Err(error) => {
                needs.keep_logs();
                return Err(anyhow!(
                    "step {name} failed after {took}: {error:#}\n  try: cargo xtask ci --only {name}"
                ));
            }
        }
    }
    Ok(())
}

fn names_beside(steps: &[Step]) -> Vec<&'static str> {
    let beside = steps.iter().filter(|step| step.place == Place::Beside);
    beside.map(|step| step.name).collect()
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn list(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn the_first_failure_ends_the_run_and_is_named() {
        static LATER: AtomicU32 = AtomicU32::new(0);
        let steps = [
            Step {
                name: "fine",
                about: "passes",
                place: Place::InTurn,
                run: |_| Ok(Outcome::Done),
            },
            Step {
                name: "absent",
                about: "skips",
                place: Place::InTurn,
                run: |_| Ok(Outcome::Skipped("no tool".into())),
            },
            Step {
                name: "broken",
                about: "fails",
                place: Place::InTurn,
                run: |_| bail!("it is broken"),
            },
            Step {
                name: "later",
                about: "must not run",
                place: Place::InTurn,
                run: |_| {
                    LATER.fetch_add(1, Ordering::Relaxed);
                    Ok(Outcome::Done)
                },
            },
        ];
        let message = run_all(&steps).err().unwrap().to_string();
        assert!(message.starts_with("step broken failed after"), "{message}");
        assert!(message.contains("it is broken"), "{message}");
        assert!(message.contains("--only broken"), "{message}");
        assert_eq!(LATER.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn an_unknown_step_is_an_error() {
        let options = Options {
            only: vec!["tset".to_owned()],
            list: false,
        };
        let message = run(options).err().unwrap().to_string();
        assert!(message.contains("no step is called tset"), "{message}");
    }
}
