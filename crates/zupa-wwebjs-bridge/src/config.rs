//! What one phone must be told. Only the binary reads files and variables.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use zupa_core::{ChannelId, Error, Result, TenantId};

use crate::event::Groups;

/// One phone. The keys named are those of `[[channel]]` in `zupa.toml`; the crate itself
/// reads none.
#[derive(Clone)]
pub struct WwebjsConfig {
    /// Names the door; `id`.
    pub channel: ChannelId,
    /// Whose it is; `tenant`.
    pub tenant: TenantId,
    /// The browser's profile, and what is kept between lives; made with mode 0700. One
    /// process at a time; `session_dir`.
    pub session_dir: PathBuf,
    /// Where the sidecar is laid out and its library is installed. Default `sidecar` in
    /// `session_dir`; `sidecar_dir`.
    pub sidecar_dir: PathBuf,
    /// Node, 20 or later; an absolute path. Default `/usr/bin/node`; `node`.
    pub node: PathBuf,
    /// Chromium; an absolute path. Default `/usr/bin/chromium`; `chromium`.
    pub chromium: PathBuf,
    /// False where Chromium cannot have its sandbox: as root, in most containers. Default
    /// true; `chromium_sandbox`.
    pub sandbox: bool,
    /// The phone's number, digits alone, to pair by a code instead of a QR code. Unset by
    /// default; `pair_with`.
    pub pair_with: Option<String>,
    /// Messages that leave in an hour. Default 60; `sends_per_hour`.
    pub sends_per_hour: u32,
    /// The shortest time between two messages; each is longer by a share of it that is left
    /// to chance. Default 2 s; `send_gap_ms`.
    pub send_gap: Duration,
    /// People who have never written and are written to in an hour. Default 0;
    /// `first_contacts_per_hour`.
    pub first_contacts_per_hour: u32,
    /// What was said longer ago than this while nobody listened is not answered. Default
    /// 24 h; `backlog_hours`.
    pub backlog: Duration,
    /// Whether what is said in groups is answered. Default `Ignore`; `groups`.
    pub groups: Groups,
    /// The longest text of one message, in bytes; what is longer is left out, since accept
    /// would refuse its whole batch. Default 65536.
    pub payload_bytes: usize,
    /// Times and limits that only tests have reason to change.
    pub pulse: Pulse,
}

/// How long things may take, and how much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    /// Between two signs of life, in each direction. Default 5 s.
    pub beat: Duration,
    /// Without a whole frame for this long the other side is dead. Default 20 s.
    pub dead: Duration,
    /// From the start to a code, or to a session that is still good. Default 2 min.
    pub start: Duration,
    /// From there to `ready`. Default 3 min.
    pub ready: Duration,
    /// Between two looks at the page. Default 30 s.
    pub probe: Duration,
    /// Before the first restart after a death, doubled for each further one. Default 1 s.
    pub restart_base: Duration,
    /// Before a restart at most. Default 5 min.
    pub restart_cap: Duration,
    /// Between two starts of which the first never became ready. Default 1 min.
    pub unready_pause: Duration,
    /// The same where WhatsApp has blocked the account. Default 15 min.
    pub blocked_pause: Duration,
    /// Events that are kept without being confirmed, at which the client goes offline.
    /// Default 10000.
    pub spool_events: u32,
    /// The same in bytes. Default 32 MiB.
    pub spool_bytes: u32,
}

impl Default for Pulse {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            beat: Duration::from_secs(5),
            dead: Duration::from_secs(20),
            start: 2 * MINUTE,
            ready: 3 * MINUTE,
            probe: Duration::from_secs(30),
            restart_base: Duration::from_secs(1),
            restart_cap: 5 * MINUTE,
            unready_pause: MINUTE,
            blocked_pause: 15 * MINUTE,
            spool_events: 10_000,
            spool_bytes: 32 << 20,
        }
    }
}

impl WwebjsConfig {
    /// A phone that is paired by a QR code.
    pub fn new(channel: ChannelId, tenant: TenantId, session_dir: impl Into<PathBuf>) -> Self {
        let session_dir = session_dir.into();
        Self {
            channel,
            tenant,
            sidecar_dir: session_dir.join("sidecar"),
            session_dir,
            node: "/usr/bin/node".into(),
            chromium: "/usr/bin/chromium".into(),
            sandbox: true,
            pair_with: None,
            sends_per_hour: 60,
            send_gap: Duration::from_secs(2),
            first_contacts_per_hour: 0,
            backlog: Duration::from_secs(24 * 60 * 60),
            groups: Groups::Ignore,
            payload_bytes: 65_536,
            pulse: Pulse::default(),
        }
    }

    /// Checks all fields and names every problem at once.
    pub(crate) fn check(&self) -> Result<()> {
        let mut problems = Vec::new();
        if self.session_dir.as_os_str().is_empty() {
            problems.push("session_dir is empty");
        }
        if !self.node.is_absolute() {
            problems.push("node is no absolute path");
        }
        if !self.chromium.is_absolute() {
            problems.push("chromium is no absolute path");
        }
        let is_number = |text: &String| {
            (8..=15).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if self.pair_with.as_ref().is_some_and(|text| !is_number(text)) {
            problems.push("pair_with is not 8 to 15 digits, the country's code first");
        }
        if self.sends_per_hour == 0 {
            problems.push("sends_per_hour is 0");
        }
        if problems.is_empty() {
            return Ok(());
        }
        let message = format!("the configuration of a phone: {}", problems.join("; "));
        Err(Error::invalid(message).with("channel", &self.channel))
    }
}

impl fmt::Debug for WwebjsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WwebjsConfig")
            .field("channel", &self.channel)
            .field("session_dir", &self.session_dir)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_at_once_and_no_number() {
        let channel = ChannelId::parse("phone").unwrap();
        let config = WwebjsConfig {
            node: "node".into(),
            chromium: "chromium".into(),
            pair_with: Some("+1 555".to_owned()),
            sends_per_hour: 0,
            ..WwebjsConfig::new(channel, TenantId::default_tenant(), "")
        };
        let message = config.check().unwrap_err().to_string();
        for part in [
            "session_dir",
            "node",
            "chromium",
            "pair_with",
            "sends_per_hour",
        ] {
            assert!(message.contains(part), "{part} in {message}");
        }
        assert!(!format!("{message} {config:?}").contains("555"));
    }
}
