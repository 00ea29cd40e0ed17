//! `cargo xtask overload`: more is asked for than can be done, for a while.
//!
//! A scripted model that thinks for a known time, and a known number of turns at once,
//! give a known capacity. Load that does not wait for answers is put on the server from
//! outside: a calm first, then several times the capacity, then calm again. Nothing that
//! was accepted may be lost, nothing may be refused without a word, memory may not grow
//! with the load, and soon after it all must be as before. Then one person writes a
//! hundred times as much as everybody else, who must not notice.

mod follow;
mod load;
pub mod server;
mod sums;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use tokio::time::{Instant, sleep};

use self::load::{Load, Sent};
use self::server::Server;
use self::sums::{Wait, median, millis};
use crate::measure::measure;

/// How long the model thinks.
const THINKS: Duration = Duration::from_millis(300);
/// Normal load, as a share of the capacity.
const CALM: f64 = 0.4;
const CALM_SECONDS: u64 = 15;
/// After an overload all must be as before within this.
const RECOVERS: Duration = Duration::from_secs(60);
/// What one look at the recovery covers.
const WINDOW: u64 = 5;
/// Of the accepted messages of an overload every so many is followed to its answer.
const FOLLOWED: usize = 10;
/// Rounds of the fairness measurement, each with and without the one who writes a lot.
const ROUNDS: usize = 3;
const ROUND_SECONDS: u64 = 10;
/// What all others together ask for in that, as a share of the capacity; each of them
/// writes once. And messages a second of the one.
const OTHERS: f64 = 0.2;
const HOT: f64 = 100.0;

/// Put several times its capacity on a server, and check that it sheds the rest and recovers.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How long the overload lasts
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(4..=3600))]
    pub seconds: u64,
    /// How many times the capacity is asked for
    #[arg(long, default_value_t = 5.0)]
    pub rate_factor: f64,
    /// Turns at once; the capacity is as many in 300 ms
    #[arg(long, default_value_t = 32)]
    pub turns: u32,
    /// Most memory that the server may take, in MiB
    #[arg(long, default_value_t = 512)]
    pub rss_mib: u64,
    /// How long a message may wait before doors close
    #[arg(long, default_value_t = 20_000)]
    pub queue_age_ms: u64,
    /// Answers within this time are as before, however soon they came in the calm
    #[arg(long, default_value_t = 0)]
    pub normal_ms: u64,
    /// Leave out how one who writes a lot is felt by others
    #[arg(long)]
    pub no_fairness: bool,
    /// Use this binary instead of building one with the release profile
    #[arg(long)]
    pub binary: Option<PathBuf>,
}

impl Options {
    /// Half a minute of it, for CI: the doors close early, and how fair it is takes longer
    /// to measure.
    pub fn short(binary: PathBuf) -> Self {
        Self {
            seconds: 4,
            rate_factor: 5.0,
            turns: 8,
            rss_mib: 512,
            queue_age_ms: 1_000,
            // In a debug build, on a machine that does other things beside.
            normal_ms: 2_000,
            no_fairness: true,
            binary: Some(binary),
        }
    }
}

/// An error is a violated promise, or a run that could not be made.
pub fn run(options: &Options) -> anyhow::Result<()> {
    measure(options.binary.as_ref(), async |binary| {
        check(options, binary).await
    })
}

async fn check(options: &Options, binary: &std::path::Path) -> anyhow::Result<()> {
    let limits = format!(
        "[limits]\nturns_in_flight = {}\nqueue_age_ms = {}\nper_user_per_minute = 0\n",
        options.turns, options.queue_age_ms
    );
    let mut server = Server::start(binary, &limits, THINKS).await?;
    let capacity = f64::from(options.turns) / THINKS.as_secs_f64();
    println!(
        "capacity {capacity:.0} turns a second: {} at once, {THINKS:?} each",
        options.turns
    );
    let mut load = Load::new(server.door);
    let mut violations = Vec::new();

    let calm_seconds = CALM_SECONDS.min(options.seconds / 2);
    let calm = load.put(capacity * CALM, calm_seconds, 1).await;
    let calm_wait = Wait::of(&calm);
    println!("calm       {}", sums::line(&calm));

    let quiet_rss = server.peak_rss();
    let half = options.seconds / 2;
    let asked = capacity * options.rate_factor;
    let first = load.put(asked, half, FOLLOWED).await;
    let first_rss = server.peak_rss();
    println!("overload   {}", sums::line(&first));
    let second = load.put(asked, options.seconds - half, FOLLOWED).await;
    let second_rss = server.peak_rss();
    println!("overload   {}", sums::line(&second));
    let over = Instant::now();
    println!(
        "memory     {quiet_rss} MiB calm, {first_rss} MiB in the first half, {second_rss} MiB in the second"
    );
    if second_rss > options.rss_mib || second_rss > first_rss + first_rss / 4 + 16 {
        violations.push(format!("memory grew to {second_rss} MiB"));
    }
    let shed = first
        .iter()
        .chain(&second)
        .filter(|sent| sent.was_refused());
    if shed.count() == 0 {
        violations.push("nothing was refused: that was no overload".to_owned());
    }

    let normal_p99 = (calm_wait.p99 * 2).max(Duration::from_millis(options.normal_ms));
    let recovered = loop {
        let began = over.elapsed();
        let window = load.put(capacity * CALM, WINDOW, 1).await;
        println!("after      {} (from {began:.0?} on)", sums::line(&window));
        if Wait::of(&window).p99 <= normal_p99 && !window.iter().any(Sent::was_refused) {
            break Some(began);
        }
        if over.elapsed() > RECOVERS + Duration::from_secs(3 * WINDOW) {
            break None;
        }
    };
    match recovered {
        Some(took) if took < RECOVERS => println!("recovered  within {took:.0?}"),
        _ => violations.push(format!("not as before within {RECOVERS:?}")),
    }

    if !options.no_fairness {
        violations.extend(fairness(&mut load, capacity * OTHERS).await);
    }

    violations.extend(load.violations());
    violations.extend(settled(&server, load.accepted()).await?);
    server.stop().await?;
    for violation in &violations {
        println!("violated   {violation}");
    }
    ensure!(violations.is_empty(), "{} violations", violations.len());
    println!("nothing violated");
    Ok(())
}

/// What others feel of one who writes a lot.
async fn fairness(load: &mut Load, others: f64) -> Vec<String> {
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        without.push(Wait::of(&load.put(others, ROUND_SECONDS, 1).await));
        let beside = load.beside("hot", HOT, ROUND_SECONDS);
        with.push(Wait::of(&load.put(others, ROUND_SECONDS, 1).await));
        load.join(beside).await;
        // What the one has left is not the next round's.
        sleep(THINKS * 4).await;
    }
    let ratio = |of: fn(&Wait) -> Duration| {
        let alone = median(without.iter().map(of));
        let beside = median(with.iter().map(of));
        let ratio = beside.as_secs_f64() / alone.as_secs_f64().max(1e-9);
        (alone, beside, ratio)
    };
    let mut violations = Vec::new();
    for (name, of, limit) in [
        (
            "p50",
            (|wait: &Wait| wait.p50) as fn(&Wait) -> Duration,
            1.2,
        ),
        ("p99", |wait: &Wait| wait.p99, 2.0),
    ] {
        let (alone, beside, ratio) = ratio(of);
        println!(
            "fairness   {name} of others {} without, {} beside one who writes {HOT:.0} a second: \
             {ratio:.2} (at most {limit}; medians of {ROUNDS} rounds)",
            millis(alone),
            millis(beside),
        );
        if ratio >= limit {
            violations.push(format!(
                "one who writes a lot raised the {name} of others {ratio:.2}-fold"
            ));
        }
    }
    violations
}

/// Everything that was accepted has ended, and nothing else was.
async fn settled(server: &Server, accepted: u64) -> anyhow::Result<Option<String>> {
    let deadline = Instant::now() + RECOVERS;
    loop {
        let books = server.accounting().await?;
        let open = books.still_open();
        if open == 0 || Instant::now() > deadline {
            let ended = &books.ended;
            println!(
                "books      {} accepted, {open} open, ended {ended:?}",
                books.accepted
            );
            let answered = ended.get("answered").copied().unwrap_or_default();
            return Ok(if books.accepted != accepted {
                Some(format!(
                    "{accepted} were told accepted, the store has {}",
                    books.accepted
                ))
            } else if answered != accepted {
                Some(format!(
                    "of {accepted} accepted messages {answered} were answered"
                ))
            } else {
                None
            });
        }
        sleep(Duration::from_millis(200)).await;
    }
}
