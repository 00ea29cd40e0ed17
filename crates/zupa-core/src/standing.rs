//! How a channel stands, for whoever wants to know: operators and their tools.
//!
//! A concrete handle, as [`crate::Intake`] is: a channel that has a state of its own keeps
//! the sender and hands the handle out. Nothing of the path looks at it.

use std::fmt;

use tokio::sync::watch;

use crate::id::{ChannelId, TenantId};
use crate::time::Timestamp;

/// One channel, and how it stands now and at each change. Clones are the same.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Names the channel.
    pub channel: ChannelId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What is behind it, a word of the program: `web-chat`, `whatsapp-cloud`, …
    pub kind: &'static str,
    /// How it stands. Of a channel that is gone it keeps the last.
    pub status: watch::Receiver<Status>,
}

/// How a channel stands at a moment.
#[derive(Clone, PartialEq, Eq)]
pub struct Status {
    /// Whether messages come and go.
    pub state: State,
    /// Since when. Wall time.
    pub since: Timestamp,
    /// What a person has to give a phone, while the channel waits for that.
    pub pairing: Option<Pairing>,
    /// How often what is behind the channel was started.
    pub starts: u64,
}

/// Whether messages come and go. The reasons are words of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// What is behind the channel is on the way, or waits to be paired.
    Starting,
    /// The platform knows us; what was missed is being fetched.
    Authenticated,
    /// Messages come and go.
    Ready,
    /// Nothing leaves for now; it is tried again.
    Degraded(&'static str),
    /// The platform has stopped the account, or a human has to act. Nothing leaves.
    Blocked(&'static str),
}

/// What a person has to give a phone. Whoever has it can link to the account.
#[derive(Clone, PartialEq, Eq)]
pub enum Pairing {
    /// The content of a QR code.
    Qr(String),
    /// Some characters to type.
    Code(String),
}

impl Standing {
    /// A channel that has no state of its own: ready since it was opened.
    pub fn ready(
        channel: ChannelId,
        tenant: TenantId,
        kind: &'static str,
        since: Timestamp,
    ) -> Self {
        let (_, status) = watch::channel(Status {
            state: State::Ready,
            since,
            pairing: None,
            starts: 1,
        });
        Self {
            channel,
            tenant,
            kind,
            status,
        }
    }

    /// How it stands now.
    pub fn now(&self) -> Status {
        self.status.borrow().clone()
    }
}

impl State {
    /// A stable word: `starting`, `authenticated`, `ready`, `degraded` or `blocked`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Authenticated => "authenticated",
            Self::Ready => "ready",
            Self::Degraded(_) => "degraded",
            Self::Blocked(_) => "blocked",
        }
    }

    /// Why it is not ready, where that is known.
    pub fn reason(self) -> Option<&'static str> {
        match self {
            Self::Degraded(reason) | Self::Blocked(reason) => Some(reason),
            Self::Starting | Self::Authenticated | Self::Ready => None,
        }
    }
}

impl Pairing {
    /// A stable word: `qr` or `code`.
    pub fn way(&self) -> &'static str {
        match self {
            Self::Qr(_) => "qr",
            Self::Code(_) => "code",
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({:?} since {})", self.state, self.since)
    }
}

impl fmt::Debug for Pairing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pairing(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_without_a_state_of_its_own_is_ready_and_no_code_is_printed() {
        let channel = ChannelId::parse("main").unwrap();
        let standing = Standing::ready(
            channel,
            TenantId::default_tenant(),
            "web-chat",
            Timestamp(7),
        );
        let now = standing.now();
        assert_eq!((now.state, now.since), (State::Ready, Timestamp(7)));
        let waiting = Status {
            pairing: Some(Pairing::Code("ABCD1234".to_owned())),
            ..now
        };
        let printed = format!("{waiting:?} {:?}", waiting.pairing);
        assert!(!printed.contains("ABCD"), "{printed}");
    }
}
