//! How a phone is, for whoever wants to know.

pub use zupa_core::standing::{Pairing, State, Status};

use zupa_core::Standing;

use crate::door::WwebjsBridge;

impl WwebjsBridge {
    /// How the phone stands, for operators.
    pub fn standing(&self) -> Standing {
        Standing {
            channel: self.0.config.channel.clone(),
            tenant: self.0.config.tenant.clone(),
            kind: "wwebjs-bridge",
            status: self.status(),
        }
    }
}

/// As the sidecar says it; a state that is not known is no good one.
pub(crate) fn read(state: &str, reason: Option<&str>) -> State {
    let reason = reason.map_or("unknown", word);
    match state {
        "starting" => State::Starting,
        "authenticated" => State::Authenticated,
        "ready" => State::Ready,
        "blocked" => State::Blocked(reason),
        _ => State::Degraded(reason),
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
        let state = read("degraded", Some("net::ERR at 15550001111"));
        assert_eq!(state, State::Degraded("unknown"));
        assert_eq!(read("levitating", None), State::Degraded("unknown"));
        let state = read("blocked", Some("tos_block"));
        assert_eq!(
            (state.as_str(), state.reason()),
            ("blocked", Some("tos_block"))
        );
    }
}
