//! Rules for ordinary phones.

use std::collections::BTreeMap;

use super::super::problem::Flaw;
use super::super::{Channel, ChannelKind, Origin};
use super::Rules;

/// The keys of a channel that only a phone has.
const KEYS: [&str; 11] = [
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
];

impl Rules<'_> {
    pub(super) fn phones(&mut self) {
        if !self.sound(&["channel"]) {
            return;
        }
        let mut seen = BTreeMap::new();
        for (index, channel) in self.config.channels.iter().enumerate() {
            let at = format!("channel[{index}]");
            match channel.kind {
                ChannelKind::WebChat | ChannelKind::WhatsAppCloud => self.no_phone(&at),
                ChannelKind::WwebjsBridge => {
                    self.built_with_bridge(&at);
                    self.phone(&at, channel);
                    self.one_session(&mut seen, format!("{at}.session_dir"), channel);
                }
            }
        }
    }

    fn no_phone(&mut self, at: &str) {
        for key in KEYS {
            let path = format!("{at}.{key}");
            if *self.config.origin(&path) == Origin::Default {
                continue;
            }
            let flaw = Flaw::new(
                "this kind of channel has no such key",
                "it belongs to an ordinary phone",
                "remove it, or set kind to `wwebjs-bridge`",
            );
            self.report(&path, flaw);
        }
    }

    fn built_with_bridge(&mut self, at: &str) {
        if cfg!(feature = "wwebjs-bridge") {
            return;
        }
        let flaw = Flaw::new(
            "this zupa was built without the feature wwebjs-bridge",
            "it knows no ordinary phones",
            "build it with the feature, as in `cargo install zupa --features wwebjs-bridge`, \
             or leave the channel out",
        );
        self.report(&format!("{at}.kind"), flaw);
    }

    fn phone(&mut self, at: &str, channel: &Channel) {
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

    /// A session is one process's, and in one process one channel's.
    fn one_session<'c>(
        &mut self,
        seen: &mut BTreeMap<&'c str, String>,
        path: String,
        channel: &'c Channel,
    ) {
        let Some(folder) = &channel.session_dir else {
            return;
        };
        let Some(first) = seen.insert(folder, path.clone()) else {
            return;
        };
        let flaw = Flaw::new(
            format!(
                "another channel has this folder ({})",
                self.config.origin(&first)
            ),
            "a session belongs to one phone",
            "give each phone a folder of its own",
        );
        self.report(&path, flaw);
    }
}
