//! Ordinary phones: what is read, and what is refused.

use super::{file, lines};

const PHONE: &str =
    "[[channel]]\nid = 'phone'\nkind = 'wwebjs-bridge'\nsession_dir = '/var/lib/phone'\n";

/// Each problem but the one of a feature that is not compiled in.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let problems = match file(text) {
        Ok(_) => Vec::new(),
        Err(problems) => lines(&problems),
    };
    let is_feature = |line: &String| line.contains("without the feature wwebjs-bridge");
    let problems: Vec<_> = problems
        .into_iter()
        .filter(|line| !is_feature(line))
        .collect();
    assert_eq!(problems, expected, "for the file:\n{text}");
}

#[cfg(feature = "wwebjs-bridge")]
#[test]
fn a_phone_needs_no_more_than_a_folder() {
    let config = file(PHONE).unwrap();
    let phone = &config.channels[0];
    assert_eq!(phone.kind, super::super::ChannelKind::WwebjsBridge);
    assert_eq!(phone.session_dir.as_deref(), Some("/var/lib/phone"));
    assert!(phone.chromium_sandbox && !phone.groups);
}

#[cfg(not(feature = "wwebjs-bridge"))]
#[test]
fn a_phone_is_refused_by_the_name_of_the_feature_that_it_needs() {
    let refused = lines(&file(PHONE).unwrap_err());
    assert!(
        refused[0].contains("without the feature wwebjs-bridge"),
        "{refused:?}"
    );
}

#[test]
fn a_phone_that_cannot_work_is_refused() {
    check(
        "[[channel]]\nid = 'phone'\nkind = 'wwebjs-bridge'\n",
        &[
            "zupa.toml:3:8: channel[0].kind: session_dir is missing | a phone that is linked stays linked by what lies there | session_dir = \"/var/lib/zupa/phone\"; see docs/whatsapp-web.md",
        ],
    );
    check(
        &format!("{PHONE}node = 'node'\nchromium = './chromium'\n"),
        &[
            "zupa.toml:5:8: channel[0].node: not an absolute path | what runs must not depend on where zupa was started | for example `/usr/bin/node`",
            "zupa.toml:6:12: channel[0].chromium: not an absolute path | what runs must not depend on where zupa was started | for example `/usr/bin/chromium`",
        ],
    );
    check(
        &format!("{PHONE}pair_with = '+1 555'\n"),
        &[
            "zupa.toml:5:13: channel[0].pair_with: not the number of a phone | WhatsApp makes the code for a number of 8 to 15 digits, the country's code first | for example `15550000000`",
        ],
    );
    check(
        &format!("{PHONE}{}", PHONE.replace("'phone'", "'other'")),
        &[
            "zupa.toml:8:15: channel[1].session_dir: another channel has this folder (zupa.toml:4:15) | a session belongs to one phone | give each phone a folder of its own",
        ],
    );
    check(
        "[[channel]]\nid = 'main'\nkind = 'web-chat'\ngroups = true\n",
        &[
            "zupa.toml:4:10: channel[0].groups: this kind of channel has no such key | it belongs to an ordinary phone | remove it, or set kind to `wwebjs-bridge`",
        ],
    );
    check(
        &format!("{PHONE}access_token = 'env:X'\n"),
        &[
            "zupa.toml:5:16: channel[0].access_token: this kind of channel has no such key | it belongs to a number of WhatsApp | remove it, or set kind to `whatsapp-cloud`",
        ],
    );
}
