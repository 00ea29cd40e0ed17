//! `[policy.tools.NAME]` and `[policy.turn]`: what is read, inherited and refused.

use super::super::*;
use super::{check_refused, file, lines, load, pairs};

/// A tool that there is without a server or a request.
const ENDS: &str = "agent.session.model_ends = true\n";

#[test]
fn a_tool_has_its_own_policy_and_inherits_what_that_leaves_open() {
    let text = format!(
        "{ENDS}[policy.tools.end_session]\ntimeout_ms = 3000\nbreaker.probes = 1\n\
         [policy.tool]\nretries = 1\nbreaker.minimum_calls = 9\n"
    );
    let config = file(&text).unwrap();
    let tool = &config.policy.tools["end_session"];
    assert_eq!((tool.timeout_ms, tool.retries), (3_000, 1));
    assert_eq!((tool.breaker.probes, tool.breaker.minimum_calls), (1, 9));
    assert_eq!(config.policy.tool.timeout_ms, 10_000);
    let shown = config.show();
    let at = |key: &str| shown["values"][format!("policy.tools.end_session.{key}")].to_string();
    assert_eq!(
        at("timeout_ms"),
        r#"{"at":"zupa.toml:3:14","source":"file","value":3000}"#
    );
    assert_eq!(
        at("retries"),
        r#"{"at":"zupa.toml:6:11","source":"file","value":1}"#,
        "from the policy of all tools"
    );
    assert_eq!(at("base_ms"), r#"{"source":"default","value":1000}"#);
}

#[test]
fn a_variable_and_a_flag_reach_a_tool_too() {
    let sources = Sources::new()
        .file("zupa.toml", ENDS)
        .env(pairs(&[("ZUPA__POLICY__TOOLS__END_SESSION__RETRIES", "2")]))
        .flags(pairs(&[("policy.tools.end_session.breaker.probes", "7")]));
    let tool = &load(sources).unwrap().policy.tools["end_session"];
    assert_eq!((tool.retries, tool.breaker.probes), (2, 7));
    let sources = Sources::new().flags(pairs(&[("policy.tools.order.retries", "2")]));
    assert_eq!(
        lines(&load(sources).unwrap_err()),
        [
            "flag policy.tools.order.retries: policy.tools.order: there is no tool of this name | a policy of its own would have no effect | name a tool as the model is told of it, or remove the section"
        ]
    );
}

#[test]
fn a_policy_of_a_tool_that_is_not_there_is_refused() {
    check_refused(
        &format!("{ENDS}[policy.tools.end_sesion]\nretries = 1\n"),
        &[
            "zupa.toml:2:15: policy.tools.end_sesion: there is no tool of this name | a policy of its own would have no effect | did you mean `end_session`?",
        ],
    );
}

#[cfg(feature = "mcp")]
#[test]
fn tools_of_servers_are_known_at_the_start_only() {
    let text = "[policy.tools.files_read]\nretries = 1\n[policy.tools.file_read]\n\
                [[mcp]]\nname = 'files'\ncommand = ['mcp-files']\n";
    let refused = lines(&file(text).unwrap_err());
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].starts_with("zupa.toml:3:15: policy.tools.file_read: there is no tool"));
    let config = file(&text.replace("[policy.tools.file_read]\n", "")).unwrap();
    assert!(config.unknown_tools(&["files_read"]).is_empty());
    let unknown = lines(&config.unknown_tools(&["files_reads"]));
    assert_eq!(unknown.len(), 1, "{unknown:?}");
    assert!(unknown[0].starts_with("zupa.toml:1:15: policy.tools.files_read: "));
    assert!(unknown[0].ends_with("did you mean `files_reads`?"));
}

#[test]
fn what_a_policy_of_a_tool_may_not_hold_is_refused() {
    let with = |rest: &str| format!("{ENDS}{rest}");
    check_refused(
        &with("[policy.tools.end_session]\nretry = 1"),
        &[
            "zupa.toml:3:1: policy.tools.end_session.retry: unknown key | a key that zupa does not know would have no effect | did you mean `policy.tools.*.retries`?",
        ],
    );
    check_refused(
        &with("[policy.tools.end_session]\nretries = 21"),
        &[
            "zupa.toml:3:11: policy.tools.end_session.retries: 21 is out of range | allowed: 0 to 20 | for example `1000`",
        ],
    );
    check_refused(
        &with("[policy.tools.end_session]\ntimeout_ms = 9\ntotal_timeout_ms = 8"),
        &[
            "zupa.toml:4:20: policy.tools.end_session.total_timeout_ms: timeout_ms, 9, is more than total_timeout_ms, 8 | no try could take as long as it may | lower timeout_ms or raise total_timeout_ms",
        ],
    );
    let refused = lines(&file("[policy.tools.\"a b\"]\nretries = 1").unwrap_err());
    assert!(
        refused[0]
            .starts_with("zupa.toml:1:15: policy.tools.\"a b\": \"a b\" is not a name for a tool"),
        "{refused:?}"
    );
}

#[test]
fn a_turn_has_retries_of_its_own() {
    let text = "[policy.turn]\nretries = 5\nbase_ms = 2\ncap_ms = 4\njitter = 0.5\n";
    let config = file(text).unwrap();
    let turn = &config.policy.turn;
    assert_eq!((turn.retries, turn.base_ms, turn.cap_ms), (5, 2, 4));
    assert_eq!(turn.jitter, Jitter::Ratio(0.5));
    assert_eq!(config.policy.model.retries, 3);
    check_refused(
        "policy.turn.cap_ms = 1",
        &[
            "zupa.toml:1:22: policy.turn.cap_ms: base_ms, 1000, is more than cap_ms, 1 | the wait before a retry grows from base_ms to cap_ms | lower base_ms or raise cap_ms",
        ],
    );
}

#[test]
fn times_of_the_model_that_do_not_fit_are_refused() {
    check_refused(
        "[policy.model]\nfirst_byte_timeout_ms = 90000",
        &[
            "zupa.toml:2:25: policy.model.first_byte_timeout_ms: first_byte_timeout_ms, 90000, is more than timeout_ms, 30000 | the try would be over before its first byte is late | lower first_byte_timeout_ms or raise timeout_ms",
        ],
    );
    check_refused(
        "[policy.turn]\ntimeout_ms = 1000",
        &[
            "zupa.toml:2:14: policy.turn.timeout_ms: policy.turn.timeout_ms, 1000, is less than policy.model.timeout_ms, 30000 | the turn would be over before the model may take as long as it may | raise policy.turn.timeout_ms or lower policy.model.timeout_ms",
        ],
    );
    let refused = lines(&file("policy.model.timeout_ms = 120001").unwrap_err());
    assert!(
        refused[0].starts_with("zupa.toml:1:27: policy.model.timeout_ms: "),
        "{refused:?}"
    );
    // A shorter try needs no word about its first byte.
    for fits in [
        "policy.model.timeout_ms = 5000",
        "policy.model.timeout_ms = 120000",
        "[policy.model]\ntimeout_ms = 9\nfirst_byte_timeout_ms = 9",
    ] {
        assert!(file(fits).is_ok(), "{fits}");
    }
}

#[test]
fn a_person_is_not_allowed_more_than_the_whole_tenant() {
    check_refused(
        "[limits]\nper_user_per_minute = 50\nper_tenant_per_minute = 10",
        &[
            "zupa.toml:3:25: limits.per_tenant_per_minute: per_user_per_minute, 50, is more than per_tenant_per_minute, 10 | nobody could write as much as one person may | lower per_user_per_minute or raise per_tenant_per_minute",
        ],
    );
    for fits in [
        "limits.per_user_per_minute = 50",
        "[limits]\nper_user_per_minute = 0\nper_tenant_per_minute = 10",
        "limits.per_tenant_per_minute = 20",
    ] {
        assert!(file(fits).is_ok(), "{fits}");
    }
}
