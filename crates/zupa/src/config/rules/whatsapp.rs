//! Rules for numbers of WhatsApp.

use std::collections::BTreeMap;

use super::super::problem::Flaw;
use super::super::{Channel, ChannelKind, Origin, WindowClosed};
use super::Rules;

/// The keys of a channel that only a number has.
const KEYS: [&str; 11] = [
    "phone_number_id",
    "graph_url",
    "access_token",
    "app_secrets",
    "verify_token",
    "on_unknown",
    "messages_per_second",
    "window_closed",
    "template_name",
    "template_language",
    "typing",
];

impl Rules<'_> {
    pub(super) fn whatsapp_numbers(&mut self) {
        if !self.sound(&["channel"]) {
            return;
        }
        let mut seen = BTreeMap::new();
        for (index, channel) in self.config.channels.iter().enumerate() {
            let at = format!("channel[{index}]");
            match channel.kind {
                ChannelKind::WebChat | ChannelKind::WwebjsBridge => self.no_number(&at),
                ChannelKind::WhatsAppCloud => {
                    self.built_with_whatsapp(&at);
                    self.number(&at, channel);
                    self.one_door(&mut seen, format!("{at}.phone_number_id"), channel);
                }
            }
        }
    }

    fn no_number(&mut self, at: &str) {
        for key in KEYS {
            let path = format!("{at}.{key}");
            if *self.config.origin(&path) == Origin::Default {
                continue;
            }
            let flaw = Flaw::new(
                "this kind of channel has no such key",
                "it belongs to a number of WhatsApp",
                "remove it, or set kind to `whatsapp-cloud`",
            );
            self.report(&path, flaw);
        }
    }

    fn built_with_whatsapp(&mut self, at: &str) {
        if cfg!(feature = "whatsapp-cloud") {
            return;
        }
        let flaw = Flaw::new(
            "this zupa was built without the feature whatsapp-cloud",
            "it knows no numbers of WhatsApp",
            "build it with the feature, as in `cargo install zupa --features whatsapp-cloud`, \
             or leave the channel out",
        );
        self.report(&format!("{at}.kind"), flaw);
    }

    fn number(&mut self, at: &str, channel: &Channel) {
        let digits = |text: &String| text.bytes().all(|byte| byte.is_ascii_digit());
        let missing = match &channel.phone_number_id {
            None => Some("phone_number_id"),
            Some(_) if channel.access_token.is_none() => Some("access_token"),
            Some(_) => None,
        };
        if let Some(key) = missing {
            let flaw = Flaw::new(
                format!("{key} is missing"),
                "without it a number cannot send",
                "the app has both, at developers.facebook.com; see docs/whatsapp.md",
            );
            self.report(&format!("{at}.kind"), flaw);
        }
        if channel.window_closed == WindowClosed::Template && channel.template_name.is_none() {
            let flaw = Flaw::new(
                "template_name is missing",
                "without it there is no template that a message could go into",
                "template_name = \"…\", with one that Meta has approved, or window_closed = \"review\"",
            );
            self.report(&format!("{at}.window_closed"), flaw);
        }
        if channel
            .phone_number_id
            .as_ref()
            .is_some_and(|id| !digits(id))
        {
            let flaw = Flaw::new(
                "not a phone number id",
                "it is Meta's id of the number, 1 to 32 digits, and not the number itself",
                "for example `100000000000001`",
            );
            self.report(&format!("{at}.phone_number_id"), flaw);
        }
    }

    /// What is posted goes to the channel of its number, so there can be but one.
    fn one_door<'c>(
        &mut self,
        seen: &mut BTreeMap<&'c str, String>,
        path: String,
        channel: &'c Channel,
    ) {
        let Some(number) = &channel.phone_number_id else {
            return;
        };
        let Some(first) = seen.insert(number, path.clone()) else {
            return;
        };
        let flaw = Flaw::new(
            format!(
                "another channel has this number ({})",
                self.config.origin(&first)
            ),
            "what is posted for a number goes to one channel",
            "keep one of the two",
        );
        self.report(&path, flaw);
    }

    /// Numbers that send and do not hear.
    pub(super) fn deaf_numbers(&mut self) {
        for (index, channel) in self.config.channels.iter().enumerate() {
            if channel.kind != ChannelKind::WhatsAppCloud {
                continue;
            }
            let (what, why, fix) = if channel.app_secrets.is_empty() {
                (
                    "a number without app_secrets",
                    "there is no webhook for it: nothing that is posted could be proved",
                    "app_secrets = [\"env:NAME\"], with the secret of Meta's app",
                )
            } else if channel.verify_token.is_none() {
                (
                    "a number without verify_token",
                    "Meta's handshake is refused, so its address cannot be entered there",
                    "verify_token = \"env:NAME\", with a long random text of yours",
                )
            } else {
                continue;
            };
            self.report(&format!("channel[{index}].kind"), Flaw::new(what, why, fix));
        }
    }
}
