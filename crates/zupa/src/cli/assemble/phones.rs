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

    use tokio::task::JoinSet;
    use tracing::{info, warn};
    use zupa::config::{Channel as Wanted, ChannelKind, Config};
    use zupa_core::{Channel, ChannelId, Error, Intake, Standing, TenantId};
    use zupa_http::channels::Code;
    use zupa_runtime::{SystemClock, SystemIds};
    use zupa_wwebjs_bridge::{Groups, WwebjsBridge, WwebjsConfig};

    use crate::cli::failure::Failure;
    use crate::cli::{pairing, print};

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

        /// How they stand.
        pub fn standings(&self) -> impl Iterator<Item = Standing> {
            self.bridges.iter().map(WwebjsBridge::standing)
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
            let Some(wanted) = status.borrow_and_update().pairing.clone() else {
                continue;
            };
            if !std::io::stdout().is_terminal() {
                info!(%channel, "the phone waits to be linked; `zupa channels show` prints its code");
                continue;
            }
            let words = pairing::words(channel.as_str(), &Code::of(&wanted));
            print::line(format_args!("{words}"));
        }
    }
}

#[cfg(not(feature = "wwebjs-bridge"))]
mod left_out {
    use std::sync::Arc;

    use zupa::config::Config;
    use zupa_core::{Channel, Intake, Standing};

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

        pub fn standings(&self) -> impl Iterator<Item = Standing> {
            std::iter::empty()
        }

        pub fn start(&mut self, _: &Intake) {}

        pub async fn close(self) {}
    }
}
