//! Turns that end in every way there is, as many as one likes: in the end all permits are
//! free, no claim is held, no task is left, no file is open, and memory has not grown.

use std::collections::HashSet;
use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use tokio::runtime::Handle;
use tokio::sync::Barrier;
use zupa_core::{
    ChannelId, ErrorKind, FinishReason, IntakeBatch, Model, ModelEvent, ModelRequest, ModelStream,
    Result, Retry, TenantId,
};
use zupa_runtime::resilience::{BreakerRules, BreakerState, CallPolicy};
use zupa_runtime::{Agent, NullChannel, Runtime, Settings};
use zupa_testkit::{SeqIds, TokioClock};

use crate::support::{DOOR, Forgetful, error, inbound, pass, secs};

/// Turns in flight at once, of four times as many messages.
const PERMITS: usize = 64;
const AT_ONCE: usize = 4 * PERMITS;
/// How a message ends, by its number.
const WAYS: [&str; 10] = [
    "ok", "ok", "ok", "ok", "fail", "panic", "hang", "lose", "down", "ok",
];

/// Does what the last word of a message says; once, where that would never end. Each call
/// holds an open file, as a connection would be.
#[derive(Debug)]
struct Mixed {
    together: Barrier,
    calls: AtomicU64,
    /// What was treated badly and has not come again.
    bad: Mutex<HashSet<String>>,
    leak: Option<Leak>,
}

/// What a planted bug keeps of every tenth call.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Leak {
    Files,
    Tasks,
    Memory,
}

impl Mixed {
    fn is_first(&self, said: &str) -> bool {
        let mut bad = self.bad.lock().unwrap();
        !bad.remove(said) && bad.insert(said.to_owned())
    }
}

#[async_trait]
impl Model for Mixed {
    fn name(&self) -> &str {
        "mixed"
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let file = File::open("/dev/null").unwrap();
        match self.leak.filter(|_| call.is_multiple_of(10)) {
            None => {}
            Some(Leak::Files) => std::mem::forget(file.try_clone().unwrap()),
            Some(Leak::Tasks) => drop(tokio::spawn(std::future::pending::<()>())),
            Some(Leak::Memory) => std::mem::forget(vec![1_u8; 256 * 1024]),
        }
        let said = request.messages.last().map_or("", |last| last.text());
        match said.rsplit(' ').next() {
            Some("fail") => return Err(error(ErrorKind::Invalid).with_retry(Retry::Never)),
            // A panic that prints nothing.
            Some("panic") => std::panic::resume_unwind(Box::new("as the test wants it")),
            Some("hang" | "lose") if self.is_first(said) => std::future::pending().await,
            Some("down") if self.is_first(said) => return Err(error(ErrorKind::Unavailable)),
            Some("together") => {
                self.together.wait().await;
            }
            _ => tokio::time::sleep(Duration::from_millis(3)).await,
        }
        let done = ModelEvent::Done {
            finish: FinishReason::Stop,
            usage: None,
            model: None,
        };
        let answer = stream::iter([Ok(ModelEvent::Delta("well".into())), Ok(done)]);
        // Open until the answer has been read.
        Ok(answer.inspect(move |_| _ = &file).boxed())
    }
}

/// Turns: a million with ZUPA_CASES=1000000.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the tests says how long"
)]
fn turns() -> u64 {
    let wanted = std::env::var("ZUPA_CASES").ok();
    wanted
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(10_000)
}

/// What the process has in hand.
#[derive(Debug)]
struct InHand {
    tasks: usize,
    files: usize,
}

impl InHand {
    fn now() -> Self {
        Self {
            tasks: Handle::current().metrics().num_alive_tasks(),
            files: std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
        }
    }
}

/// Resident memory, in KiB.
fn memory() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    pages
        .split(' ')
        .nth(1)?
        .parse::<u64>()
        .ok()
        .map(|pages| pages * 4)
}

async fn say(runtime: &Runtime, number: u64, way: &str) {
    let text = format!("{number} {way}");
    let batch = IntakeBatch {
        inbounds: vec![inbound(&format!("p{number}"), &text, &text)],
        receipts: Vec::new(),
    };
    runtime
        .intake()
        .deliver(batch)
        .await
        .unwrap()
        .remove(0)
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn whatever_becomes_of_turns_all_they_had_in_hand_is_free_again() {
    assert_eq!(left_by(turns(), None).await, []);
    // What is left in hand is seen: a tenth of the calls is enough.
    for leak in [Leak::Files, Leak::Tasks, Leak::Memory] {
        assert_eq!(left_by(500, Some(leak)).await, [leak]);
    }
}

/// What turns leave in the hands of the process, of which there should be nothing. All else
/// is asserted on the way.
async fn left_by(turns: u64, leak: Option<Leak>) -> Vec<Leak> {
    let store = Arc::new(Forgetful::default());
    let model = Arc::new(Mixed {
        together: Barrier::new(PERMITS),
        calls: AtomicU64::new(0),
        bad: Mutex::default(),
        leak,
    });
    let mut settings = Settings {
        turns_in_flight: PERMITS,
        ..Settings::default()
    };
    let never = BreakerRules {
        failure_percent: 100,
        ..BreakerRules::default()
    };
    settings.policies.model = CallPolicy {
        retries: 0,
        breaker: Some(never),
        ..settings.policies.model
    };
    let nowhere = NullChannel::new(ChannelId::parse(DOOR).unwrap(), TenantId::default_tenant());
    let runtime = Runtime::builder(store.clone(), model.clone(), Agent::new("tester", ""))
        .settings(settings)
        .clock(Arc::new(TokioClock::default()))
        .ids(Arc::new(SeqIds::default()))
        .channel(Arc::new(nowhere))
        .start()
        .await
        .unwrap();
    pass(secs(1)).await;
    let before = InHand::now();

    let mut early = None;
    for number in 0..turns {
        if number >= AT_ONCE as u64 {
            store.ended().await;
        }
        if number == turns / 10 {
            early = memory();
        }
        say(&runtime, number, WAYS[number as usize % WAYS.len()]).await;
    }
    for _ in 0..turns.min(AT_ONCE as u64) {
        store.ended().await;
    }
    let late = memory();

    let counts = store.counts();
    assert_eq!(counts.answered + counts.dead, turns);
    let of_ten = turns / 10;
    assert_eq!(counts.dead, 2 * of_ten, "failed, and panicked");
    assert_eq!(counts.lost, of_ten, "dropped in mid-call");
    assert!(counts.retried >= 2 * of_ten, "hung, and down");
    let mut breakers = runtime.breakers().into_iter();
    let breaker = breakers.find(|breaker| breaker.name() == "model/mixed");
    let breaker = breaker.unwrap().metrics();
    let ends = breaker.totals;
    assert_eq!(breaker.state, BreakerState::Closed);
    let ended = ends.succeeded + ends.failed + ends.cancelled;
    assert_eq!(
        (ended, ends.refused + ends.late),
        (model.calls.load(Ordering::Relaxed), 0)
    );
    assert!(ends.cancelled >= 2 * of_ten, "lost, and panicked: {ends:?}");

    // Every permit is free: as many turns as there may be wait for each other.
    for number in 0..PERMITS as u64 {
        say(&runtime, turns + number, "together").await;
    }
    for _ in 0..PERMITS {
        store.ended().await;
    }
    assert_eq!(
        store.counts().retried,
        counts.retried,
        "none waited in vain"
    );
    // No claim is held: nobody renews one.
    let renewed = store.counts().renewed;
    pass(secs(60)).await;
    assert_eq!(store.counts().renewed, renewed);
    let after = InHand::now();
    eprintln!(
        "{turns} turns: {counts:?}, {ends:?}, {before:?}; memory {early:?} KiB at a tenth, {late:?} KiB at the end"
    );
    let mut left = Vec::new();
    left.extend((after.files != before.files).then_some(Leak::Files));
    left.extend((after.tasks != before.tasks).then_some(Leak::Tasks));
    let grown = early
        .zip(late)
        .is_some_and(|(early, late)| late >= early + 8 * 1024);
    left.extend(grown.then_some(Leak::Memory));
    runtime.shutdown(secs(1)).await.unwrap();
    left
}
