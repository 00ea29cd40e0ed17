//! Which layer wins, and what is known of it afterwards.

use super::super::*;
use super::{file, lines, pairs};

#[test]
fn nothing_set_is_the_default() {
    let config = load(Sources::new()).unwrap();
    assert_eq!(config.hash(), Config::default().hash());
    assert!(config.warnings().is_empty());
    assert_eq!(
        config.store.url.engine(),
        Engine::File(std::path::Path::new(".zupa/zupa.db"))
    );
}

#[test]
fn flags_win_over_the_environment_that_wins_over_the_file() {
    let text = "[policy.model]\nretries = 1\nbase_ms = 1\ncap_ms = 1\n";
    let env = pairs(&[
        ("ZUPA__POLICY__MODEL__BASE_MS", "2"),
        ("ZUPA__POLICY__MODEL__CAP_MS", "2"),
        ("ZUPA_FAULTS_SEED", "1"),
        ("OPENAI_API_KEY", "sk-canary"),
    ]);
    let flags = pairs(&[("policy.model.cap_ms", "3")]);
    let config = load(Sources::new().file("zupa.toml", text).env(env).flags(flags)).unwrap();
    let model = &config.policy.model;
    assert_eq!(
        (model.retries, model.base_ms, model.cap_ms, model.timeout_ms),
        (1, 2, 3, 30_000)
    );

    let shown = config.show();
    let at = |path: &str| shown["values"][format!("policy.model.{path}")].to_string();
    assert_eq!(at("timeout_ms"), r#"{"source":"default","value":30000}"#);
    assert_eq!(
        at("retries"),
        r#"{"at":"zupa.toml:2:11","source":"file","value":1}"#
    );
    assert_eq!(
        at("base_ms"),
        r#"{"at":"env ZUPA__POLICY__MODEL__BASE_MS","source":"env","value":2}"#
    );
    assert_eq!(
        at("cap_ms"),
        r#"{"at":"flag policy.model.cap_ms","source":"flag","value":3}"#
    );
}

#[test]
fn text_layers_read_numbers_lists_and_tables() {
    let config = load(Sources::new().env(pairs(&[
        ("ZUPA__SERVER__LISTEN", "[::1]:0"),
        ("ZUPA__SERVER__ALLOWED_HOSTS", "a.example, [::1]:80"),
        ("ZUPA__MODEL__TEMPERATURE", "1"),
        ("ZUPA__MODEL__NAME", "4711"),
        (
            "ZUPA__CHANNEL",
            "[{ id = 'a', kind = 'web-chat' }, { id = 'b', kind = 'web-chat' }]",
        ),
    ])))
    .unwrap();
    assert_eq!(config.server.allowed_hosts, ["a.example", "[::1]:80"]);
    assert_eq!(config.model.temperature, Some(1.0));
    assert_eq!(config.model.name.as_deref(), Some("4711"));
    assert_eq!(config.channels.len(), 2);
    assert_eq!(
        (
            config.channels[1].id.as_str(),
            config.channels[1].tenant.as_str()
        ),
        ("b", "default")
    );

    let config =
        load(Sources::new().flags(pairs(&[("server.allowed_hosts", "['x', 'y:1']")]))).unwrap();
    assert_eq!(config.server.allowed_hosts, ["x", "y:1"]);
}

#[test]
fn an_empty_text_for_people_says_nothing_and_other_texts_are_not_empty() {
    for key in ["fallback", "overload", "model_down"] {
        let said = |config: Config| {
            let texts = config.agent.texts;
            match key {
                "fallback" => texts.fallback,
                "overload" => texts.overload,
                _ => texts.model_down,
            }
        };
        let config = file(&format!("[agent.texts]\n{key} = ''")).unwrap();
        assert_eq!(said(config).as_deref(), Some(""), "{key}");
        let variable = format!("ZUPA__AGENT__TEXTS__{}", key.to_uppercase());
        let config = load(Sources::new().env(pairs(&[(&variable, "")]))).unwrap();
        assert_eq!(said(config).as_deref(), Some(""), "{key}");
        assert_eq!(said(file("").unwrap()), None);

        let long = "x".repeat(4_097);
        let problems = file(&format!("[agent.texts]\n{key} = '{long}'")).unwrap_err();
        assert!(lines(&problems)[0].contains("4097 characters"), "{key}");
    }
    let problems = file("[model]\nname = ''").unwrap_err();
    assert!(lines(&problems)[0].contains("empty"));
}

#[test]
fn a_list_of_tables_is_replaced_as_a_whole() {
    let text = "[[channel]]\nid = 'a'\nkind = 'web-chat'\ntenant = 't'\n";
    let env = pairs(&[("ZUPA__CHANNEL", "[{ id = 'b', kind = 'web-chat' }]")]);
    let config = load(Sources::new().file("zupa.toml", text).env(env)).unwrap();
    assert_eq!(config.channels[0].tenant, "default");
    assert_eq!(config.origin("channel[0].id").source(), "env");
    assert_eq!(config.origin("channel[0].tenant").source(), "default");
    assert!(file("channel = []").unwrap().channels.is_empty());
}

#[test]
fn unknown_variables_and_flags_are_problems() {
    let unknown = "unknown key | a key that zupa does not know would have no effect";
    let env = pairs(&[
        ("ZUPA__CHANNEL__0__ID", "a"),
        ("ZUPA__MODEL__API_KEYY", "sk-canary"),
        ("ZUPA__SERVER", "x"),
        ("ZUPA__server__listen", "127.0.0.1:1"),
    ]);
    let flags = pairs(&[("server.lissten", "x"), ("store.heartbeat_ms", "2s")]);
    let problems = load(Sources::new().env(env).flags(flags)).unwrap_err();
    assert_eq!(
        lines(&problems),
        [
            "env ZUPA__CHANNEL__0__ID: channel.0.id: unknown key | outside the file a list of tables is set as a whole | `ZUPA__CHANNEL=[{ id = \"main\", kind = \"web-chat\" }]`".to_owned(),
            format!("env ZUPA__MODEL__API_KEYY: model.api_keyy: {unknown} | did you mean `ZUPA__MODEL__API_KEY`?"),
            "env ZUPA__SERVER: server: a section, not a key | its keys are set one by one | known: ZUPA__SERVER__LISTEN, ZUPA__SERVER__ALLOWED_HOSTS, ZUPA__SERVER__RATE_PER_MINUTE_PER_IP, ZUPA__SERVER__RATE_PER_MINUTE_PER_TOKEN".to_owned(),
            format!("env ZUPA__server__listen: server.listen: {unknown} | did you mean `ZUPA__SERVER__LISTEN`?"),
            format!("flag server.lissten: server.lissten: {unknown} | did you mean `server.listen`?"),
            "flag store.heartbeat_ms: store.heartbeat_ms: expected a whole number, found the text \"2s\" | milliseconds between signs of life of a process | for example `2000`, the default".to_owned(),
        ]
    );
}

#[test]
fn the_hash_follows_the_values_and_not_their_source() {
    let from_file = file("agent.name = 'a'").unwrap();
    let from_env = load(Sources::new().env(pairs(&[("ZUPA__AGENT__NAME", "a")]))).unwrap();
    assert_eq!(from_file.hash(), from_env.hash());
    assert_ne!(from_file.hash(), Config::default().hash());
}

#[test]
fn columns_count_from_the_first_character_after_a_byte_order_mark() {
    let problems = file("\u{feff}agent.name = 1\r\nprofile = 'ü'").unwrap_err();
    let places: Vec<_> = problems
        .iter()
        .map(|problem| problem.origin.to_string())
        .collect();
    assert_eq!(places, ["zupa.toml:1:14", "zupa.toml:2:11"]);
}

#[test]
fn problems_are_objects_for_machines() {
    let problems = file("agent.name = 1").unwrap_err();
    let json = serde_json::to_value(&problems[0]).unwrap();
    assert_eq!(json["source"], "file");
    assert_eq!(
        (json["line"].as_u64(), json["column"].as_u64()),
        (Some(1), Some(14))
    );
    assert_eq!(json["key"], "agent.name");
    assert_eq!(json["try"], "for example `assistant`, the default");
}
