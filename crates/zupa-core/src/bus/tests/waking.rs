//! The driver sleeps when there is nothing to do, and no wake-up slips through.

use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

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

#[test]
fn a_resting_driver_is_woken_by_half_a_ring_and_by_the_end_alone() {
    let bus = EventBus::new(64);
    let (over, rests) = std::sync::mpsc::channel::<()>();
    let rests = Arc::new(Mutex::new(rests));
    let driver = driver(&bus).resting(move || {
        let rests = rests.clone();
        std::future::poll_fn(move |_| match rests.lock().unwrap().try_recv() {
            Ok(()) => Poll::Ready(()),
            Err(_) => Poll::Pending,
        })
    });
    let mut running = pin!(driver.run());
    let feed = bus.feed("*").unwrap();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut cx = Context::from_waker(&waker);
    let wakes = || woken.0.load(Ordering::SeqCst);

    assert!(running.as_mut().poll(&mut cx).is_pending());
    bus.emit(numbered(0));
    assert_eq!(wakes(), 1, "it sleeps: a lone event is handed out at once");
    assert!(running.as_mut().poll(&mut cx).is_pending());
    assert_eq!(bus.waiting(), 0);
    (0..31).for_each(|number| bus.emit(numbered(number)));
    assert_eq!((bus.waiting(), wakes()), (31, 1), "it rests");
    bus.emit(numbered(31));
    assert_eq!(wakes(), 2, "half of the ring is full");
    assert!(running.as_mut().poll(&mut cx).is_pending());
    bus.emit(numbered(0));
    over.send(()).unwrap();
    assert!(running.as_mut().poll(&mut cx).is_pending());
    assert_eq!((bus.waiting(), wakes()), (0, 2), "its rest was over");
    over.send(()).unwrap();
    assert!(running.as_mut().poll(&mut cx).is_pending());
    bus.emit(numbered(0));
    assert_eq!(wakes(), 3, "it sleeps again");
    assert!(running.as_mut().poll(&mut cx).is_pending());
    bus.stop();
    assert_eq!(wakes(), 4);
    assert!(running.as_mut().poll(&mut cx).is_ready());
    assert_eq!(alone(seqs(feed)).len(), 35);
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
