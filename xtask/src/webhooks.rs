//! `cargo xtask webhooks`: a server behind a number at a simulator of Meta, which posts a lot.
//!
//! Either at a steady rate, where three of four are statuses of the answers, as Meta has it:
//! then it is measured how soon each is acknowledged beside turns that take their time. Or
//! each message several times, by several senders at once: then every one is to be answered
//! once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use zupa_whatsapp_sim::{Faults, Limits, Number, Phone, Posting, Simulator};

use crate::measure::measure;
use crate::overload::server::Server;

/// Statuses that an answer has.
const STATUSES: u64 = 3;
/// Messages of one person at a steady rate, so that no answer is beyond Meta's rates.
const OF_A_PERSON: u64 = 20;
/// For the last answers.
const DRAIN: Duration = Duration::from_secs(180);

/// Post webhooks of WhatsApp to a server, and measure or count.
///
/// `cargo xtask webhooks --rate 240 --minutes 5` measures how soon they are acknowledged,
/// `cargo xtask webhooks --messages 10000 --copies 3 --senders 8` that each is answered once.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Webhooks a second, a quarter of them messages; needs --minutes
    #[arg(long, requires = "minutes", conflicts_with = "messages")]
    rate: Option<u64>,
    /// How long
    #[arg(long, requires = "rate")]
    minutes: Option<f64>,
    /// Messages in all, each of another person, instead of a rate
    #[arg(long, default_value_t = 10_000)]
    messages: u64,
    /// How often each of them is posted
    #[arg(long, default_value_t = 3)]
    copies: u32,
    /// Requests at once
    #[arg(long, default_value_t = 8)]
    senders: usize,
    /// How long the model thinks [default: 300 at a rate, else 0]
    #[arg(long)]
    thinks_ms: Option<u64>,
    /// Of the simulator
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Use this binary instead of building one with the release profile
    #[arg(long)]
    binary: Option<PathBuf>,
}

impl Options {
    /// A tenth, for CI: each message three times. How soon they are acknowledged gates
    /// nothing there.
    pub fn short(binary: PathBuf) -> Self {
        Self {
            rate: None,
            minutes: None,
            messages: 1_000,
            copies: 3,
            senders: 8,
            thinks_ms: None,
            seed: 7,
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

async fn check(options: &Options, binary: &Path) -> anyhow::Result<()> {
    let simulator = Simulator::start(plan(options)).await?;
    let thinks = options.thinks_ms;
    let thinks = thinks.unwrap_or(if options.rate.is_some() { 300 } else { 0 });
    let configured = configured(&simulator.graph_url());
    let mut server = Server::start(binary, &configured, Duration::from_millis(thinks)).await?;
    simulator.post_to(format!("http://{}/webhooks/wa", server.door));
    let begin = Instant::now();
    let phones = match (options.rate, options.minutes) {
        (Some(rate), Some(minutes)) => at_a_rate(&simulator, rate, minutes).await,
        _ => at_once(&simulator, options),
    };
    println!(
        "written    {} messages of {} people in {:.1?}",
        phones
            .values()
            .map(|(_, written)| *written as u64)
            .sum::<u64>(),
        phones.len(),
        begin.elapsed()
    );
    let mut violations = answered(&phones).await;
    let took = begin.elapsed();
    // What is left of statuses, and with it the last figures.
    let until = Instant::now() + DRAIN;
    while simulator.unposted() > 0 && Instant::now() < until {
        sleep(Duration::from_millis(50)).await;
    }
    println!("answered   all after {took:.1?}");
    violations.extend(figures(&simulator, options.rate.is_some()));
    violations.extend(books(&server, &phones).await?);
    println!("memory     {} MiB at most", server.peak_rss());
    server.stop().await?;
    for violation in &violations {
        println!("violated   {violation}");
    }
    ensure!(violations.is_empty(), "{} violations", violations.len());
    println!("nothing violated");
    Ok(())
}

/// Everybody's phone, and how much they wrote.
type Phones = BTreeMap<String, (Phone, usize)>;

fn plan(options: &Options) -> zupa_whatsapp_sim::Options {
    let at_a_rate = options.rate.is_some();
    zupa_whatsapp_sim::Options {
        seed: options.seed,
        limits: match at_a_rate {
            true => Limits::default(),
            // What comes in is counted here.
            false => Limits {
                per_second: u32::MAX,
                ..Limits::default()
            },
        },
        faults: match at_a_rate {
            true => Faults::default(),
            // Only messages are counted.
            false => Faults {
                withheld_statuses: 1_000,
                ..Faults::default()
            },
        },
        posting: Posting {
            at_once: if at_a_rate { 64 } else { options.senders },
            ..Posting::default()
        },
        ..zupa_whatsapp_sim::Options::default()
    }
}

fn configured(graph_url: &str) -> String {
    let Number {
        phone_number_id,
        access_token,
        app_secret,
        ..
    } = Number::default();
    format!(
        r#"[limits]
per_user_per_minute = 0

[[channel]]
id = "wa"
kind = "whatsapp-cloud"
graph_url = "{graph_url}"
phone_number_id = "{phone_number_id}"
access_token = "{access_token}"
app_secrets = ["{app_secret}"]
"#
    )
}

/// A quarter of the rate are messages; their answers' statuses are the rest.
async fn at_a_rate(simulator: &Simulator, rate: u64, minutes: f64) -> Phones {
    let messages = (rate as f64 * minutes * 60.0 / (STATUSES + 1) as f64) as u64;
    let people = messages.div_ceil(OF_A_PERSON).max(1);
    let mut phones = Phones::new();
    let mut tick = interval(Duration::from_secs_f64((STATUSES + 1) as f64 / rate as f64));
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for message in 0..messages {
        tick.tick().await;
        let phone = number_of(message % people);
        let (phone, written) = phones
            .entry(phone.clone())
            .or_insert_with(|| (simulator.phone(phone), 0));
        phone.writes(&format!("message {message}"));
        *written += 1;
    }
    phones
}

fn at_once(simulator: &Simulator, options: &Options) -> Phones {
    let write = |message: u64| {
        let phone = simulator.phone(number_of(message));
        let written = phone.writes(&format!("message {message}"));
        for _ in 1..options.copies {
            phone.again(&written.wamid);
        }
        (phone.number().to_owned(), (phone, 1))
    };
    (0..options.messages).map(write).collect()
}

fn number_of(person: u64) -> String {
    (15_550_100_000 + person).to_string()
}

/// Waits until everybody has as many answers as they wrote messages, then looks for more.
async fn answered(phones: &Phones) -> Vec<String> {
    let deadline = Instant::now() + DRAIN;
    let mut violations = Vec::new();
    for (phone, written) in phones.values() {
        let seen = tokio::time::timeout_at(deadline, phone.sees(*written)).await;
        if seen.is_err() {
            let seen = phone.seen().len();
            violations.push(format!("somebody wrote {written} and was answered {seen}"));
        }
    }
    sleep(Duration::from_secs(1)).await;
    for (phone, written) in phones.values() {
        let seen = phone.seen().len();
        if seen > *written {
            violations.push(format!("somebody wrote {written} and was answered {seen}"));
        }
    }
    violations
}

fn figures(simulator: &Simulator, at_a_rate: bool) -> Vec<String> {
    let record = simulator.record();
    let mut took = record.posted.took.clone();
    took.sort_unstable();
    let at = |share: f64| {
        let place = (took.len() as f64 * share) as usize;
        let micros = took.get(place.min(took.len().saturating_sub(1)));
        Duration::from_micros(micros.copied().unwrap_or_default())
    };
    let (p50, p99, most) = (at(0.5), at(0.99), at(1.0));
    println!(
        "webhooks   {} answered 200: p50 {p50:.1?}, p99 {p99:.1?}, at most {most:.1?}; others {:?}",
        record.posted.acknowledged, record.posted.refused
    );
    println!("sends      {}", record.attempts.len());
    let mut violations = Vec::new();
    if !record.violations.is_empty() {
        violations.push(format!("{} sends beyond a rate", record.violations.len()));
    }
    let limits = [
        (p50, 50, "p50"),
        (p99, 250, "p99"),
        (most, 1_000, "the most"),
    ];
    for (found, limit, name) in limits.into_iter().filter(|_| at_a_rate) {
        if found > Duration::from_millis(limit) {
            violations.push(format!("{name} is {found:.1?}, not within {limit} ms"));
        }
    }
    violations
}

/// What the server says of it must be the same.
async fn books(server: &Server, phones: &Phones) -> anyhow::Result<Vec<String>> {
    let written: usize = phones.values().map(|(_, written)| written).sum();
    let accounting = server.accounting().await?;
    let ended = accounting.ended.get("answered").copied().unwrap_or(0);
    println!(
        "accounting {} accepted, {ended} answered",
        accounting.accepted
    );
    let is_good = accounting.accepted == written as u64 && ended == written as u64;
    let wrong = || format!("{written} were written, and the books say otherwise");
    Ok((!is_good || !accounting.balanced)
        .then(wrong)
        .into_iter()
        .collect())
}
