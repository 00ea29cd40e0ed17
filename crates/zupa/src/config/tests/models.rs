//! `[[model.fallback]]`: what is read, refused, and not shown.

use super::super::*;
use super::{check_refused, file, load, pairs};

#[test]
fn fallback_models_are_read_in_their_order_and_their_keys_are_not_shown() {
    let text = "[model]\nprovider = 'openai'\nname = 'first'\n\
                [[model.fallback]]\nprovider = 'openai'\nname = 'second'\n\
                base_url = 'https://other.example/v1'\napi_key = 'canary'\nmax_tokens = 9\n\
                [[model.fallback]]\nprovider = 'scripted'\n";
    let config = file(text).unwrap();
    let [second, third] = &config.model.fallback[..] else {
        panic!("{config:?}");
    };
    assert_eq!(second.name.as_deref(), Some("second"));
    assert_eq!(second.max_tokens, Some(9));
    assert_eq!(third.provider, Provider::Scripted);
    assert_eq!(third.base_url, "https://api.openai.com/v1");
    let secrets: Vec<_> = config.secrets().into_iter().map(|(path, _)| path).collect();
    assert_eq!(secrets, ["model.fallback[0].api_key"]);
    let shown = config.show();
    assert_eq!(
        shown["values"]["model.fallback[0].name"].to_string(),
        r#"{"at":"zupa.toml:6:8","source":"file","value":"second"}"#
    );
    assert!(!format!("{config:?}{shown}").contains("canary"));
}

#[test]
fn a_variable_sets_all_fallback_models_at_once() {
    let list = "[{ provider = \"openai\", name = \"b\" }]";
    let sources = Sources::new().env(pairs(&[("ZUPA__MODEL__FALLBACK", list)]));
    let config = load(sources).unwrap();
    assert_eq!(config.model.fallback[0].name.as_deref(), Some("b"));
}

#[test]
fn a_fallback_model_that_cannot_be_asked_is_refused() {
    check_refused(
        "[[model.fallback]]\nprovider = 'openai'\n",
        &[
            "zupa.toml:2:12: model.fallback[0].provider: the model has no name | the provider has to know which one is meant | set `name`, as the provider spells it",
        ],
    );
    check_refused(
        "[[model.fallback]]\nname = 'b'\n",
        &[
            "zupa.toml:1:1: model.fallback[0].provider: missing | it has no default | set it: who completes",
        ],
    );
}
