//! Ordinary phones: from `[[channel]]` to doors with a sidecar behind each.

use zupa::config::Config;

use super::super::failure::Failure;

#[cfg(feature = "wwebjs-bridge")]
pub use built_in::Phones;
#[cfg(not(feature = "wwebjs-bridge"))]
pub use left_out::Phones;

/// The phones of the configuration. None of them is started.
pub fn phones(config: &Config) -> Result<Phones, Failure> {
    Phones::of(config)
}

#[cfg(feature = "wwebjs-bridge")]
mod built_in {
    use std::io::IsTerminal;
    use std::sync::Arc;
    use std::time::Duration;

    use qrcode::QrCode;
    use qrcode::render::unicode::Dense1x2;
    use tokio::task::JoinSet;
    use tracing::{info, warn};
    use zupa::config::{Channel as Wanted, ChannelKind, Config};
    use zupa_core::{Channel, ChannelId, Error, Intake, TenantId};
    use zupa_runtime::{SystemClock, SystemIds};
    use zupa_wwebjs_bridge::{Groups, Pairing, WwebjsBridge, WwebjsConfig};

    use crate::cli::failure::Failure;
    use crate::cli::print;

    /// Longer than a browser takes to close.
    const CLOSING: Duration = Duration::from_secs(20);

    /// The phones; their sidecars end when this is dropped.
    #[derive(Default)]
    pub struct Phones {
        bridges: Vec<WwebjsBridge>,
        running: JoinSet<()>,
    }

    impl Phones {
        pub fn of(config: &Config) -> Result<Self, Failure> {
            let wanted = config.channels.iter();
            let bridges = wanted
                .filter(|channel| channel.kind == ChannelKind::WwebjsBridge)
                .map(|channel| bridge(config, channel))
                .collect::<zupa_core::Result<_>>()?;
            Ok(Self {
                bridges,
                running: JoinSet::new(),
            })
        }

        /// What the runtime sends by.
        pub fn doors(&self) -> impl Iterator<Item = Arc<dyn Channel>> {
            let bridges = self.bridges.iter().cloned();
            bridges.map(|bridge| Arc::new(bridge) as Arc<dyn Channel>)
        }

        /// Starts the sidecars, and shows what a person has to give a phone.
        pub fn start(&mut self, intake: &Intake) {
            for bridge in &self.bridges {
                let (running, intake) = (bridge.clone(), intake.clone());
                self.running.spawn(async move { running.run(intake).await });
                self.running.spawn(show_pairing(bridge.clone()));
            }
        }

        /// Lets the browsers end in order.
        pub async fn close(mut self) {
            self.bridges.iter().for_each(WwebjsBridge::close);
            // Those who show a code end with their bridge.
            drop(std::mem::take(&mut self.bridges));
            let all = async { while self.running.join_next().await.is_some() {} };
            if tokio::time::timeout(CLOSING, all).await.is_err() {
                warn!("a phone did not close in time and is ended");
            }
        }
    }

    fn bridge(config: &Config, wanted: &Wanted) -> zupa_core::Result<WwebjsBridge> {
        let Some(session_dir) = &wanted.session_dir else {
            return Err(Error::internal("a phone without its folder was loaded"));
        };
        let channel = ChannelId::parse(&wanted.id)?;
        let tenant = TenantId::parse(&wanted.tenant)?;
        let mut phone = WwebjsConfig {
            node: wanted.node.clone().into(),
            chromium: wanted.chromium.clone().into(),
            sandbox: wanted.chromium_sandbox,
            pair_with: wanted.pair_with.clone(),
            sends_per_hour: wanted.sends_per_hour,
            send_gap: Duration::from_millis(wanted.send_gap_ms),
            first_contacts_per_hour: wanted.first_contacts_per_hour,
            backlog: Duration::from_secs(u64::from(wanted.backlog_hours) * 60 * 60),
            groups: match wanted.groups {
                true => Groups::Answer,
                false => Groups::Ignore,
            },
            payload_bytes: config.limits.payload_bytes,
            ..WwebjsConfig::new(channel, tenant, session_dir)
        };
        if let Some(folder) = &wanted.sidecar_dir {
            phone.sidecar_dir = folder.into();
        }
        WwebjsBridge::new(phone, Arc::new(SystemClock::default()), Arc::new(SystemIds))
    }

    /// Prints each code for as long as the phone is not linked; on a terminal alone, since
    /// a log is kept and read by others.
    async fn show_pairing(bridge: WwebjsBridge) {
        let channel = bridge.id().clone();
        let mut status = bridge.status();
        drop(bridge);
        // Cancel safe: a change waits to be seen.
        while status.changed().await.is_ok() {
            let Some(pairing) = status.borrow_and_update().pairing.clone() else {
                continue;
            };
            if !std::io::stdout().is_terminal() {
                info!(%channel, "the phone waits to be linked; `zupa serve` shows its code on a terminal");
                continue;
            }
            print::line(format_args!("{}", words(channel.as_str(), &pairing)));
        }
    }

    /// What a person reads who is to link a phone.
    fn words(channel: &str, pairing: &Pairing) -> String {
        let how = "On the phone: WhatsApp, Linked devices, Link a device";
        match pairing {
            Pairing::Code(code) => format!("{channel}: {how}, with the phone number: {code}"),
            Pairing::Qr(text) => match QrCode::new(text) {
                Ok(code) => {
                    let drawn = code
                        .render::<Dense1x2>()
                        // A terminal is dark: what is dark is left out.
                        .dark_color(Dense1x2::Light)
                        .light_color(Dense1x2::Dark)
                        .build();
                    format!("{drawn}\n{channel}: {how}, and scan this")
                }
                Err(_) => format!("{channel}: the code is too long to be drawn"),
            },
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_code_is_drawn_in_half_blocks_and_a_pairing_code_is_spelt() {
            let drawn = words("phone", &Pairing::Qr("2@a,b,c".to_owned()));
            let rows: Vec<_> = drawn.lines().collect();
            // 21 modules and a margin of four around them, two in a line.
            let (code, _) = rows.split_at(15);
            assert!(code.iter().all(|row| row.chars().count() == 29), "{drawn}");
            for block in ['█', '▀', '▄', ' '] {
                assert!(drawn.contains(block), "{drawn}");
            }
            assert!(rows.last().unwrap().contains("scan this"));
            let spelt = words("phone", &Pairing::Code("ABCD1234".to_owned()));
            assert!(spelt.ends_with("ABCD1234"));
        }
    }
}

#[cfg(not(feature = "wwebjs-bridge"))]
mod left_out {
    use std::sync::Arc;

    use zupa::config::Config;
    use zupa_core::{Channel, Intake};

    use crate::cli::failure::Failure;

    /// None: loading the configuration has refused phones.
    pub struct Phones;

    impl Phones {
        pub fn of(_: &Config) -> Result<Self, Failure> {
            Ok(Self)
        }

        pub fn doors(&self) -> impl Iterator<Item = Arc<dyn Channel>> {
            std::iter::empty()
        }

        pub fn start(&mut self, _: &Intake) {}

        pub async fn close(self) {}
    }
}
