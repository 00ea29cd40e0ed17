//! How a phone is, for whoever wants to know.

use zupa_core::Timestamp;

/// How a phone is at a moment.
#[derive(Clone, PartialEq, Eq)]
pub struct Status {
    /// Whether messages come and go.
    pub state: State,
    /// Since when. Wall time.
    pub since: Timestamp,
    /// What a person has to give the phone, while it waits for that.
    pub pairing: Option<Pairing>,
    /// How often the sidecar was started.
    pub starts: u64,
}

/// Whether messages come and go. The reasons are words of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The sidecar, its browser or its page is on the way, or waits to be paired.
    Starting,
    /// The phone knows us; what was missed is being fetched.
    Authenticated,
    /// Messages come and go.
    Ready,
    /// Nothing leaves for now; it is tried again.
    Degraded(&'static str),
    /// WhatsApp has stopped the account, or a human has to act. Nothing leaves.
    Blocked(&'static str),
}

/// What a person has to give the phone. Whoever has it can link to the account.
#[derive(Clone, PartialEq, Eq)]
pub enum Pairing {
    /// The content of a QR code.
    Qr(String),
    /// Eight characters.
    Code(String),
}

impl std::fmt::Debug for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Status({:?} since {})", self.state, self.since)
    }
}

impl std::fmt::Debug for Pairing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pairing(***)")
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

    /// As the sidecar says it; a state that is not known is no good one.
    pub(crate) fn read(state: &str, reason: Option<&str>) -> Self {
        let reason = reason.map_or("unknown", word);
        match state {
            "starting" => Self::Starting,
            "authenticated" => Self::Authenticated,
            "ready" => Self::Ready,
            "blocked" => Self::Blocked(reason),
            _ => Self::Degraded(reason),
        }
    }
}

/// Every reason there is. What the other side says is only ever compared with them.
const REASONS: [&str; 41] = [
    // Of the sidecar and its client.
    "auth_failure",
    "bad_frame",
    "browser_gone",
    "catch_up_failed",
    "disconnected",
    "disk",
    "never_ready",
    "no_browser",
    "no_network",
    "not_loaded",
    "page_closed",
    "page_crashed",
    "page_hung",
    "protocol",
    "spool_full",
    "start_failed",
    "stopped",
    "supervisor_gone",
    "supervisor_silent",
    "uncaught",
    "unlinked",
    // Of the connection, as WhatsApp names it.
    "conflict",
    "deprecated_version",
    "opening",
    "pairing",
    "proxyblock",
    "smb_tos_block",
    "timeout",
    "tos_block",
    "unlaunched",
    "unpaired",
    "unpaired_idle",
    // Of the supervisor.
    "died",
    "library_missing",
    "library_version",
    "no_hello",
    "no_node",
    "session_dir",
    "session_in_use",
    "silent",
    // Of sends.
    "not_started",
];

/// The same word out of the program, or `unknown`.
pub(crate) fn word(reason: &str) -> &'static str {
    REASONS
        .into_iter()
        .find(|known| *known == reason)
        .unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_other_side_is_repeated() {
        let state = State::read("degraded", Some("net::ERR at 15550001111"));
        assert_eq!(state, State::Degraded("unknown"));
        assert_eq!(State::read("levitating", None), State::Degraded("unknown"));
        let state = State::read("blocked", Some("tos_block"));
        assert_eq!(
            (state.as_str(), state.reason()),
            ("blocked", Some("tos_block"))
        );
    }
}
