//! The table of keys: the one list from which unknown keys are found, values are
//! checked, and the schema and the documentation are printed. A test holds it
//! and the structs together.

use super::keys::Fallback::{
    Empty, Integer as Int, OneWebChat, Required, Switch as Bool, Text as Str, Unset,
};
use super::keys::Kind::{
    Address, Choice, Hosts, HttpUrl, Integer, Log, Name, Number, Secret, StoreUrl, Switch, Tables,
    Text,
};
use super::keys::{Fallback, Key, Kind};

const HOUR: i64 = 3_600_000;
const PATH: usize = 4_096;

const fn key(path: &'static str, kind: Kind, default: Fallback, doc: &'static str) -> Key {
    Key {
        path,
        kind,
        default,
        doc,
    }
}

/// Every key, in the order in which they are documented.
#[rustfmt::skip]
pub const TABLE: &[Key] = &[
    key("profile", Choice(&["dev", "staging", "prod"]), Str("dev"), "how careful the process is; prod refuses unsafe settings"),

    key("server.listen", Address, Str("127.0.0.1:7700"), "address and port to listen on; port 0 takes a free one"),
    key("server.allowed_hosts", Hosts, Empty, "Host header values that are answered beside the listen address"),

    key("store.url", StoreUrl, Str("sqlite://.zupa/zupa.db"), "where everything is kept; the path of a SQLite file is relative to the working directory"),
    key("store.password", Secret, Unset, "the password of the Postgres URL's user, by reference"),
    key("store.pooled", Switch, Bool(false), "a pooler before Postgres gives each transaction another connection"),
    key("store.durability", Choice(&["full", "normal"]), Str("full"), "full: a commit survives a power cut; normal: it survives a crash of the process"),
    key("store.heartbeat_ms", Integer(10, 60_000), Int(2_000), "milliseconds between signs of life of a process"),
    key("store.claim_expiry_ms", Integer(20, 600_000), Int(10_000), "milliseconds without a sign of life after which others take a claim over"),

    key("agent.name", Text(64), Str("assistant"), "what the agent is called"),
    key("agent.prompt", Text(200_000), Unset, "the system prompt; unset, the built-in one"),
    key("agent.prompt_file", Text(PATH), Unset, "a file with the system prompt, relative to the working directory"),
    key("agent.language", Choice(&["en", "pt"]), Str("en"), "language of the texts that Zupa itself sends"),
    key("agent.journal", Choice(&["step", "turn"]), Str("step"), "when results of effects are recorded; turn is not available yet"),
    key("agent.history_messages", Integer(0, 1_000), Int(20), "earlier messages that the model sees"),
    key("agent.burst.silence_ms", Integer(0, 60_000), Int(0), "milliseconds of silence that end a burst of messages; 0 answers at once"),
    key("agent.burst.max_wait_ms", Integer(1, 600_000), Int(5_000), "milliseconds after which a burst ends anyway"),
    key("agent.burst.max_count", Integer(1, 1_000), Int(20), "messages after which a burst ends anyway"),
    key("agent.texts.fallback", Text(4_096), Unset, "sent when no answer could be made; unset, the text of the language"),

    key("model.provider", Choice(&["openai", "scripted"]), Unset, "who completes; unset, zupa dev takes openai if OPENAI_API_KEY is set, else scripted"),
    key("model.base_url", HttpUrl, Str("https://api.openai.com/v1"), "where the provider listens"),
    key("model.name", Text(256), Unset, "the provider's name for the model"),
    key("model.api_key", Secret, Unset, "the provider's key, by reference"),
    key("model.script", Text(PATH), Unset, "TOML file with the rules of the scripted model, relative to the working directory"),
    key("model.temperature", Number(0.0, 2.0), Unset, "sampling temperature; unset, the provider's"),
    key("model.max_tokens", Integer(1, 10_000_000), Unset, "tokens of one completion; unset, the provider's"),

    key("channel", Tables, OneWebChat, "the doors; setting any replaces the default one"),
    key("channel[].id", Name, Required, "name of the door, unique in the installation"),
    key("channel[].kind", Choice(&["web-chat"]), Required, "what kind of door"),
    key("channel[].tenant", Name, Str("default"), "the tenant that the door belongs to"),

    key("web_chat.session_secret", Secret, Unset, "signs the sessions of visitors, by reference; prod requires it"),

    key("policy.model.timeout_ms", Integer(1, HOUR), Int(30_000), "milliseconds of one try of the model"),
    key("policy.model.connect_timeout_ms", Integer(1, HOUR), Int(5_000), "milliseconds until the model is connected"),
    key("policy.model.first_byte_timeout_ms", Integer(1, HOUR), Int(20_000), "milliseconds until the first byte of the model's answer"),
    key("policy.model.idle_timeout_ms", Integer(1, HOUR), Int(15_000), "milliseconds between two pieces of the model's answer"),
    key("policy.model.retries", Integer(0, 20), Int(3), "tries after the first"),
    key("policy.model.base_ms", Integer(1, HOUR), Int(1_000), "milliseconds before the first retry, doubled for each further one"),
    key("policy.model.cap_ms", Integer(1, HOUR), Int(30_000), "milliseconds before a retry at most"),
    key("policy.store.timeout_ms", Integer(1, HOUR), Int(5_000), "milliseconds of one call of the store"),
    key("policy.channel.timeout_ms", Integer(1, HOUR), Int(10_000), "milliseconds of one send"),
    key("policy.turn.timeout_ms", Integer(1, HOUR), Int(120_000), "milliseconds of a whole turn"),

    key("limits.turns_in_flight", Integer(1, 65_536), Int(2_048), "turns that run at once in this process"),
    key("limits.backlog", Integer(1, 100_000_000), Int(100_000), "accepted inbounds that may wait before a door refuses"),
    key("limits.payload_bytes", Integer(1_024, 16_777_216), Int(65_536), "bytes of one inbound payload"),

    key("retention.dedupe_days", Integer(2, 3_650), Int(14), "days that a platform id is remembered; an older inbound ends as expired"),
    key("retention.raw_days", Integer(0, 3_650), Int(14), "days that raw payloads are kept"),

    key("shutdown.deadline_ms", Integer(0, 600_000), Int(10_000), "milliseconds from the first signal to the end"),

    key("telemetry.log", Log, Str("info"), "level, or levels by target as in info,zupa_http=debug"),
    key("telemetry.format", Choice(&["auto", "json", "text"]), Str("auto"), "how a log line looks; auto: text on a terminal, JSON elsewhere"),
];

/// Keys and sections of the design that this version does not read. Naming them
/// saves their users a search for a typing error.
#[rustfmt::skip]
pub(super) const LATER: &[&str] = &[
    "intake", "redis", "mcp", "dlq", "idempotency", "operator",
    "agent.on_model_down", "agent.session", "agent.texts.overload", "agent.texts.model_down",
    "policy.tool", "policy.transcriber", "policy.synthesizer",
    "policy.model.total_timeout_ms", "policy.model.jitter", "policy.model.budget", "policy.model.breaker",
    "limits.per_user_per_minute", "limits.per_tenant_per_minute",
];
