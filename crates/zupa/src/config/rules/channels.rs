//! Rules for every kind of channel: its keys are its own, and so is what it stands for.

use std::collections::BTreeMap;

use super::super::problem::Flaw;
use super::super::{Channel, ChannelKind, Origin};
use super::Rules;

/// What a rule says of a kind of channel that has keys of its own.
pub(super) struct Kind {
    pub kind: ChannelKind,
    /// As it stands in `kind`, and as the feature of this crate is called.
    pub name: &'static str,
    pub is_built_in: bool,
    /// One of it, and many.
    pub one: &'static str,
    pub many: &'static str,
    /// The keys that only it has.
    pub keys: &'static [&'static str],
}

const KINDS: [&Kind; 2] = [&super::whatsapp::NUMBER, &super::phones::PHONE];

impl Rules<'_> {
    pub(super) fn channels(&mut self) {
        if !self.sound(&["channel"]) {
            return;
        }
        let mut taken = BTreeMap::new();
        for (index, channel) in self.config.channels.iter().enumerate() {
            let at = format!("channel[{index}]");
            for kind in KINDS {
                match channel.kind == kind.kind {
                    true => self.built_in(&at, kind),
                    false => self.not_its_keys(&at, kind),
                }
            }
            match channel.kind {
                ChannelKind::WebChat => {}
                ChannelKind::WhatsAppCloud => self.number(&at, channel),
                ChannelKind::WwebjsBridge => self.phone(&at, channel),
            }
            self.stands_alone(&mut taken, &at, channel);
        }
    }

    fn built_in(&mut self, at: &str, kind: &Kind) {
        if kind.is_built_in {
            return;
        }
        let (name, many) = (kind.name, kind.many);
        let flaw = Flaw::new(
            format!("this zupa was built without the feature {name}"),
            format!("it knows no {many}"),
            format!(
                "build it with the feature, as in `cargo install zupa --features {name}`, \
                 or leave the channel out"
            ),
        );
        self.report(&format!("{at}.kind"), flaw);
    }

    fn not_its_keys(&mut self, at: &str, kind: &Kind) {
        for key in kind.keys {
            let path = format!("{at}.{key}");
            if *self.config.origin(&path) == Origin::Default {
                continue;
            }
            let flaw = Flaw::new(
                "this kind of channel has no such key",
                format!("it belongs to {}", kind.one),
                format!("remove it, or set kind to `{}`", kind.name),
            );
            self.report(&path, flaw);
        }
    }

    /// What is posted for a number goes to one channel, and a session is one phone's.
    fn stands_alone<'c>(
        &mut self,
        taken: &mut BTreeMap<(&'static str, &'c str), String>,
        at: &str,
        channel: &'c Channel,
    ) {
        let (key, value, what, why, fix) = match channel.kind {
            ChannelKind::WebChat => return,
            ChannelKind::WhatsAppCloud => (
                "phone_number_id",
                &channel.phone_number_id,
                "number",
                "what is posted for a number goes to one channel",
                "keep one of the two",
            ),
            ChannelKind::WwebjsBridge => (
                "session_dir",
                &channel.session_dir,
                "folder",
                "a session belongs to one phone",
                "give each phone a folder of its own",
            ),
        };
        let Some(value) = value else {
            return;
        };
        let path = format!("{at}.{key}");
        let Some(first) = taken.insert((key, value), path.clone()) else {
            return;
        };
        let first = self.config.origin(&first);
        let what = format!("another channel has this {what} ({first})");
        self.report(&path, Flaw::new(what, why, fix));
    }
}
