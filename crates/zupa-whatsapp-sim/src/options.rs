//! What a simulator is started with. Everything that is drawn is drawn from the seed.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The plan of a simulator.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the Graph API listens. Default a free port of this machine.
    pub listen: SocketAddr,
    /// Of every fault and every order. Default 0.
    pub seed: u64,
    /// The numbers that it knows. Default [`Number::default`] alone.
    pub numbers: Vec<Number>,
    /// What is allowed to a number.
    pub limits: Limits,
    /// What goes wrong. Default nothing.
    pub faults: Faults,
    /// How webhooks are posted.
    pub posting: Posting,
    /// Whether `/` is a page with everybody's phone. It asks for no password, so listen on
    /// an address of this machine alone. Default false.
    pub page: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            seed: 0,
            numbers: vec![Number::default()],
            limits: Limits::default(),
            faults: Faults::default(),
            posting: Posting::default(),
            page: false,
        }
    }
}

/// A number of a business, with the secrets of its app.
#[derive(Debug, Clone)]
pub struct Number {
    /// Meta's id of it; digits.
    pub phone_number_id: String,
    /// The number itself, as people see it; digits.
    pub display_phone_number: String,
    /// The bearer token that may use it.
    pub access_token: String,
    /// What its webhooks are signed with.
    pub app_secret: String,
    /// What the handshake says.
    pub verify_token: String,
    /// Where its webhooks go, `http://` only. Default nowhere: they wait until
    /// [`crate::Simulator::post_to`] tells.
    pub webhook: Option<String>,
}

impl Default for Number {
    fn default() -> Self {
        Self {
            phone_number_id: "100000000000001".to_owned(),
            display_phone_number: "15550000000".to_owned(),
            access_token: "the-token-that-sends".to_owned(),
            app_secret: "the-secret-of-the-app".to_owned(),
            verify_token: "the-token-of-the-handshake".to_owned(),
            webhook: None,
        }
    }
}

/// What Meta enforces. The defaults are Meta's.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Messages of a number within any second. Default 80.
    pub per_second: u32,
    /// Messages to one person at once, borrowed from the future. Default 45.
    pub pair_burst: u32,
    /// The pause between two messages to one person in the long run. Default 6 s.
    pub pair_pause: Duration,
    /// How long after a person's last message anything but a template may be sent to them.
    /// Default 24 h.
    pub window: Duration,
    /// How long the address of a piece of media is good. Default 5 min.
    pub media_address: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_second: 80,
            pair_burst: 45,
            pair_pause: Duration::from_secs(6),
            window: Duration::from_secs(24 * 3_600),
            media_address: Duration::from_secs(300),
        }
    }
}

/// How often what goes wrong, in a thousand, and for how long.
///
/// Those of a send exclude each other; their sum is at most 1,000.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    /// Sends that are taken, and the connection ends without an answer.
    pub lost_answers: u16,
    /// Sends that are not taken, and the connection ends without an answer.
    pub hang_ups: u16,
    /// Sends that are not taken, answered 503 without a body.
    pub empty_5xx: u16,
    /// Sends that are taken, answered 502 without a body.
    pub taken_5xx: u16,
    /// Sends that are not taken, answered with one of `error_codes`.
    pub errors: u16,
    /// Meta's codes for `errors`; without one there are none.
    pub error_codes: Vec<i64>,
    /// Sends that are taken and answered after `late`; their statuses may come first.
    pub late_answers: u16,
    /// For `late_answers`.
    pub late: Duration,
    /// Messages of which no status is ever posted.
    pub withheld_statuses: u16,
    /// Messages of which no `delivered` is posted, as when they are read at once.
    pub skipped_delivered: u16,
    /// Messages that fail after they were `sent`; nobody sees them.
    pub failed_statuses: u16,
    /// Requests that are posted a second time after they were answered 200.
    pub duplicates: u16,
    /// Each message and each status waits up to this before it is posted, so that they
    /// overtake each other.
    pub shuffle: Duration,
    /// Each message and each status waits this long before it is posted.
    pub delay: Duration,
}

/// How webhooks are posted.
#[derive(Debug, Clone, Copy)]
pub struct Posting {
    /// The most messages and statuses of one request: 5 in a change, 4 changes in an
    /// entry. Default 1.
    pub batch: usize,
    /// How long a request waits for more of them. Default not at all.
    pub gather: Duration,
    /// Requests at once, of one number. Default 8.
    pub at_once: usize,
    /// Before the first redelivery of what was not answered 200; doubled each time.
    /// Default 200 ms.
    pub back_off: Duration,
    /// The longest of these pauses. Default 30 s.
    pub longest_back_off: Duration,
    /// For one request. Default 10 s.
    pub timeout: Duration,
    /// Between `sent`, `delivered` and `read`. Default 20 ms.
    pub between_statuses: Duration,
}

impl Default for Posting {
    fn default() -> Self {
        Self {
            batch: 1,
            gather: Duration::ZERO,
            at_once: 8,
            back_off: Duration::from_millis(200),
            longest_back_off: Duration::from_secs(30),
            timeout: Duration::from_secs(10),
            between_statuses: Duration::from_millis(20),
        }
    }
}
