//! Whether this is the place.

use crate::support::{NUMBER, VERIFY, config, webhook};

#[test]
fn only_whoever_knows_the_verify_token_is_answered() {
    let door = webhook([config("wa", NUMBER)]);
    let (mode, token, challenge) = (
        ("hub.mode", "subscribe"),
        ("hub.verify_token", VERIFY),
        ("hub.challenge", "1158201444"),
    );
    let ask = |query: &[(&str, &str)]| {
        let query: Vec<_> = query
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        door.greet(&query).ok()
    };
    let answered = ask(&[mode, token, challenge]);
    assert_eq!(answered.as_deref(), Some("1158201444"));
    for wrong in [
        &[][..],
        &[mode, token],
        &[mode, challenge],
        &[token, challenge],
        &[("hub.mode", "unsubscribe"), token, challenge],
        &[mode, ("hub.verify_token", "the-verify-tokem"), challenge],
        &[mode, ("hub.verify_token", ""), challenge],
        &[mode, token, token, challenge],
    ] {
        assert_eq!(ask(wrong), None, "{wrong:?}");
    }
    let mut closed = config("wa", NUMBER);
    closed.verify_token = None;
    let query = [mode, token, challenge].map(|(name, value)| (name.into(), value.into()));
    assert!(webhook([closed]).greet(&query).is_err());
}
