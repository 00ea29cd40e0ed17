//! Numbers of WhatsApp: what is read, what is refused, and what is not shown.

#[cfg(feature = "whatsapp-cloud")]
use super::super::{ChannelKind, OnUnknown, WindowClosed};
use super::{file, lines};

const NUMBER: &str = "[[channel]]\nid = 'wa'\nkind = 'whatsapp-cloud'\nphone_number_id = '100'\n\
                      access_token = 'env:WA_TOKEN'\n";

/// Each problem but the one of a feature that is not compiled in.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let problems = match file(text) {
        Ok(_) => Vec::new(),
        Err(problems) => lines(&problems),
    };
    let is_feature = |line: &String| line.contains("without the feature whatsapp-cloud");
    let problems: Vec<_> = problems
        .into_iter()
        .filter(|line| !is_feature(line))
        .collect();
    assert_eq!(problems, expected, "for the file:\n{text}");
}

#[cfg(feature = "whatsapp-cloud")]
#[test]
fn a_number_is_read_and_its_secrets_are_not_shown() {
    let text = format!(
        "{NUMBER}app_secrets = ['canary-one', 'file:/run/old']\nverify_token = 'canary-two'\n\
         on_unknown = 'resend'\nmessages_per_second = 20\nwindow_closed = 'wait'\n\
         window_wait_hours = 48\ngraph_url = 'http://127.0.0.1:1/v9'\n"
    );
    let config = file(&text).unwrap();
    let number = &config.channels[0];
    assert_eq!(number.kind, ChannelKind::WhatsAppCloud);
    assert_eq!(number.on_unknown, OnUnknown::Resend);
    assert_eq!(number.messages_per_second, 20);
    assert_eq!(number.window_closed, WindowClosed::Wait);
    assert_eq!(number.window_wait_hours, 48);
    assert_eq!(number.app_secrets.len(), 2);
    let listed: Vec<_> = config.secrets().into_iter().map(|(path, _)| path).collect();
    assert_eq!(
        listed,
        [
            "channel[0].access_token",
            "channel[0].app_secrets",
            "channel[0].app_secrets",
            "channel[0].verify_token"
        ]
    );
    let shown = config.show();
    assert_eq!(
        shown["values"]["channel[0].app_secrets"]["value"],
        serde_json::json!(["***", "file:/run/old"])
    );
    assert!(!format!("{shown} {config:?}").contains("canary"));
}

#[test]
fn a_number_that_cannot_work_is_refused() {
    check(
        "[[channel]]\nid = 'wa'\nkind = 'whatsapp-cloud'\n",
        &[
            "zupa.toml:3:8: channel[0].kind: phone_number_id is missing | without it a number cannot send | the app has both, at developers.facebook.com; see docs/whatsapp.md",
        ],
    );
    check(
        &NUMBER.replace("'100'", "'+1 555'"),
        &[
            "zupa.toml:4:19: channel[0].phone_number_id: not a phone number id | it is Meta's id of the number, 1 to 32 digits, and not the number itself | for example `100000000000001`",
        ],
    );
    check(
        &format!("{NUMBER}{}", NUMBER.replace("'wa'", "'other'")),
        &[
            "zupa.toml:9:19: channel[1].phone_number_id: another channel has this number (zupa.toml:4:19) | what is posted for a number goes to one channel | keep one of the two",
        ],
    );
    check(
        "[[channel]]\nid = 'main'\nkind = 'web-chat'\nverify_token = 'env:X'\n",
        &[
            "zupa.toml:4:16: channel[0].verify_token: this kind of channel has no such key | it belongs to a number of WhatsApp | remove it, or set kind to `whatsapp-cloud`",
        ],
    );
    check(
        &format!("{NUMBER}messages_per_second = 0\n"),
        &[
            "zupa.toml:6:23: channel[0].messages_per_second: 0 is out of range | allowed: 1 to 1000 | for example `80`, the default",
        ],
    );
    check(
        &format!("{NUMBER}window_closed = 'template'\n"),
        &[
            "zupa.toml:6:17: channel[0].window_closed: template_name is missing | without it there is no template that a message could go into | template_name = \"…\", with one that Meta has approved, or window_closed = \"review\"",
        ],
    );
    check(
        &format!("{NUMBER}app_secrets = [' ', 7]\n"),
        &[
            "zupa.toml:6:16: channel[0].app_secrets[0]: the secret is empty | no secret is not a secret | use `env:NAME`, `file:PATH` or `exec:COMMAND`",
            "zupa.toml:6:21: channel[0].app_secrets[1]: expected a text, found a number | the app's secrets, by reference, any of which may have signed what is posted; without one there is no webhook | for example `[\"env:NAME\"]`",
        ],
    );
}

#[cfg(feature = "whatsapp-cloud")]
#[test]
fn a_number_that_does_not_hear_is_a_warning() {
    let warned = |more: &str| {
        let config = file(&format!("{NUMBER}{more}")).unwrap();
        let warnings: Vec<_> = config.warnings().into_iter().collect();
        warnings
            .into_iter()
            .find(|warning| warning.key == "channel[0].kind")
            .map(|warning| warning.what.clone())
    };
    let deaf = warned("").unwrap();
    assert_eq!(deaf, "a number without app_secrets");
    let secret = "app_secrets = ['env:X']\n";
    assert_eq!(warned(secret).unwrap(), "a number without verify_token");
    assert_eq!(warned(&format!("{secret}verify_token = 'env:Y'\n")), None);
}

#[cfg(not(feature = "whatsapp-cloud"))]
#[test]
fn a_number_is_refused_by_the_name_of_the_feature_that_it_needs() {
    let refused = lines(&file(NUMBER).unwrap_err());
    assert!(
        refused[0].contains("without the feature whatsapp-cloud"),
        "{refused:?}"
    );
}

#[cfg(feature = "whatsapp-cloud")]
#[test]
fn an_operator_may_be_bound_to_a_number_of_whatsapp() {
    let web = "[[channel]]\nid = 'web'\nkind = 'web-chat'\n";
    let is_warned = |at: &str| {
        let operator = format!("[[agent.operator]]\nname = 'bea'\nat = ['{at}/15550001']\n");
        let config = file(&format!("{NUMBER}{web}{operator}")).unwrap();
        let warnings = lines(&config.warnings());
        warnings.iter().any(|line| line.contains("does not vouch"))
    };
    assert!(!is_warned("wa"));
    assert!(is_warned("web"));
}

#[test]
fn quiet_hours_are_hours_in_a_zone_and_not_of_a_web_chat() {
    let quiet = "quiet_hours = '22:00-07:00'\ntime_zone = 'America/Sao_Paulo'\n";
    check(&format!("{NUMBER}{quiet}"), &[]);
    check(
        &format!("{NUMBER}quiet_hours = 'at night'\ntime_zone = 'Mars/Olympus'\n"),
        &[
            "zupa.toml:6:15: channel[0].quiet_hours: not hours of a day | two times of the day, each as HH:MM, and not the same | for example `22:00-07:00`",
            "zupa.toml:7:13: channel[0].time_zone: not a time zone | the tz database knows none of this name | for example `America/Sao_Paulo`",
        ],
    );
    check(
        &format!("[[channel]]\nid = 'main'\nkind = 'web-chat'\n{quiet}"),
        &[
            "zupa.toml:4:15: channel[0].quiet_hours: this kind of channel has no such key | a web chat disturbs nobody: its messages are there when somebody looks | remove it",
            "zupa.toml:5:13: channel[0].time_zone: this kind of channel has no such key | a web chat disturbs nobody: its messages are there when somebody looks | remove it",
        ],
    );
}
