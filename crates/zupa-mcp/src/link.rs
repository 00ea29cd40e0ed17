//! Whether there is a session, and when there may be the next one.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::McpConfig;
use crate::error::Failure;
use crate::session::Session;

/// The session of a server, and the pauses between one and the next: they double
/// up to the cap, and begin anew behind a session that answered a call.
#[derive(Default)]
pub(crate) struct Link {
    session: Option<Arc<Session>>,
    failures: u32,
    not_before: Option<Instant>,
    is_stopped: bool,
}

impl Link {
    pub(crate) fn session(&self) -> Option<&Arc<Session>> {
        self.session.as_ref()
    }

    /// Counts a try to open a session as failed until it is not: so a caller
    /// who lets go in the middle of it leaves the pause behind.
    pub(crate) fn begin(&mut self, config: &McpConfig) -> Result<(), Failure> {
        if self.is_stopped {
            return Err(Failure::Stopped);
        }
        let now = Instant::now();
        match self.not_before {
            Some(then) if then > now => Err(Failure::Down(then - now)),
            _ => {
                self.pause_from(now, config);
                Ok(())
            }
        }
    }

    pub(crate) fn opened(&mut self, session: Arc<Session>) {
        self.session = Some(session);
        self.not_before = None;
    }

    /// Lets go of a session that has ended. The pause counts from when a call was
    /// lost; without such a call the next session may begin at once.
    pub(crate) fn retire(&mut self, config: &McpConfig) {
        let Some(session) = self.session.take() else {
            return;
        };
        session.end();
        if session.is_proved() {
            self.failures = 0;
        }
        if let Some(lost_at) = session.lost_at() {
            self.pause_from(lost_at, config);
        }
    }

    /// Lets go of the session for good.
    pub(crate) fn stop(&mut self) {
        self.is_stopped = true;
        if let Some(session) = self.session.take() {
            session.end();
        }
    }

    fn pause_from(&mut self, then: Instant, config: &McpConfig) {
        self.not_before = Some(then + pause(config, self.failures));
        self.failures = self.failures.saturating_add(1);
    }
}

/// Without jitter: one process talks to its own server, and adapters know no
/// randomness.
fn pause(config: &McpConfig, failures: u32) -> Duration {
    let doubled = config.restart_pause.saturating_mul(1 << failures.min(20));
    doubled.min(config.restart_pause_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> McpConfig {
        McpConfig {
            restart_pause: Duration::from_secs(1),
            restart_pause_max: Duration::from_secs(10),
            ..McpConfig::default()
        }
    }

    #[test]
    fn pauses_double_up_to_the_cap() {
        let pauses: Vec<_> = (0..6).map(|n| pause(&config(), n).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 10, 10]);
        assert_eq!(pause(&config(), u32::MAX).as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_that_fails_makes_the_next_one_wait() {
        let mut link = Link::default();
        assert!(link.begin(&config()).is_ok());
        let Err(Failure::Down(left)) = link.begin(&config()) else {
            panic!("it must wait");
        };
        assert_eq!(left, Duration::from_secs(1));
        tokio::time::advance(left).await;
        assert!(link.begin(&config()).is_ok());
        assert!(matches!(link.begin(&config()), Err(Failure::Down(left)) if left.as_secs() == 2));
        link.stop();
        assert!(matches!(link.begin(&config()), Err(Failure::Stopped)));
    }
}
