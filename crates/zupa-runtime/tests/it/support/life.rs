//! Lives of a process, and the passing of time.

use std::future::Future;
use std::time::Duration;

/// One life of a process: a tokio runtime of its own, its time paused. When
/// `work` has ended everything that it started is gone in mid-step, as after
/// `kill -9`; what the test keeps outside (store, model, doors) stays.
pub fn life<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(work)
}

/// Lets paused time go by. Everything that is due within it happens; nobody
/// waits for it.
pub async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
