//! How many instructions telling the bus takes:
//! `cargo bench -p zupa-core --bench instructions`.
//!
//! Valgrind counts them, so the figures are the same on a busy machine as on an idle
//! one. It needs `valgrind`, and `gungraun-runner` in the version of `gungraun` in
//! Cargo.lock: `cargo install --version 0.19.4 gungraun-runner`.
//!
//! Threads take turns under Valgrind: a second producer has been at work on the ring
//! and is still there, but never at the same moment. What it costs then, in time, is in
//! the benches `bus` and `pace`. Waking a driver's thread is not in it either.
#![allow(
    missing_docs,
    reason = "what the macros make is public, and for nobody to read"
)]

mod still;

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Waker};
use std::thread;

use gungraun::{library_benchmark, library_benchmark_group, main};
use zupa_core::bus::{Draft, EventBus, EventFeed, names};

use still::Still;

/// What a producer emits before one emit is counted.
const BEFORE: usize = 100;

/// A bus on which everything has happened once, its driver, and what is emitted next.
struct Warm {
    bus: EventBus,
    driver: Option<Running>,
    next: Option<Draft>,
    _feeds: Vec<EventFeed>,
    _second: Option<Second>,
}

type Running = Pin<Box<dyn Future<Output = ()>>>;

/// What the driver does when the next event comes.
enum Driver {
    Rests,
    Sleeps,
}

/// A producer on a thread of its own, which ends when this is dropped.
struct Second {
    _stay: Sender<()>,
}

impl Warm {
    fn new(driver: Driver, subscribers: usize, producers: usize) -> Box<Self> {
        let bus = EventBus::default();
        let feeds = (0..subscribers).filter_map(|_| bus.feed("*").ok());
        let feeds = feeds.collect();
        let running = bus.driver(Arc::new(Still)).map(|own| -> Running {
            match driver {
                Driver::Rests => Box::pin(own.resting(pending).run()),
                Driver::Sleeps => Box::pin(own.run()),
            }
        });
        let second = (producers > 1).then(|| Second::at_work(bus.clone()));
        (0..BEFORE).for_each(|_| bus.emit(draft()));
        let mut warm = Self {
            bus,
            driver: running,
            next: Some(draft()),
            _feeds: feeds,
            _second: second,
        };
        warm.drive();
        Box::new(warm)
    }

    fn emit(&mut self) {
        if let Some(draft) = self.next.take() {
            self.bus.emit(draft);
        }
    }

    /// Until the driver sleeps, or rests.
    fn drive(&mut self) {
        if let Some(driver) = &mut self.driver {
            let _ = driver
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

impl Second {
    /// Returns when it has emitted.
    fn at_work(bus: EventBus) -> Self {
        let (stay, told): (_, Receiver<()>) = channel();
        let (emitted, done) = channel();
        thread::spawn(move || {
            (0..BEFORE).for_each(|_| bus.emit(draft()));
            let _ = emitted.send(());
            let _ = told.recv();
        });
        let _ = done.recv();
        Self { _stay: stay }
    }
}

fn draft() -> Draft {
    Draft::of(names::MODEL_CALLED)
        .with("outcome", "ok")
        .with("input_tokens", 120_u64)
}

fn resting(subscribers: usize, producers: usize) -> Box<Warm> {
    Warm::new(Driver::Rests, subscribers, producers)
}

fn sleeping(subscribers: usize, producers: usize) -> Box<Warm> {
    Warm::new(Driver::Sleeps, subscribers, producers)
}

#[library_benchmark(setup = resting)]
#[benches::subscribers_and_producers(args = [(0, 1), (0, 2), (1, 1), (1, 2), (100, 1), (100, 2)])]
fn emit_while_the_driver_rests(mut warm: Box<Warm>) -> Box<Warm> {
    warm.emit();
    warm
}

#[library_benchmark(setup = sleeping)]
#[benches::subscribers_and_producers(args = [(0, 1), (0, 2), (1, 1), (1, 2), (100, 1), (100, 2)])]
fn emit_while_the_driver_sleeps(mut warm: Box<Warm>) -> Box<Warm> {
    warm.emit();
    warm
}

#[library_benchmark(setup = sleeping)]
#[benches::subscribers_and_producers(args = [(0, 1), (1, 1), (100, 1)])]
fn emit_and_hand_out(mut warm: Box<Warm>) -> Box<Warm> {
    warm.emit();
    warm.drive();
    warm
}

library_benchmark_group!(
    name = bus;
    benchmarks = emit_while_the_driver_rests, emit_while_the_driver_sleeps, emit_and_hand_out
);

main!(library_benchmark_groups = bus);
