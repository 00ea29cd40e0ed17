//! Rules for numbers of WhatsApp.

use super::super::problem::Flaw;
use super::super::{Channel, ChannelKind, WindowClosed};
use super::Rules;
use super::channels::Kind;

pub(super) const NUMBER: Kind = Kind {
    kind: ChannelKind::WhatsAppCloud,
    name: "whatsapp-cloud",
    is_built_in: cfg!(feature = "whatsapp-cloud"),
    one: "a number of WhatsApp",
    many: "numbers of WhatsApp",
    keys: &[
        "phone_number_id",
        "graph_url",
        "access_token",
        "app_secrets",
        "verify_token",
        "on_unknown",
        "messages_per_second",
        "window_closed",
        "window_wait_hours",
        "template_name",
        "template_language",
        "typing",
    ],
};

impl Rules<'_> {
    pub(super) fn number(&mut self, at: &str, channel: &Channel) {
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
