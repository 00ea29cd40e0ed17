//! What is refused, and in which words.

mod drift;
mod layers;
mod models;
mod people;
mod phones;
mod policies;
mod redaction;
mod speech;
mod stores;
mod tools;
mod whatsapp;

use super::{Config, Problem, Sources, load};

/// Loads one file.
fn file(text: &str) -> Result<Config, Vec<Problem>> {
    load(Sources::new().file("zupa.toml", text))
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Each problem as `place: key: what | why | try`.
fn lines(problems: &[Problem]) -> Vec<String> {
    let line = |problem: &Problem| {
        problem
            .to_string()
            .replace("\n  why: ", " | ")
            .replace("\n  try: ", " | ")
    };
    problems.iter().map(line).collect()
}

#[track_caller]
fn check_refused(text: &str, expected: &[&str]) {
    let problems = file(text).expect_err("this file should be refused");
    assert_eq!(lines(&problems), expected, "for the file:\n{text}");
}

const UNKNOWN: &str = "unknown key | a key that zupa does not know would have no effect";
const NOT_TOML: &str = "nothing of the file can be trusted before it reads as TOML \
                        | correct the line; https://toml.io has the syntax";

#[test]
fn syntax_errors_name_line_and_column_once_per_line() {
    check_refused(
        "a = \nb = = 1\n[server\n",
        &[
            &format!(
                "zupa.toml:1:5: not TOML: string values must be quoted, expected literal string | {NOT_TOML}"
            ),
            &format!("zupa.toml:2:5: not TOML: extra `=`, expected nothing | {NOT_TOML}"),
            &format!("zupa.toml:3:8: not TOML: unclosed table, expected `]` | {NOT_TOML}"),
        ],
    );
    check_refused(
        "[server]\n[server]\n",
        &[&format!(
            "zupa.toml:2:2: not TOML: duplicate key | {NOT_TOML}"
        )],
    );
}

#[test]
fn unknown_keys_come_with_a_suggestion() {
    let cases = [
        (
            "model.provder = 'x'",
            "1:7: model.provder",
            "did you mean `model.provider`?",
        ),
        (
            "[model]\nmax-tokens = 3",
            "2:1: model.max-tokens",
            "did you mean `model.max_tokens`?",
        ),
        (
            "[servr]\nlisten = 'x'",
            "1:2: servr",
            "did you mean `server`?",
        ),
        (
            "listen = 'x'",
            "1:1: listen",
            "did you mean `server.listen`?",
        ),
        (
            "[model]\nsession_secret = 'x'",
            "2:1: model.session_secret",
            "did you mean `web_chat.session_secret`?",
        ),
        (
            "[[channel]]\nid = 'a'\nkind = 'web-chat'\ntenat = 'x'",
            "4:1: channel[0].tenat",
            "did you mean `tenant` in `[[channel]]`?",
        ),
        (
            "[agent.burst]\nwindow = 1",
            "2:1: agent.burst.window",
            "known in `agent.burst`: silence_ms, max_wait_ms, max_count",
        ),
        (
            "\"a\\u001b.b\" = 1",
            "1:1: \"a\\u{1b}.b\"",
            "`zupa config schema` lists the keys",
        ),
    ];
    for (text, place, fix) in cases {
        check_refused(text, &[&format!("zupa.toml:{place}: {UNKNOWN} | {fix}")]);
    }
}

#[test]
fn a_turns_cost_needs_both_prices() {
    let why = "a turn's cost is that of its prompts and of its answers \
               | set both prices for a million tokens, 0 for what costs nothing";
    check_refused(
        "[limits]\nturn_cost = 0.05",
        &[&format!(
            "zupa.toml:2:13: limits.turn_cost: model.price_in is not set | {why}"
        )],
    );
    check_refused(
        "[model]\nprice_in = 0.15",
        &[&format!(
            "zupa.toml:2:12: model.price_in: model.price_out is not set | {why}"
        )],
    );
}

#[test]
fn keys_of_the_design_that_are_not_read_yet_say_so() {
    let later = "not available yet | it is part of the design, but this version would ignore it \
                 | remove it for now";
    check_refused(
        "[intake]\nurl = 'x'\n[redis]\nurl = 'y'\n",
        &[
            &format!("zupa.toml:1:2: intake: {later}"),
            &format!("zupa.toml:3:2: redis: {later}"),
        ],
    );
}

#[test]
fn wrong_types_name_what_was_expected_and_found() {
    let cases = [
        (
            "server = 3",
            "1:10: server: a section, not a key | its keys are set one by one | write `[server]` and below it: listen, allowed_hosts, rate_per_minute_per_ip, rate_per_minute_per_token",
        ),
        (
            "store.heartbeat_ms = '2s'",
            "1:22: store.heartbeat_ms: expected a whole number, found the text \"2s\" | milliseconds between signs of life of a process | for example `2000`, the default",
        ),
        (
            "shutdown.deadline_ms = 1.5",
            "1:24: shutdown.deadline_ms: expected a whole number, found the number 1.5 | milliseconds from the first signal to the end | for example `10000`, the default",
        ),
        (
            "profile = 1979-05-27",
            "1:11: profile: expected a text, found a date | how careful the process is; prod refuses unsafe settings | for example `dev`, the default",
        ),
        (
            "model.temperature = true",
            "1:21: model.temperature: expected a number, found the truth value true | sampling temperature; unset, the provider's | for example `0.7`",
        ),
        (
            "server.allowed_hosts = 'a'",
            "1:24: server.allowed_hosts: expected a list of texts, found the text \"a\" | Host header values that are answered beside the listen address | for example `[\"chat.example.com\"]`",
        ),
        (
            "server.allowed_hosts = ['a', 3]",
            "1:30: server.allowed_hosts[1]: expected a text, found the number 3 | Host header values that are answered beside the listen address | for example `[\"chat.example.com\"]`",
        ),
        (
            "[channel]\nid = 'a'",
            "1:1: channel: expected a list of tables, found a table | the doors; setting any replaces the default one | write `[[channel]]` with two brackets",
        ),
        (
            "channel = [1]",
            "1:12: channel[0]: expected a table, found the number 1 | the doors; setting any replaces the default one | for example `[{ id = \"main\", kind = \"web-chat\" }]`",
        ),
        (
            "[[channel]]\nid = 'a'",
            "1:1: channel[0].kind: missing | it has no default | set it: what kind of door",
        ),
    ];
    for (text, line) in cases {
        check_refused(text, &[&format!("zupa.toml:{line}")]);
    }
}

#[test]
fn values_out_of_range_name_the_range() {
    let cases = [
        (
            "policy.model.retries = 21",
            "1:24: policy.model.retries: 21 is out of range | allowed: 0 to 20 | for example `3`, the default",
        ),
        (
            "policy.turn.timeout_ms = 0",
            "1:26: policy.turn.timeout_ms: 0 is out of range | allowed: 1 to 3600000 milliseconds | for example `120000`, the default",
        ),
        (
            "store.heartbeat_ms = 99999999999999999999",
            "1:22: store.heartbeat_ms: 99999999999999999999 is out of range | allowed: 10 to 60000 milliseconds | for example `2000`, the default",
        ),
        (
            "retention.dedupe_days = 1",
            "1:25: retention.dedupe_days: 1 is out of range | allowed: 2 to 3650 days | for example `14`, the default",
        ),
        (
            "agent.session.idle_minutes = 0",
            "1:30: agent.session.idle_minutes: 0 is out of range | allowed: 1 to 525600 minutes | for example `15`, the default",
        ),
        (
            "model.temperature = nan",
            "1:21: model.temperature: nan is out of range | allowed: 0 to 2 | for example `0.7`",
        ),
        (
            "agent.name = ''",
            "1:14: agent.name: empty | allowed: 1 to 64 characters | set a text, or remove the key",
        ),
    ];
    for (text, line) in cases {
        check_refused(text, &[&format!("zupa.toml:{line}")]);
    }
}

#[test]
fn words_that_are_not_allowed_come_with_those_that_are() {
    let cases = [
        (
            "profile = 'prdo'",
            "1:11: profile: \"prdo\" is not allowed | allowed: dev, staging, prod | did you mean `prod`?",
        ),
        (
            "model.structured = 'json'",
            "1:20: model.structured: \"json\" is not allowed | allowed: native, prompt | for example `native`, the default",
        ),
        (
            "agent.language = 'fr'",
            "1:18: agent.language: \"fr\" is not allowed | allowed: en, pt | for example `en`, the default",
        ),
        (
            "model.provider = 'gemini'",
            "1:18: model.provider: \"gemini\" is not allowed | allowed: openai, scripted | for example `openai` or `scripted`",
        ),
        (
            "agent.journal = 'never'",
            "1:17: agent.journal: \"never\" is not allowed | allowed: step, turn | for example `step`, the default",
        ),
        (
            "telemetry.log = 'inof'",
            "1:17: telemetry.log: no level in \"inof\" | levels: off, error, warn, info, debug, trace | for example `info` or `info,zupa_http=debug`",
        ),
        (
            "channel = [{ id = 'A b', kind = 'web-chat' }]",
            "1:19: channel[0].id: \"A b\" is not a name | allowed: 1 to 64 of a-z, 0-9, `_` and `-`; it stands in paths, keys and metrics | for example `main`",
        ),
    ];
    for (text, line) in cases {
        check_refused(text, &[&format!("zupa.toml:{line}")]);
    }
}

#[test]
fn places_that_cannot_be_used_say_why() {
    let store = "for example `sqlite://.zupa/zupa.db`, the default";
    let model = "for example `https://api.openai.com/v1`, the default";
    let file = "not a URL of a SQLite file | expected `sqlite://` and the path of a file, without `?` and `#`";
    let redis = "Redis is not a store | the store is the truth; Redis may stand in front of it as a log of what came in | keep the store in `sqlite://PATH` and name Redis in `[intake] url`";
    let cases = [
        ("store.url = 'sqlite:zupa.db'", format!("1:13: store.url: {file} | {store}")),
        ("store.url = 'sqlite://zupa.db?mode=ro'", format!("1:13: store.url: {file} | {store}")),
        ("store.url = 'redis://:canary@h'", format!("1:13: store.url: {redis}")),
        ("store.url = 'zupa.db'", format!("1:13: store.url: not the URL of a store | allowed: `sqlite://PATH`, `sqlite::memory:`, `postgres://USER@HOST/DATABASE` | {store}")),
        ("model.base_url = 'ftp://h'", format!("1:18: model.base_url: not a URL of a web server | expected `http://` or `https://` and a host | {model}")),
        ("model.base_url = 'https://u:canary@h/v1'", format!("1:18: model.base_url: a user or password in the URL | URLs are shown; secrets go by reference | {model}")),
        ("model.base_url = 'https://h/v1?key=canary'", format!("1:18: model.base_url: a query or fragment in the URL | paths are appended to it | {model}")),
        ("model.base_url = 'https://h:99999'", format!("1:18: model.base_url: no such host or port | expected a host and a port up to 65535, if any | {model}")),
        ("server.listen = 'localhost:80'", "1:17: server.listen: \"localhost:80\" is not an IP address with a port | names are not resolved here, so that one value means one socket | for example `127.0.0.1:7700`, the default".to_owned()),
        ("server.allowed_hosts = ['http://a']", "1:25: server.allowed_hosts[0]: \"http://a\" is not a host | it is compared with the Host header: no scheme, path or wildcard | for example `chat.example.com` or `10.0.0.5:7700`".to_owned()),
    ];
    for (text, line) in cases {
        check_refused(text, &[&format!("zupa.toml:{line}")]);
    }
}

#[test]
fn values_that_do_not_fit_together_are_refused() {
    let cases = [
        (
            "[agent]\nprompt = 'a'\nprompt_file = 'b'",
            "3:15: agent.prompt_file: agent.prompt is set, too (zupa.toml:2:10) | there is one system prompt | keep one of the two",
        ),
        (
            "agent.burst.silence_ms = 9000",
            "1:26: agent.burst.silence_ms: 9000 is more than max_wait_ms, 5000 | a burst would never end by silence | lower silence_ms or raise max_wait_ms",
        ),
        (
            "store.heartbeat_ms = 9000",
            "1:22: store.heartbeat_ms: claim_expiry_ms, 10000, is less than twice heartbeat_ms, 9000 | one late sign of life would hand the claims of a living process to others | keep claim_expiry_ms at five times heartbeat_ms",
        ),
        (
            "policy.model.cap_ms = 1",
            "1:23: policy.model.cap_ms: base_ms, 1000, is more than cap_ms, 1 | the wait before a retry grows from base_ms to cap_ms | lower base_ms or raise cap_ms",
        ),
        (
            "policy.channel.base_ms = 40000",
            "1:26: policy.channel.base_ms: base_ms, 40000, is more than cap_ms, 30000 | the wait before a retry grows from base_ms to cap_ms | lower base_ms or raise cap_ms",
        ),
        (
            "[policy.tool]\ntimeout_ms = 9\ntotal_timeout_ms = 8",
            "3:20: policy.tool.total_timeout_ms: timeout_ms, 9, is more than total_timeout_ms, 8 | no try could take as long as it may | lower timeout_ms or raise total_timeout_ms",
        ),
        (
            "policy.model.jitter = 1.5",
            "1:23: policy.model.jitter: 1.5 is out of range | allowed: 0 to 1 | for example `full`, the default",
        ),
        (
            "policy.model.jitter = 'some'",
            "1:23: policy.model.jitter: expected full, or a number from 0 to 1, found the text \"some\" | how much of a wait is left to chance: all of it, or this share | for example `full`, the default",
        ),
        (
            "policy.channel.breaker.probes = 0",
            "1:33: policy.channel.breaker.probes: 0 is out of range | allowed: 1 to 1000 | for example `3`, the default",
        ),
        (
            "[[channel]]\nid = 'a'\nkind = 'web-chat'\n[[channel]]\nid = 'a'\nkind = 'web-chat'",
            "5:6: channel[1].id: \"a\" is the id of another channel (zupa.toml:2:6) | the id stands in keys and addresses, so it must be unique | give each channel an id of its own",
        ),
    ];
    for (text, line) in cases {
        check_refused(text, &[&format!("zupa.toml:{line}")]);
    }
}

#[test]
fn a_rule_is_not_applied_to_a_value_that_is_already_refused() {
    let problems = file("[store]\nheartbeat_ms = 9000\nclaim_expiry_ms = 'x'").unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn every_problem_is_reported_at_once_in_the_order_of_the_file() {
    let text = "profile = 'prod'\nfoo = 1\n[store]\nheartbeat_ms = -1\n[model]\napi_key = 'x'\n";
    let problems = file(text).unwrap_err();
    let keys: Vec<_> = problems
        .iter()
        .map(|problem| problem.key.as_str())
        .collect();
    assert_eq!(
        keys,
        [
            "web_chat.session_secret",
            "foo",
            "store.heartbeat_ms",
            "model.api_key"
        ]
    );
}

#[test]
fn no_cut_of_a_file_is_a_panic() {
    let text = "profile = \"dev\"\n[server]\nallowed_hosts = ['ü', \"[::1]:8\"]\r\n[[channel]]\n\
                id = \"a\"\nkind = '''web-chat'''\n[model]\ntemperature = 1e0\n\"\\u00fc\".x = {}\n";
    for (cut, _) in text.char_indices() {
        let _ = file(&text[..cut]);
        let _ = file(&text[cut..]);
    }
}
