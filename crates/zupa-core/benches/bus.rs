//! What telling the bus costs whoever tells it: `cargo bench -p zupa-core --bench bus`.
//!
//! The driver runs on a thread of its own and every subscriber throws away what it
//! gets, so that the figures are those of a busy bus. A full ring loses events, which
//! costs no more than a push.

mod still;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use zupa_core::bus::{Draft, EventBus, EventFeed, names};

use still::Still;

/// A driven bus with subscribers, and the thread that they live on.
struct Busy {
    bus: EventBus,
    thread: Option<thread::JoinHandle<()>>,
}

impl Busy {
    fn with(subscribers: usize) -> Self {
        let bus = EventBus::default();
        let driver = bus.driver(Arc::new(Still));
        let feeds: Vec<_> = (0..subscribers)
            .filter_map(|_| bus.feed("*").ok())
            .collect();
        let thread = thread::spawn(move || {
            let alone = tokio::runtime::Builder::new_current_thread().build();
            let (Ok(alone), Some(driver)) = (alone, driver) else {
                return;
            };
            alone.block_on(async {
                for feed in feeds {
                    tokio::spawn(discard(feed));
                }
                driver.run().await;
            });
        });
        Self {
            bus,
            thread: Some(thread),
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.bus.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn discard(mut feed: EventFeed) {
    while feed.next().await.is_some() {}
}

fn draft() -> Draft {
    Draft::of(names::MODEL_CALLED)
        .with("outcome", "ok")
        .with("input_tokens", 120_u64)
}

fn emit(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("emit");
    for subscribers in [0, 1, 100] {
        for producers in [1, 2] {
            let busy = Busy::with(subscribers);
            let stop = Arc::new(AtomicBool::new(false));
            let others: Vec<_> = (1..producers)
                .map(|_| {
                    let (bus, stop) = (busy.bus.clone(), stop.clone());
                    thread::spawn(move || {
                        while !stop.load(Ordering::Relaxed) {
                            bus.emit(draft());
                        }
                    })
                })
                .collect();
            group.bench_function(
                format!("{subscribers} subscribers, {producers} producers"),
                |bencher| {
                    bencher.iter_batched(
                        draft,
                        |draft| busy.bus.emit(draft),
                        BatchSize::SmallInput,
                    );
                },
            );
            stop.store(true, Ordering::Relaxed);
            for other in others {
                let _ = other.join();
            }
        }
    }
    group.finish();
}

criterion_group!(benches, emit);
criterion_main!(benches);
