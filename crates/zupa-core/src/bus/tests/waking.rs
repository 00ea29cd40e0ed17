//! The driver sleeps when there is nothing to do, and no wake-up slips through.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Wake, Waker};

use super::*;

#[derive(Default)]
struct Woken(AtomicU64);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn an_idle_driver_is_woken_once_and_a_busy_one_not_at_all() {
    let bus = EventBus::default();
    let mut running = pin!(driver(&bus).run());
    let _feed = bus.feed("*").unwrap();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut cx = Context::from_waker(&waker);
    let wakes = || woken.0.load(Ordering::SeqCst);

    assert!(running.as_mut().poll(&mut cx).is_pending());
    assert_eq!(wakes(), 0, "it wakes itself without work");
    for number in 0..100 {
        bus.emit(numbered(number));
    }
    assert_eq!(
        wakes(),
        1,
        "the first event wakes, the others find it awake"
    );
    assert!(running.as_mut().poll(&mut cx).is_pending());
    assert_eq!((bus.waiting(), wakes()), (0, 1));
    bus.emit(numbered(0));
    assert_eq!(wakes(), 2);
    assert!(running.as_mut().poll(&mut cx).is_pending());
    bus.stop();
    assert_eq!(wakes(), 3);
    assert!(running.as_mut().poll(&mut cx).is_ready());
}

/// Each event is emitted while the driver goes to sleep behind the one before it. One
/// lost wake-up, and this never ends.
#[test]
fn no_wake_up_is_lost_between_two_threads() {
    let bus = EventBus::default();
    let driver = driver(&bus);
    let mut feed = bus.feed("*").unwrap();
    let driving = std::thread::spawn(move || alone(driver.run()));
    alone(async {
        for number in 0..50_000 {
            bus.emit(numbered(number));
            assert_eq!(feed.next().await.unwrap().seq, number + 1);
        }
    });
    bus.stop();
    driving.join().unwrap();
}
