//! What the bus costs at a steady pace: `cargo bench -p zupa-core --bench pace`.
//!
//! 100,000 events a second in bursts of a hundred, from one thread or two: how long one
//! emit takes. Then ten million events as fast as they come, and the memory that they
//! leave behind. Then nothing for a while, and the time that nothing costs.
#![expect(
    clippy::disallowed_methods,
    reason = "it measures wall time; the ports are for what ships"
)]

mod still;

use std::fs;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use zupa_core::bus::{Draft, EventBus, EventFeed, names};

use still::Still;

const A_SECOND: u32 = 100_000;
const SECONDS: u32 = 5;
const BURST: u32 = 100;
const MANY: u32 = 10_000_000;
/// What the runtime's driver rests for.
const REST: Duration = Duration::from_millis(1);
const IDLE: Duration = Duration::from_secs(20);

/// A driven bus, whose subscribers count what they get, and the thread they live on.
fn busy(subscribers: usize) -> (EventBus, JoinHandle<u64>) {
    let bus = EventBus::default();
    let driver = bus.driver(Arc::new(Still));
    let feeds: Vec<_> = (0..subscribers)
        .filter_map(|_| bus.feed("*").ok())
        .collect();
    let thread = thread::spawn(move || {
        let alone = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let (Ok(alone), Some(driver)) = (alone, driver) else {
            return 0;
        };
        alone.block_on(async {
            let feeds = feeds.into_iter().map(|feed| tokio::spawn(count(feed)));
            let feeds: Vec<_> = feeds.collect();
            driver.resting(|| tokio::time::sleep(REST)).run().await;
            let mut all = 0;
            for feed in feeds {
                all += feed.await.unwrap_or_default();
            }
            all
        })
    });
    (bus, thread)
}

async fn count(mut feed: EventFeed) -> u64 {
    let mut seen = 0;
    while feed.next().await.is_some() {
        seen += 1;
    }
    seen
}

fn draft() -> Draft {
    Draft::of(names::MODEL_CALLED)
        .with("outcome", "ok")
        .with("input_tokens", 120_u64)
}

/// Emits at a pace; how long each emit took, in nanoseconds.
fn emits(bus: &EventBus, a_second: u32) -> Vec<u32> {
    let pause = Duration::from_secs(1) * BURST / a_second;
    let mut took = Vec::with_capacity((a_second * SECONDS) as usize);
    let begin = Instant::now();
    for burst in 0..a_second * SECONDS / BURST {
        thread::sleep((pause * burst).saturating_sub(begin.elapsed()));
        for _ in 0..BURST {
            let draft = draft();
            let before = Instant::now();
            bus.emit(draft);
            took.push(u32::try_from(before.elapsed().as_nanos()).unwrap_or(u32::MAX));
        }
    }
    took
}

fn pace() {
    let clock: Vec<_> = (0..100_000)
        .map(|_| Instant::now().elapsed().as_nanos())
        .collect();
    println!("reading the clock takes {} ns of each", median(clock));
    for subscribers in [0, 1, 100] {
        for producers in [1, 2] {
            let (bus, thread) = busy(subscribers);
            let producing = (0..producers).map(|_| {
                let bus = bus.clone();
                thread::spawn(move || emits(&bus, A_SECOND / producers))
            });
            let producing: Vec<_> = producing.collect();
            let took = producing
                .into_iter()
                .flat_map(|thread| thread.join().unwrap_or_default());
            let mut took: Vec<_> = took.collect();
            bus.stop();
            let _ = thread.join();
            took.sort_unstable();
            let at = |per_mille: usize| took[(took.len() * per_mille / 1_000).min(took.len() - 1)];
            let lost: u64 = bus.dropped().iter().map(|(_, lost)| lost).sum();
            println!(
                "{subscribers:>3} subscribers, {producers} producers: p50 {} ns, p99 {} ns, \
                 p99.9 {} ns, most {} ns; {lost} lost on the bus, {} by subscribers",
                at(500),
                at(990),
                at(999),
                at(1_000),
                bus.missed()
            );
        }
    }
}

fn median<T: Ord + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values[values.len() / 2]
}

fn many() {
    let (bus, thread) = busy(1);
    let begin = Instant::now();
    let mut early = 0;
    for number in 0..MANY {
        if number == MANY / 10 {
            early = memory();
        }
        bus.emit(draft());
        // Let the driver keep up: what is lost costs nobody anything.
        while bus.waiting() > 4_096 {
            thread::yield_now();
        }
    }
    bus.stop();
    let seen = thread.join().unwrap_or_default();
    println!(
        "{MANY} events in {:?}, {seen} seen, {} lost by the subscriber: {early} KiB at a tenth, \
         {} KiB at the end",
        begin.elapsed(),
        bus.missed(),
        memory()
    );
}

fn idle() {
    let (bus, thread) = busy(100);
    bus.emit(draft());
    thread::sleep(Duration::from_secs(1));
    let before = busy_time();
    thread::sleep(IDLE);
    let took = busy_time().saturating_sub(before);
    println!("idle for {IDLE:?} with 100 subscribers: {took:?} of the processor");
    bus.stop();
    let _ = thread.join();
}

/// Resident memory, in KiB.
fn memory() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * 4
}

/// What this process has had of the processor; the kernel counts in nanoseconds.
fn busy_time() -> Duration {
    let tasks = fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let times = tasks.filter_map(|task| {
        let times = fs::read_to_string(task.path().join("schedstat")).ok()?;
        times.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(times.sum())
}

fn main() {
    pace();
    many();
    idle();
}
