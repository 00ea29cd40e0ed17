//! Numbers of WhatsApp: from `[[channel]]` to the doors that send and those that are posted
//! to.

use std::sync::Arc;

use zupa::config::Config;
use zupa_core::{Channel, Webhook};

use super::super::failure::Failure;

/// The doors of all numbers.
#[derive(Default)]
pub struct Numbers {
    /// What the runtime sends by.
    pub doors: Vec<Arc<dyn Channel>>,
    /// What Meta posts to.
    pub webhooks: Vec<Arc<dyn Webhook>>,
}

/// The numbers of the configuration, with their secrets from where they lie.
#[cfg(feature = "whatsapp-cloud")]
pub async fn numbers(config: &Config) -> Result<Numbers, Failure> {
    use zupa::config::ChannelKind;

    let mut numbers = Vec::new();
    for (index, channel) in config.channels.iter().enumerate() {
        if channel.kind == ChannelKind::WhatsAppCloud {
            numbers.push(number(config, index, channel).await?);
        }
    }
    Ok(Numbers {
        webhooks: zupa_whatsapp_cloud::webhooks(&numbers),
        doors: numbers
            .into_iter()
            .map(|number| Arc::new(number) as Arc<dyn Channel>)
            .collect(),
    })
}

/// Loading the configuration has refused numbers.
#[cfg(not(feature = "whatsapp-cloud"))]
pub async fn numbers(_: &Config) -> Result<Numbers, Failure> {
    Ok(Numbers::default())
}

#[cfg(feature = "whatsapp-cloud")]
pub use built_in::number;

#[cfg(feature = "whatsapp-cloud")]
mod built_in {
    use std::time::Duration;

    use zupa::config::{Channel, Config, OnUnknown, WindowClosed};
    use zupa_core::{ChannelId, Error, TenantId};
    use zupa_whatsapp_cloud::{WhatsAppCloud, WhatsAppCloudConfig};

    use super::super::secret;
    use crate::cli::failure::Failure;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    /// One number of the configuration.
    pub async fn number(
        config: &Config,
        index: usize,
        channel: &Channel,
    ) -> Result<WhatsAppCloud, Failure> {
        let key = |name: &str| format!("channel[{index}].{name}");
        let (Some(phone_number_id), Some(access_token)) =
            (&channel.phone_number_id, &channel.access_token)
        else {
            return Err(Error::internal("a number without its keys was loaded").into());
        };
        let access_token = secret(access_token, &key("access_token")).await?;
        let mut app_secrets = Vec::new();
        for reference in &channel.app_secrets {
            app_secrets.push(secret(reference, &key("app_secrets")).await?);
        }
        let verify_token = match &channel.verify_token {
            Some(reference) => Some(secret(reference, &key("verify_token")).await?),
            None => None,
        };
        let (id, tenant) = (
            ChannelId::parse(&channel.id)?,
            TenantId::parse(&channel.tenant)?,
        );
        let number = WhatsAppCloudConfig {
            graph_url: channel.graph_url.clone(),
            app_secrets,
            verify_token,
            on_unknown: match channel.on_unknown {
                OnUnknown::Review => zupa_core::OnUnknown::Review,
                OnUnknown::Resend => zupa_core::OnUnknown::Resend,
            },
            window_closed: window_closed(channel),
            messages_per_second: channel.messages_per_second,
            typing: channel.typing,
            payload_bytes: config.limits.payload_bytes,
            ..WhatsAppCloudConfig::new(id, tenant, phone_number_id, access_token)
        };
        Ok(WhatsAppCloud::new(number)?)
    }

    fn window_closed(channel: &Channel) -> zupa_whatsapp_cloud::WindowClosed {
        use zupa_whatsapp_cloud::WindowClosed as Closed;

        match (channel.window_closed, &channel.template_name) {
            (WindowClosed::Wait, _) => Closed::Wait {
                at_most: HOUR * channel.window_wait_hours,
            },
            (WindowClosed::Drop, _) => Closed::Drop,
            (WindowClosed::Template, Some(name)) => Closed::Template {
                name: name.clone(),
                language: channel.template_language.clone(),
            },
            // Loading the configuration has refused a template without a name.
            (WindowClosed::Review | WindowClosed::Template, _) => Closed::Review,
        }
    }
}
