//! Where messages come in, and how many: `[server]`, `[[channel]]`,
//! `[web_chat]` and `[limits]`.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};
use zupa_core::SecretRef;

use super::secret;

/// The one port, `[server]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port to listen on; port 0 takes a free one. Default
    /// `127.0.0.1:7700`; `ZUPA__SERVER__LISTEN`.
    pub listen: SocketAddr,
    /// `Host` header values that are answered beside the listen address. None
    /// by default; `ZUPA__SERVER__ALLOWED_HOSTS`, separated by commas.
    pub allowed_hosts: Vec<String>,
    /// Requests of one address that are answered a minute; 0 sets no limit, and
    /// this machine has none. Default 600; `ZUPA__SERVER__RATE_PER_MINUTE_PER_IP`.
    pub rate_per_minute_per_ip: u32,
    /// Requests with one bearer token that are answered a minute; 0 sets no limit,
    /// and in `dev` this machine has none. Default 600;
    /// `ZUPA__SERVER__RATE_PER_MINUTE_PER_TOKEN`.
    pub rate_per_minute_per_token: u32,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7700)),
            allowed_hosts: Vec::new(),
            rate_per_minute_per_ip: 600,
            rate_per_minute_per_token: 600,
        }
    }
}

/// One door, `[[channel]]`. All of them can be set as one TOML array in
/// `ZUPA__CHANNEL`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Channel {
    /// Unique in the installation: 1 to 64 of `a-z 0-9 _ -`. Required;
    /// `main` in the default channel.
    pub id: String,
    /// What kind of door. Required; `web-chat` in the default channel.
    pub kind: ChannelKind,
    /// The tenant that it belongs to. Default `default`.
    pub tenant: String,
    /// Hours of the day in which nothing leaves that nobody has asked for, as
    /// `22:00-07:00`. Unset by default; not for `web-chat`.
    pub quiet_hours: Option<String>,
    /// The time zone of `quiet_hours`, as the tz database has it. Default `UTC`.
    pub time_zone: String,
    /// Meta's id of the number, 1 to 32 digits. Unset by default; `whatsapp-cloud` needs
    /// one, and it and all that follows is for that kind alone.
    pub phone_number_id: Option<String>,
    /// Where the Graph API listens, its version included. Default
    /// `https://graph.facebook.com/v23.0`.
    pub graph_url: String,
    /// The token that sends. Unset by default; `whatsapp-cloud` needs one.
    #[serde(with = "secret")]
    pub access_token: Option<SecretRef>,
    /// The app's secrets, any of which may have signed what is posted: two while one
    /// replaces the other. None by default, and then there is no webhook.
    #[serde(with = "secret::list")]
    pub app_secrets: Vec<SecretRef>,
    /// What Meta says in its handshake. Unset by default, and then every handshake is
    /// refused.
    #[serde(with = "secret")]
    pub verify_token: Option<SecretRef>,
    /// What becomes of a send of which nobody knows whether it left. Default `review`.
    pub on_unknown: OnUnknown,
    /// Messages a second in all that the number may send, by each process. Default 80.
    pub messages_per_second: u32,
    /// What becomes of a message to somebody who has not written for 24 hours. Default
    /// `review`.
    pub window_closed: WindowClosed,
    /// Hours that a message waits with `window_closed = "wait"`; then an operator decides.
    /// Default 168, a week.
    pub window_wait_hours: u32,
    /// The template that such a message goes into. Unset by default; `window_closed =
    /// "template"` needs one.
    pub template_name: Option<String>,
    /// The template's language. Default `en`.
    pub template_language: String,
    /// Whether people see that the agent is at work, and that their message was read.
    /// Default true.
    pub typing: bool,
    /// The browser's profile, and what is kept between lives. Unset by default;
    /// `wwebjs-bridge` needs one, and it and all that follows is for that kind alone.
    pub session_dir: Option<String>,
    /// Where the sidecar is laid out and its library installed. Unset by default: the
    /// folder `sidecar` in `session_dir`.
    pub sidecar_dir: Option<String>,
    /// Node, as an absolute path. Default `/usr/bin/node`.
    pub node: String,
    /// Chromium, as an absolute path. Default `/usr/bin/chromium`.
    pub chromium: String,
    /// Whether Chromium has its sandbox. Default true.
    pub chromium_sandbox: bool,
    /// The phone's number, 8 to 15 digits, to pair by a code. Unset by default, and then a
    /// QR code is shown.
    pub pair_with: Option<String>,
    /// Messages that leave in an hour. Default 60.
    pub sends_per_hour: u32,
    /// Milliseconds between two messages at least. Default 2000.
    pub send_gap_ms: u64,
    /// People who have never written and are written to in an hour. Default 0.
    pub first_contacts_per_hour: u32,
    /// Hours after which what was missed is not answered any more. Default 24.
    pub backlog_hours: u32,
    /// Whether what is said in groups is answered. Default false.
    pub groups: bool,
}

impl Default for Channel {
    fn default() -> Self {
        Self {
            id: "main".to_owned(),
            kind: ChannelKind::WebChat,
            tenant: "default".to_owned(),
            quiet_hours: None,
            time_zone: "UTC".into(),
            phone_number_id: None,
            graph_url: "https://graph.facebook.com/v23.0".to_owned(),
            access_token: None,
            app_secrets: Vec::new(),
            verify_token: None,
            on_unknown: OnUnknown::Review,
            messages_per_second: 80,
            window_closed: WindowClosed::Review,
            window_wait_hours: 168,
            template_name: None,
            template_language: "en".to_owned(),
            typing: true,
            session_dir: None,
            sidecar_dir: None,
            node: "/usr/bin/node".to_owned(),
            chromium: "/usr/bin/chromium".to_owned(),
            chromium_sandbox: true,
            pair_with: None,
            sends_per_hour: 60,
            send_gap_ms: 2_000,
            first_contacts_per_hour: 0,
            backlog_hours: 24,
            groups: false,
        }
    }
}

/// What kind of door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelKind {
    /// `POST /chat/…` and an event stream.
    WebChat,
    /// A number of WhatsApp's Cloud API.
    #[serde(rename = "whatsapp-cloud")]
    WhatsAppCloud,
    /// An ordinary WhatsApp phone, by whatsapp-web.js.
    #[serde(rename = "wwebjs-bridge")]
    WwebjsBridge,
}

/// What becomes of a send of which nobody knows whether it left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    /// It is shown to an operator.
    Review,
    /// It is sent again, and counted and shown as possibly doubled.
    Resend,
}

/// What becomes of a message to somebody who has not written for 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WindowClosed {
    /// It is shown to an operator.
    Review,
    /// It waits until they write.
    Wait,
    /// It is cancelled.
    Drop,
    /// It goes into a template.
    Template,
}

impl ChannelKind {
    /// True where nobody can write from an alias that is not theirs.
    pub fn vouches_for_aliases(self) -> bool {
        match self {
            // It stands in the address of the page.
            Self::WebChat => false,
            // The platform says who writes, and signs it.
            Self::WhatsAppCloud | Self::WwebjsBridge => true,
        }
    }
}

/// The web chat beside its channels, `[web_chat]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebChat {
    /// Signs the sessions of visitors. Unset by default, `prod` requires it;
    /// `ZUPA__WEB_CHAT__SESSION_SECRET`.
    #[serde(with = "secret")]
    pub session_secret: Option<SecretRef>,
}

/// What may be under way at once, `[limits]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Turns that run at once in this process. Default 2048;
    /// `ZUPA__LIMITS__TURNS_IN_FLIGHT`.
    pub turns_in_flight: usize,
    /// Messages of one conversation that are answered in a minute by one process;
    /// what is more ends as refused; 0: no limit. Default 20;
    /// `ZUPA__LIMITS__PER_USER_PER_MINUTE`.
    pub per_user_per_minute: u32,
    /// The same for all conversations of a tenant. Default 0;
    /// `ZUPA__LIMITS__PER_TENANT_PER_MINUTE`.
    pub per_tenant_per_minute: u32,
    /// Accepted inbounds that may wait before a door refuses. Default 100000;
    /// `ZUPA__LIMITS__BACKLOG`.
    pub backlog: usize,
    /// Milliseconds that a person's message may wait for a turn, or would at the
    /// present pace, before doors refuse; 0: no limit. Default 20000;
    /// `ZUPA__LIMITS__QUEUE_AGE_MS`.
    pub queue_age_ms: u64,
    /// Percent of the processors that it is allowed the process may take before
    /// doors refuse; 0: no limit. Default 0; `ZUPA__LIMITS__CPU_PERCENT`.
    pub cpu_percent: u32,
    /// The same for the memory. Default 90; `ZUPA__LIMITS__MEMORY_PERCENT`.
    pub memory_percent: u32,
    /// Bytes of one inbound payload. Default 65536;
    /// `ZUPA__LIMITS__PAYLOAD_BYTES`.
    pub payload_bytes: usize,
    /// Rounds of tool calls in one turn, after which the model has to answer.
    /// Default 8; `ZUPA__LIMITS__TOOL_ROUNDS`.
    pub tool_rounds: u32,
    /// Tokens of prompts and answers in one turn, after which the model has to
    /// answer; 0 sets no limit. Default 200000; `ZUPA__LIMITS__TURN_TOKENS`.
    pub turn_tokens: u64,
    /// What the model may cost in one turn, in the unit of its prices, after which
    /// it has to answer; 0 sets no limit. Unset by default;
    /// `ZUPA__LIMITS__TURN_COST`.
    pub turn_cost: Option<f64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            turns_in_flight: 2_048,
            per_user_per_minute: 20,
            per_tenant_per_minute: 0,
            backlog: 100_000,
            queue_age_ms: 20_000,
            cpu_percent: 0,
            memory_percent: 90,
            payload_bytes: 65_536,
            tool_rounds: 8,
            turn_tokens: 200_000,
            turn_cost: None,
        }
    }
}
