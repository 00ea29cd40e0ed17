//! Rules for speech.

use super::super::problem::Flaw;
use super::super::{ChannelKind, Modality, Origin};
use super::Rules;

impl Rules<'_> {
    /// A modality that speaks needs somebody who does.
    pub(super) fn modality(&mut self) {
        let keys = ["agent.modality", "synthesizer.provider"];
        let speaks = self.config.agent.modality.unwrap_or(Modality::Text) != Modality::Text;
        if self.sound(&keys) && speaks && self.config.synthesizer.provider.is_none() {
            let flaw = Flaw::new(
                "answers are to be spoken, and synthesizer.provider is not set",
                "nobody would say them, so every answer would be written",
                "provider = \"openai\" in [synthesizer], or modality = \"text\"",
            );
            self.report("agent.modality", flaw);
        }
    }

    /// What is said of an ear or a mouth that nobody has would have no effect.
    pub(super) fn speech_without_provider(&mut self) {
        let config = self.config;
        let sections = [
            ("transcriber", config.transcriber.provider.is_none()),
            ("synthesizer", config.synthesizer.provider.is_none()),
        ];
        for (section, missing) in sections {
            let provider = format!("{section}.provider");
            if !missing || !self.sound(&[&provider]) {
                continue;
            }
            let below = format!("{section}.");
            let set = config.origins.iter().find(|(path, origin)| {
                path.starts_with(&below) && !matches!(origin, Origin::Default)
            });
            if let Some((path, _)) = set {
                let flaw = Flaw::new(
                    format!("{provider} is not set"),
                    "without a provider the section has no effect",
                    format!("provider = \"openai\" in [{section}], or leave the section out"),
                );
                self.report(path, flaw);
            }
        }
    }

    /// A mouth that never speaks.
    pub(super) fn unused_synthesizer(&mut self) {
        let config = self.config;
        if config.synthesizer.provider.is_none() {
            return;
        }
        if config.agent.modality == Some(Modality::Text) {
            let flaw = Flaw::new(
                "a synthesizer, and agent.modality is text",
                "every answer is written",
                "modality = \"mirror\" in [agent], or leave [synthesizer] out",
            );
            self.report("synthesizer.provider", flaw);
        }
        let carries_voice = |kind| match kind {
            ChannelKind::WebChat | ChannelKind::WhatsAppCloud | ChannelKind::WwebjsBridge => false,
        };
        if !config.channels.iter().any(|door| carries_voice(door.kind)) {
            let flaw = Flaw::new(
                "a synthesizer, and no channel that carries voice",
                "every answer is written there",
                "leave [synthesizer] out until there is such a channel",
            );
            self.report("synthesizer.provider", flaw);
        }
    }
}
