//! The table of keys: the one list from which unknown keys are found, values are
//! checked, and the schema and the documentation are printed. A test holds it
//! and the structs together.

use super::keys::Fallback::{
    As, Empty, EmptyTable, Integer as Int, NoParameters, Number as Num, OneWebChat, Required,
    Switch as Bool, Text as Str, Unset,
};
use super::keys::Kind::{
    Address, Choice, ChoiceTable, Hosts, HttpUrl, Integer, Jitter, Log, Name, Number, Saying,
    Schema, Secret, SecretTable, StoreUrl, Switch, Tables, Text, TextTable, Texts, ToolName,
    UrlTemplate,
};
use super::keys::{Fallback, Key, Kind};

const HOUR: i64 = 3_600_000;
const PATH: usize = 4_096;
const EFFECTS: &[&str] = &["pure", "idempotent", "reconcile", "at_most_once"];

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
    key("server.rate_per_minute_per_ip", Integer(0, 1_000_000), Int(600), "requests to /chat and /api of one address that are answered a minute, in each process; 0 sets no limit, and this machine has none"),
    key("server.rate_per_minute_per_token", Integer(0, 1_000_000), Int(600), "requests with one bearer token that are answered a minute, in each process; 0 sets no limit, and in dev this machine has none"),

    key("store.url", StoreUrl, Str("sqlite://.zupa/zupa.db"), "where everything is kept; the path of a SQLite file is relative to the working directory"),
    key("store.password", Secret, Unset, "the password of the Postgres URL's user, by reference"),
    key("store.pooled", Switch, Bool(false), "a pooler before Postgres gives each transaction another connection"),
    key("store.durability", Choice(&["full", "normal"]), Str("full"), "full: a commit survives a power cut; normal: it survives a crash of the process"),
    key("store.cache_mib", Integer(1, 65_536), Int(16), "mebibytes of pages that a SQLite store keeps in memory for its writer"),
    key("store.heartbeat_ms", Integer(10, 60_000), Int(2_000), "milliseconds between signs of life of a process"),
    key("store.claim_expiry_ms", Integer(20, 600_000), Int(10_000), "milliseconds without a sign of life after which others take a claim over"),

    key("agent.name", Text(64), Str("assistant"), "what the agent is called"),
    key("agent.prompt", Text(200_000), Unset, "the system prompt; unset, the built-in one"),
    key("agent.prompt_file", Text(PATH), Unset, "a file with the system prompt, relative to the working directory"),
    key("agent.language", Choice(&["en", "pt"]), Str("en"), "language of the texts that Zupa itself sends"),
    key("agent.language_file", Text(PATH), Unset, "a TOML file with those texts instead of a built-in language, relative to the working directory"),
    key("agent.admins", Texts(255), Empty, "who may use the commands of administrators: `channel/alias`, the alias as the channel spells it, or the alias alone where there is one channel"),
    key("agent.journal", Choice(&["step", "turn"]), Str("step"), "when results of effects are recorded"),
    key("agent.on_model_down", Choice(&["hold", "reply"]), Str("hold"), "what becomes of a turn whose model's provider fails: it waits until the provider works again, or ends with the fallback text"),
    key("agent.answer_within_hours", Integer(1, 8_760), Int(24), "hours after a message in which an answer that waits for the model's provider is still given"),
    key("agent.history_messages", Integer(0, 1_000), Int(20), "earlier messages that the model sees"),
    key("agent.modality", Choice(&["text", "voice", "mirror", "dynamic"]), Unset, "whether answers are spoken, where the channel carries voice: never, always, to whoever spoke, or what can be listened to; unset, mirror with a synthesizer, else text"),
    key("agent.burst.silence_ms", Integer(0, 60_000), Int(0), "milliseconds of silence that end a burst of messages; 0 answers at once"),
    key("agent.burst.max_wait_ms", Integer(1, 600_000), Int(5_000), "milliseconds after which a burst ends anyway"),
    key("agent.burst.max_count", Integer(1, 1_000), Int(20), "messages after which a burst ends anyway"),
    key("agent.session.idle_minutes", Integer(1, 525_600), Int(15), "minutes of silence after which a message begins a new session"),
    key("agent.session.model_summaries", Switch, Bool(true), "whether a model summarises a session that has ended, for the agent's memory"),
    key("agent.session.model_ends", Switch, Bool(false), "whether the model may end a session with its answer"),
    key("agent.waits.confirm_minutes", Integer(1, 525_600), Int(10), "minutes that a person has to confirm a call"),
    key("agent.waits.approve_hours", Integer(1, 8_760), Int(48), "hours that operators have to approve a call"),
    key("agent.waits.human_minutes", Integer(1, 525_600), Int(30), "minutes that operators have to take a conversation over, when a human is wanted"),
    key("agent.waits.overdue_minutes", Integer(1, 525_600), Int(60), "minutes after which an open review is shown as overdue"),
    key("agent.texts.fallback", Saying(4_096), Unset, "sent when no answer could be made; empty sends nothing; unset, the text of the language"),
    key("agent.texts.overload", Saying(4_096), Unset, "sent, once in a while, to whoever writes more than is answered; empty sends nothing; unset, the text of the language"),
    key("agent.texts.model_down", Saying(4_096), Unset, "sent once when the model's provider fails and the answer has to wait; empty sends nothing; unset, the text of the language"),

    key("model.provider", Choice(&["openai", "scripted"]), Unset, "who completes; unset, zupa dev takes openai if OPENAI_API_KEY is set, else scripted"),
    key("model.base_url", HttpUrl, Str("https://api.openai.com/v1"), "where the provider listens"),
    key("model.name", Text(256), Unset, "the provider's name for the model"),
    key("model.api_key", Secret, Unset, "the provider's key, by reference"),
    key("model.script", Text(PATH), Unset, "TOML file with the rules of the scripted model, relative to the working directory"),
    key("model.temperature", Number(0.0, 2.0), Unset, "sampling temperature; unset, the provider's"),
    key("model.max_tokens", Integer(1, 10_000_000), Unset, "tokens of one completion; unset, the provider's"),
    key("model.price_in", Number(0.0, 1_000_000.0), Unset, "what a million tokens of prompts cost, in any currency; together with price_out"),
    key("model.price_out", Number(0.0, 1_000_000.0), Unset, "what a million tokens of answers cost, in the same currency"),
    key("model.structured", Choice(&["native", "prompt"]), Str("native"), "who holds answers to a form; native: the server; prompt: the model is told, for servers that cannot"),

    key("model.fallback", Tables, Empty, "models that are asked, in this order, where those before cannot answer: no connection, 5xx, 429, 401, or an open breaker"),
    key("model.fallback[].provider", Choice(&["openai", "scripted"]), Required, "who completes"),
    key("model.fallback[].base_url", HttpUrl, Str("https://api.openai.com/v1"), "where the provider listens"),
    key("model.fallback[].name", Text(256), Unset, "the provider's name for the model; openai needs one"),
    key("model.fallback[].api_key", Secret, Unset, "the provider's key, by reference; unset, none is sent"),
    key("model.fallback[].script", Text(PATH), Unset, "TOML file with the rules of the scripted model, relative to the working directory"),
    key("model.fallback[].temperature", Number(0.0, 2.0), Unset, "sampling temperature; unset, the provider's"),
    key("model.fallback[].max_tokens", Integer(1, 10_000_000), Unset, "tokens of one completion; unset, the provider's"),
    key("model.fallback[].structured", Choice(&["native", "prompt"]), Str("native"), "who holds answers to a form; native: the server; prompt: the model is told, for servers that cannot"),

    key("transcriber.provider", Choice(&["openai", "scripted"]), Unset, "who writes down voice messages; unset, nobody does"),
    key("transcriber.base_url", HttpUrl, Str("https://api.openai.com/v1"), "where the provider listens"),
    key("transcriber.name", Text(256), Str("whisper-1"), "the provider's name for the model"),
    key("transcriber.api_key", Secret, Unset, "the provider's key, by reference; unset, OPENAI_API_KEY if it is set"),
    key("transcriber.language", Text(16), Unset, "the language that people speak, by its ISO 639-1 code; unset, the provider finds out"),

    key("synthesizer.provider", Choice(&["openai", "scripted"]), Unset, "who says answers aloud; unset, nobody does"),
    key("synthesizer.base_url", HttpUrl, Str("https://api.openai.com/v1"), "where the provider listens"),
    key("synthesizer.name", Text(256), Str("tts-1"), "the provider's name for the model"),
    key("synthesizer.api_key", Secret, Unset, "the provider's key, by reference; unset, OPENAI_API_KEY if it is set"),
    key("synthesizer.voice", Text(256), Str("alloy"), "the provider's name for the voice"),
    key("synthesizer.format", Choice(&["opus", "mp3", "aac", "flac", "wav"]), Str("opus"), "what spoken answers are encoded as; phones show opus as a voice message"),

    key("channel", Tables, OneWebChat, "the doors; setting any replaces the default one"),
    key("channel[].id", Name, Required, "name of the door, unique in the installation"),
    key("channel[].kind", Choice(&["web-chat"]), Required, "what kind of door"),
    key("channel[].tenant", Name, Str("default"), "the tenant that the door belongs to"),

    key("http_tool", Tables, Empty, "tools that are one HTTP request each; needs the feature mcp"),
    key("http_tool[].name", ToolName(64), Required, "what the model calls the tool by, unique among the agent's tools"),
    key("http_tool[].description", Text(4_096), Required, "when and how the model should use the tool"),
    key("http_tool[].method", Choice(&["GET", "POST", "PUT", "PATCH", "DELETE"]), Required, "the request's method; arguments that are not in the URL go into the query of GET and DELETE, else into a JSON body"),
    key("http_tool[].url", UrlTemplate, Required, "where the request goes; {argument} stands for an argument of the call"),
    key("http_tool[].headers", SecretTable, EmptyTable, "headers by name: a secret by reference, also behind a word as in `Bearer env:NAME`, or a literal"),
    key("http_tool[].parameters", Schema, NoParameters, "JSON Schema of the arguments, as a table or as JSON in a text"),
    key("http_tool[].effect", Choice(EFFECTS), Required, "what it means that nobody knows how a call ended: call again, call again with the same key, or let an operator decide; reconcile is not possible"),
    key("http_tool[].approve", Switch, Bool(false), "whether an operator has to approve each call"),
    key("http_tool[].confirm", Text(1_000), Unset, "what the person is asked before each call; {argument} stands for an argument of it"),

    key("mcp", Tables, Empty, "servers of tools; only the file can name one; needs the feature mcp"),
    key("mcp[].name", ToolName(32), Required, "what the names of the server's tools begin with, unique among the servers"),
    key("mcp[].command", Texts(PATH), Empty, "the program to start and its arguments, without a shell; excludes url"),
    key("mcp[].directory", Text(PATH), Unset, "where the command runs; unset, the working directory"),
    key("mcp[].env", SecretTable, EmptyTable, "the whole environment of the command: secrets by reference, or literals"),
    key("mcp[].url", HttpUrl, Unset, "where the server listens (streamable HTTP); excludes command"),
    key("mcp[].bearer", Secret, Unset, "the bearer token for the URL, by reference"),
    key("mcp[].allow", Texts(256), Unset, "the tools to offer, by the server's names; unset, all"),
    key("mcp[].pins", TextTable(64), EmptyTable, "SHA-256 of name, description and schema, and of the class by trusted annotations, that a tool must have, by the server's names"),
    key("mcp[].effects", ChoiceTable(EFFECTS), EmptyTable, "what tools do, by the server's names; without it at_most_once, each call approved by an operator"),
    key("mcp[].approve", Texts(256), Empty, "tools in effects whose calls an operator has to approve all the same"),
    key("mcp[].trust_annotations", Switch, Bool(false), "whether the server's own word on what its tools do counts"),

    key("web_chat.session_secret", Secret, Unset, "signs the sessions of visitors, by reference; prod requires it"),

    key("policy.model.timeout_ms", Integer(1, HOUR), Int(30_000), "milliseconds of one try of the model"),
    key("policy.model.total_timeout_ms", Integer(1, HOUR), Unset, "milliseconds of all tries of a call, waits included; unset, twice timeout_ms"),
    key("policy.model.connect_timeout_ms", Integer(1, HOUR), Int(5_000), "milliseconds until the model is connected"),
    key("policy.model.first_byte_timeout_ms", Integer(1, HOUR), Int(20_000), "milliseconds until the first byte of the model's answer"),
    key("policy.model.idle_timeout_ms", Integer(1, HOUR), Int(15_000), "milliseconds between two pieces of the model's answer"),
    key("policy.model.retries", Integer(0, 20), Int(3), "tries after the first, of one call"),
    key("policy.model.base_ms", Integer(1, HOUR), Int(1_000), "milliseconds before the first retry, doubled for each further one"),
    key("policy.model.cap_ms", Integer(1, HOUR), Int(30_000), "milliseconds before a retry at most"),
    key("policy.model.jitter", Jitter, Str("full"), "how much of a wait is left to chance: all of it, or this share"),
    key("policy.model.budget", Number(0.0, 1.0), Num(0.1), "retries, as a share of the calls of the last 30 s; ten of them are always allowed, unless it is 0"),
    key("policy.model.breaker.enabled", Switch, Bool(true), "whether calls that keep failing are not made for a while"),
    key("policy.model.breaker.failure_percent", Integer(1, 100), Int(30), "failed calls of the window, in percent, at which the breaker opens"),
    key("policy.model.breaker.minimum_calls", Integer(1, 100_000), Int(5), "calls that the window must have before any share of them counts"),
    key("policy.model.breaker.window_ms", Integer(1, HOUR), Int(30_000), "milliseconds for which a call counts"),
    key("policy.model.breaker.reset_ms", Integer(1, HOUR), Int(60_000), "milliseconds that the breaker stays open"),
    key("policy.model.breaker.probes", Integer(1, 1_000), Int(3), "calls that go through then, all of which must succeed"),
    key("policy.tool.timeout_ms", Integer(1, HOUR), Int(10_000), "milliseconds of one call of a tool"),
    key("policy.tool.total_timeout_ms", Integer(1, HOUR), Unset, "milliseconds of all tries of a call, waits included; unset, twice timeout_ms"),
    key("policy.tool.retries", Integer(0, 20), Int(3), "tries after the first, of tools that are pure or idempotent"),
    key("policy.tool.base_ms", Integer(1, HOUR), Int(1_000), "milliseconds before the first retry, doubled for each further one"),
    key("policy.tool.cap_ms", Integer(1, HOUR), Int(30_000), "milliseconds before a retry at most"),
    key("policy.tool.jitter", Jitter, Str("full"), "how much of a wait is left to chance: all of it, or this share"),
    key("policy.tool.budget", Number(0.0, 1.0), Num(0.1), "retries, as a share of the calls of the last 30 s; ten of them are always allowed, unless it is 0"),
    key("policy.tool.breaker.enabled", Switch, Bool(true), "whether calls that keep failing are not made for a while"),
    key("policy.tool.breaker.failure_percent", Integer(1, 100), Int(30), "failed calls of the window, in percent, at which the breaker opens"),
    key("policy.tool.breaker.minimum_calls", Integer(1, 100_000), Int(5), "calls that the window must have before any share of them counts"),
    key("policy.tool.breaker.window_ms", Integer(1, HOUR), Int(30_000), "milliseconds for which a call counts"),
    key("policy.tool.breaker.reset_ms", Integer(1, HOUR), Int(60_000), "milliseconds that the breaker stays open"),
    key("policy.tool.breaker.probes", Integer(1, 1_000), Int(3), "calls that go through then, all of which must succeed"),
    key("policy.tools.*.timeout_ms", Integer(1, HOUR), As("policy.tool.timeout_ms"), "milliseconds of one call of the tool of this name, if its policy is not that of all tools"),
    key("policy.tools.*.total_timeout_ms", Integer(1, HOUR), As("policy.tool.total_timeout_ms"), "milliseconds of all tries of a call, waits included"),
    key("policy.tools.*.retries", Integer(0, 20), As("policy.tool.retries"), "tries after the first, if the tool is pure or idempotent"),
    key("policy.tools.*.base_ms", Integer(1, HOUR), As("policy.tool.base_ms"), "milliseconds before the first retry, doubled for each further one"),
    key("policy.tools.*.cap_ms", Integer(1, HOUR), As("policy.tool.cap_ms"), "milliseconds before a retry at most"),
    key("policy.tools.*.jitter", Jitter, As("policy.tool.jitter"), "how much of a wait is left to chance: all of it, or this share"),
    key("policy.tools.*.budget", Number(0.0, 1.0), As("policy.tool.budget"), "retries, as a share of the calls of the last 30 s; ten of them are always allowed, unless it is 0"),
    key("policy.tools.*.breaker.enabled", Switch, As("policy.tool.breaker.enabled"), "whether calls that keep failing are not made for a while"),
    key("policy.tools.*.breaker.failure_percent", Integer(1, 100), As("policy.tool.breaker.failure_percent"), "failed calls of the window, in percent, at which the breaker opens"),
    key("policy.tools.*.breaker.minimum_calls", Integer(1, 100_000), As("policy.tool.breaker.minimum_calls"), "calls that the window must have before any share of them counts"),
    key("policy.tools.*.breaker.window_ms", Integer(1, HOUR), As("policy.tool.breaker.window_ms"), "milliseconds for which a call counts"),
    key("policy.tools.*.breaker.reset_ms", Integer(1, HOUR), As("policy.tool.breaker.reset_ms"), "milliseconds that the breaker stays open"),
    key("policy.tools.*.breaker.probes", Integer(1, 1_000), As("policy.tool.breaker.probes"), "calls that go through then, all of which must succeed"),
    key("policy.transcriber.timeout_ms", Integer(1, HOUR), Int(15_000), "milliseconds of one call that turns speech into text"),
    key("policy.transcriber.total_timeout_ms", Integer(1, HOUR), Unset, "milliseconds of all tries of a call, waits included; unset, twice timeout_ms"),
    key("policy.transcriber.retries", Integer(0, 20), Int(1), "tries after the first"),
    key("policy.transcriber.base_ms", Integer(1, HOUR), Int(1_000), "milliseconds before the first retry, doubled for each further one"),
    key("policy.transcriber.cap_ms", Integer(1, HOUR), Int(30_000), "milliseconds before a retry at most"),
    key("policy.transcriber.jitter", Jitter, Str("full"), "how much of a wait is left to chance: all of it, or this share"),
    key("policy.transcriber.budget", Number(0.0, 1.0), Num(0.1), "retries, as a share of the calls of the last 30 s; ten of them are always allowed, unless it is 0"),
    key("policy.transcriber.breaker.enabled", Switch, Bool(true), "whether calls that keep failing are not made for a while"),
    key("policy.transcriber.breaker.failure_percent", Integer(1, 100), Int(30), "failed calls of the window, in percent, at which the breaker opens"),
    key("policy.transcriber.breaker.minimum_calls", Integer(1, 100_000), Int(5), "calls that the window must have before any share of them counts"),
    key("policy.transcriber.breaker.window_ms", Integer(1, HOUR), Int(30_000), "milliseconds for which a call counts"),
    key("policy.transcriber.breaker.reset_ms", Integer(1, HOUR), Int(60_000), "milliseconds that the breaker stays open"),
    key("policy.transcriber.breaker.probes", Integer(1, 1_000), Int(3), "calls that go through then, all of which must succeed"),
    key("policy.synthesizer.timeout_ms", Integer(1, HOUR), Int(15_000), "milliseconds of one call that turns text into speech"),
    key("policy.synthesizer.total_timeout_ms", Integer(1, HOUR), Unset, "milliseconds of all tries of a call, waits included; unset, twice timeout_ms"),
    key("policy.synthesizer.retries", Integer(0, 20), Int(1), "tries after the first"),
    key("policy.synthesizer.base_ms", Integer(1, HOUR), Int(1_000), "milliseconds before the first retry, doubled for each further one"),
    key("policy.synthesizer.cap_ms", Integer(1, HOUR), Int(30_000), "milliseconds before a retry at most"),
    key("policy.synthesizer.jitter", Jitter, Str("full"), "how much of a wait is left to chance: all of it, or this share"),
    key("policy.synthesizer.budget", Number(0.0, 1.0), Num(0.1), "retries, as a share of the calls of the last 30 s; ten of them are always allowed, unless it is 0"),
    key("policy.synthesizer.breaker.enabled", Switch, Bool(true), "whether calls that keep failing are not made for a while"),
    key("policy.synthesizer.breaker.failure_percent", Integer(1, 100), Int(30), "failed calls of the window, in percent, at which the breaker opens"),
    key("policy.synthesizer.breaker.minimum_calls", Integer(1, 100_000), Int(5), "calls that the window must have before any share of them counts"),
    key("policy.synthesizer.breaker.window_ms", Integer(1, HOUR), Int(30_000), "milliseconds for which a call counts"),
    key("policy.synthesizer.breaker.reset_ms", Integer(1, HOUR), Int(60_000), "milliseconds that the breaker stays open"),
    key("policy.synthesizer.breaker.probes", Integer(1, 1_000), Int(3), "calls that go through then, all of which must succeed"),
    key("policy.store.timeout_ms", Integer(1, HOUR), Int(5_000), "milliseconds of one call of the store"),
    key("policy.channel.timeout_ms", Integer(1, HOUR), Int(10_000), "milliseconds of one send"),
    key("policy.channel.base_ms", Integer(1, HOUR), Int(1_000), "milliseconds before the first retry, doubled for each further one"),
    key("policy.channel.cap_ms", Integer(1, HOUR), Int(30_000), "milliseconds before a retry at most"),
    key("policy.channel.jitter", Jitter, Str("full"), "how much of a wait is left to chance: all of it, or this share"),
    key("policy.channel.breaker.enabled", Switch, Bool(true), "whether calls that keep failing are not made for a while"),
    key("policy.channel.breaker.failure_percent", Integer(1, 100), Int(30), "failed calls of the window, in percent, at which the breaker opens"),
    key("policy.channel.breaker.minimum_calls", Integer(1, 100_000), Int(5), "calls that the window must have before any share of them counts"),
    key("policy.channel.breaker.window_ms", Integer(1, HOUR), Int(30_000), "milliseconds for which a call counts"),
    key("policy.channel.breaker.reset_ms", Integer(1, HOUR), Int(60_000), "milliseconds that the breaker stays open"),
    key("policy.channel.breaker.probes", Integer(1, 1_000), Int(3), "calls that go through then, all of which must succeed"),
    key("policy.turn.timeout_ms", Integer(1, HOUR), Int(120_000), "milliseconds of one run of a turn"),
    key("policy.turn.retries", Integer(0, 20), Int(3), "runs after one that failed, before the turn gives up; failures of the model's provider do not count"),
    key("policy.turn.base_ms", Integer(1, HOUR), Int(1_000), "milliseconds before a turn runs again, doubled for each further time"),
    key("policy.turn.cap_ms", Integer(1, HOUR), Int(30_000), "milliseconds before a turn runs again at most"),
    key("policy.turn.jitter", Jitter, Str("full"), "how much of a wait is left to chance: all of it, or this share"),

    key("limits.turns_in_flight", Integer(1, 65_536), Int(2_048), "turns that run at once in this process"),
    key("limits.per_user_per_minute", Integer(0, 1_000_000), Int(20), "messages of one conversation that are answered in a minute by one process, what is more ends as refused; 0: no limit"),
    key("limits.per_tenant_per_minute", Integer(0, 1_000_000_000), Int(0), "messages of one tenant that are answered in a minute by one process, what is more ends as refused; 0: no limit"),
    key("limits.backlog", Integer(1, 100_000_000), Int(100_000), "accepted inbounds that may wait before a door refuses"),
    key("limits.queue_age_ms", Integer(0, HOUR), Int(20_000), "milliseconds that a person's message may wait for a turn, or would at the present pace, before doors refuse; 0: no limit"),
    key("limits.cpu_percent", Integer(0, 100), Int(0), "percent of the processors that it is allowed the process may take before doors refuse; 0: no limit"),
    key("limits.memory_percent", Integer(0, 100), Int(90), "percent of the memory that it is allowed the process may take before doors refuse; 0: no limit"),
    key("limits.payload_bytes", Integer(1_024, 16_777_216), Int(65_536), "bytes of one inbound payload"),
    key("limits.tool_rounds", Integer(1, 100), Int(8), "rounds of tool calls in one turn, after which the model has to answer"),
    key("limits.turn_tokens", Integer(0, 1_000_000_000), Int(200_000), "tokens of prompts and answers in one turn, after which the model has to answer; 0: no limit"),
    key("limits.turn_cost", Number(0.0, 1_000_000.0), Unset, "what the model may cost in one turn, in the currency of its prices, after which it has to answer; unset or 0: no limit"),

    key("retention.dedupe_days", Integer(2, 3_650), Int(14), "days that a platform id is remembered; an older inbound ends as expired"),
    key("retention.raw_days", Integer(0, 3_650), Int(14), "days that raw payloads are kept"),

    key("dlq.retention_days", Integer(1, 3_650), Int(7), "days that a dead letter is kept after its end; pending ones are kept for ever"),
    key("dlq.alert_threshold", Integer(1, 1_000_000), Int(100), "pending dead letters from which on the log warns, once"),
    key("dlq.export_dir", Text(PATH), Unset, "folder in which dead letters are written down, with what people said, before they are forgotten, relative to the working directory; unset, they are only forgotten"),

    key("idempotency.hours", Integer(1, 720), Int(24), "hours in which an operator's act that is sent again with its Idempotency-Key is answered as before"),

    key("shutdown.deadline_ms", Integer(0, 600_000), Int(10_000), "milliseconds from the first signal to the end"),

    key("telemetry.log", Log, Str("info"), "level, or levels by target as in info,zupa_http=debug"),
    key("telemetry.format", Choice(&["auto", "json", "text"]), Str("auto"), "how a log line looks; auto: text on a terminal, JSON elsewhere"),
];

/// Keys and sections of the design that this version does not read. Naming them
/// saves their users a search for a typing error.
#[rustfmt::skip]
pub(super) const LATER: &[&str] = &[
    "intake", "redis", "operator",
];

/// Lists that only the file can set: whoever may set a variable must not choose
/// the programs that are started.
pub(super) const FILE_ONLY: &[&str] = &["mcp"];
