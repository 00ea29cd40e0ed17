//! The law of conservation, looked at now and then: every accepted inbound has ended
//! or is open. Who finds it broken says so once, loudly, and goes on: nothing that
//! runs can mend it.

use std::sync::Arc;
use std::time::Duration;

use tracing::{error, info, warn};
use zupa_core::bus::{Draft, names};
use zupa_core::desk::Accounting;
use zupa_core::{Clock, Desk, EventBus};

/// How often the sum is looked at. Counting reads every message that is kept.
const PERIOD: Duration = Duration::from_secs(10 * 60);

/// Who looks, and what was found last.
pub(crate) struct Accounts {
    desk: Arc<dyn Desk>,
    bus: EventBus,
    /// When to look again, on the monotonic clock.
    due: Duration,
    missing: i64,
}

/// What is new since the last look.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Drifted(i64),
    BalancedAgain,
}

impl Accounts {
    /// Looks for the first time one period from now.
    pub(crate) fn new(desk: Arc<dyn Desk>, bus: EventBus, clock: &dyn Clock) -> Self {
        Self {
            desk,
            bus,
            due: clock.monotonic() + PERIOD,
            missing: 0,
        }
    }

    /// Counts if it is time.
    pub(crate) async fn look(&mut self, clock: &dyn Clock) {
        let now = clock.monotonic();
        if now < self.due {
            return;
        }
        self.due = now + PERIOD;
        let counts = match self.desk.accounting().await {
            Ok(counts) => counts,
            Err(error) => return warn!(%error, "the messages could not be counted"),
        };
        let before = self.missing;
        let news = self.news(&counts);
        if self.missing != 0 || before != 0 {
            // Each time, since the bus may lose one.
            let inbounds = self.missing.unsigned_abs();
            self.bus
                .emit(Draft::of(names::ACCOUNTING_DRIFTED).with("inbounds", inbounds));
        }
        match news {
            Some(News::Drifted(missing)) => error!(
                missing,
                accepted = counts.accepted,
                "the accounting does not balance; `zupa doctor --accounting` shows it"
            ),
            Some(News::BalancedAgain) => info!("the accounting balances again"),
            None => {}
        }
    }

    /// The same drift is told once; another one is new.
    fn news(&mut self, counts: &Accounting) -> Option<News> {
        let missing = counts.missing();
        if missing == self.missing {
            return None;
        }
        self.missing = missing;
        Some(match missing {
            0 => News::BalancedAgain,
            missing => News::Drifted(missing),
        })
    }
}
