//! Rules for ordinary phones.

use super::super::problem::Flaw;
use super::super::{Channel, ChannelKind};
use super::Rules;
use super::channels::Kind;

pub(super) const PHONE: Kind = Kind {
    kind: ChannelKind::WwebjsBridge,
    name: "wwebjs-bridge",
    is_built_in: cfg!(feature = "wwebjs-bridge"),
    one: "an ordinary phone",
    many: "ordinary phones",
    keys: &[
        "session_dir",
        "sidecar_dir",
        "node",
        "chromium",
        "chromium_sandbox",
        "pair_with",
        "sends_per_hour",
        "send_gap_ms",
        "first_contacts_per_hour",
        "backlog_hours",
        "groups",
    ],
};

impl Rules<'_> {
    pub(super) fn phone(&mut self, at: &str, channel: &Channel) {
        if channel.session_dir.is_none() {
            let flaw = Flaw::new(
                "session_dir is missing",
                "a phone that is linked stays linked by what lies there",
                "session_dir = \"/var/lib/zupa/phone\"; see docs/whatsapp-web.md",
            );
            self.report(&format!("{at}.kind"), flaw);
        }
        for (key, path) in [("node", &channel.node), ("chromium", &channel.chromium)] {
            if path.starts_with('/') {
                continue;
            }
            let flaw = Flaw::new(
                "not an absolute path",
                "what runs must not depend on where zupa was started",
                format!("for example `/usr/bin/{key}`"),
            );
            self.report(&format!("{at}.{key}"), flaw);
        }
        let is_number =
            |text: &String| text.len() >= 8 && text.bytes().all(|byte| byte.is_ascii_digit());
        if channel
            .pair_with
            .as_ref()
            .is_some_and(|text| !is_number(text))
        {
            let flaw = Flaw::new(
                "not the number of a phone",
                "WhatsApp makes the code for a number of 8 to 15 digits, the country's code first",
                "for example `15550000000`",
            );
            self.report(&format!("{at}.pair_with"), flaw);
        }
    }
}
