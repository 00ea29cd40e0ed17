//! Secrets by reference, what `prod` refuses, and that nothing prints a literal.

use super::super::*;
use super::{check_refused, file, lines, pairs};

const LITERAL: &str = "a literal secret | prod refuses it: whoever reads the configuration has \
                       the secret | put it elsewhere, and its `env:NAME`, `file:PATH` or \
                       `exec:COMMAND` here";

#[test]
fn references_are_shown_and_literals_are_not() {
    let text = "[model]\napi_key = 'env:OPENAI_API_KEY'\n[web_chat]\nsession_secret = 'canary'\n";
    let config = file(text).unwrap();
    let values = config.show()["values"].clone();
    assert_eq!(values["model.api_key"]["value"], "env:OPENAI_API_KEY");
    assert_eq!(values["web_chat.session_secret"]["value"], "***");
    assert_eq!(
        lines(&config.warnings()),
        [format!(
            "zupa.toml:4:18: web_chat.session_secret: {LITERAL}"
        )]
    );
    for printed in [
        format!("{config:?}"),
        config.show().to_string(),
        format!("{:?}", config.rows()),
    ] {
        assert!(!printed.contains("canary"), "{printed}");
    }
}

#[test]
fn prod_refuses_literals_from_any_layer_and_an_open_web_chat() {
    let env = pairs(&[("ZUPA__MODEL__API_KEY", "canary")]);
    let problems = load(
        Sources::new()
            .file("zupa.toml", "profile = 'prod'")
            .env(env),
    )
    .unwrap_err();
    assert_eq!(
        lines(&problems),
        [
            "zupa.toml:1:11: web_chat.session_secret: missing, and prod needs it for the web chat | without it anyone may read and write in any conversation | for example `env:ZUPA_SESSION_SECRET`, or have no web-chat channel".to_owned(),
            format!("env ZUPA__MODEL__API_KEY: model.api_key: {LITERAL}"),
        ]
    );
    assert!(file("profile = 'prod'\nchannel = []").is_ok());
    assert!(file("profile = 'prod'\nweb_chat.session_secret = 'file:/run/secrets/x'").is_ok());
}

#[test]
fn an_address_that_others_reach_is_a_warning() {
    let open = "server.listen = '0.0.0.0:80'\n";
    let prod = "profile = 'prod'\nweb_chat.session_secret = 'env:X'\n";
    assert_eq!(
        lines(&file(&format!("{prod}{open}")).unwrap().warnings()),
        [
            "zupa.toml:3:17: server.listen: 0.0.0.0:80 is reachable from other machines | whoever reaches the port can talk to it, without TLS | listen on 127.0.0.1 behind a proxy with TLS, or limit who reaches the port"
        ]
    );
    assert_eq!(file(open).unwrap().warnings().len(), 1);
    assert!(
        file("server.listen = '[::ffff:127.0.0.1]:80'")
            .unwrap()
            .warnings()
            .is_empty()
    );
}

#[test]
fn a_misspelt_reference_is_not_a_secret() {
    let fix = "use `env:NAME`, `file:PATH` or `exec:COMMAND`";
    let scheme = format!(
        "the text before the colon is not `env`, `file` or `exec` | it looks like a reference, and a reference is never used as the secret itself | {fix}"
    );
    let variable = "no variable after `env:` | a variable's name is letters, digits and `_`, not beginning with a digit | for example `env:OPENAI_API_KEY`";
    let cases = [
        ("'evn:X'", scheme.clone()),
        ("'vault:canary'", scheme),
        ("'env:'", variable.to_owned()),
        ("'env:$canary'", variable.to_owned()),
        ("'file: '", format!("nothing after `file:` | the reference is empty | {fix}")),
        ("''", format!("the secret is empty | no secret is not a secret | {fix}")),
        ("5", "expected a text, found a number | the provider's key, by reference | for example `env:NAME`".to_owned()),
    ];
    for (value, problem) in cases {
        let line = format!("zupa.toml:1:17: model.api_key: {problem}");
        check_refused(&format!("model.api_key = {value}"), &[&line]);
    }
}

#[test]
fn no_report_holds_a_secret() {
    let texts = [
        "model.api_key = \"canary\n",
        "profile = 'prod'\ncanary oops\n",
        "[model]\napi_key = ['canary']\n",
        "[model]\napi_key.canary = 'canary'\n",
        "profile = 'prod'\nmodel.api_key = 'canary'\nfoo = 'canary'\n",
        "store.url = 'redis://:canary@h'\n[model]\nbase_url = 'https://canary@h'\n",
    ];
    for text in texts {
        let problems = file(text).unwrap_err();
        for line in lines(&problems) {
            let quoted = line.replace("canary: unknown", "");
            assert!(!quoted.contains("canary"), "{line}");
        }
    }
}

#[test]
fn every_secret_key_is_in_the_list_of_secrets() {
    let paths: Vec<_> = keys::TABLE
        .iter()
        .filter(|key| matches!(key.kind, keys::Kind::Secret) && !key.path.contains('['))
        .map(|key| key.path)
        .collect();
    let mut text = String::new();
    for section in ["transcriber", "synthesizer"] {
        text.push_str(&format!("{section}.provider = 'openai'\n"));
    }
    for path in &paths {
        text.push_str(&format!("{path} = 'env:X'\n"));
    }
    let config = file(&text).unwrap();
    let listed: Vec<_> = config.secrets().into_iter().map(|(path, _)| path).collect();
    assert_eq!(listed, paths);
}
