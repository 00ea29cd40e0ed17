//! Hints inside one process: a bounded queue that drops when it is full.

use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc};
use zupa_core::{Nudge, Wakeup};

/// How many hints may wait; what overflows is found by the poll.
const ROOM: usize = 65_536;

/// Hints inside one process. Its own news it drops: the watchers were told.
#[derive(Debug)]
pub struct InProcessWakeup {
    sender: mpsc::Sender<Nudge>,
    queue: Mutex<mpsc::Receiver<Nudge>>,
}

impl Default for InProcessWakeup {
    fn default() -> Self {
        let (sender, queue) = mpsc::channel(ROOM);
        Self {
            sender,
            queue: Mutex::new(queue),
        }
    }
}

#[async_trait]
impl Wakeup for InProcessWakeup {
    fn wake(&self, nudge: Nudge) {
        if matches!(nudge, Nudge::Due(_) | Nudge::Held(_)) {
            // Full means that the poll will find it.
            let _ = self.sender.try_send(nudge);
        }
    }

    async fn woken(&self) -> Nudge {
        match self.queue.lock().await.recv().await {
            Some(nudge) => nudge,
            // The sender lives as long as this does.
            None => std::future::pending().await,
        }
    }
}
