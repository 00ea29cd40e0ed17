//! One number: whose it is, who may post for it, and the way out.

use std::fmt;
use std::sync::Arc;

use zupa_core::{ChannelId, OnUnknown, Result, TenantId};

use crate::config::{WhatsAppCloudConfig, WindowClosed};
use crate::media::Files;
use crate::send::Graph;
use crate::signature::{AppSecrets, VerifyToken};
use crate::signs::Signs;

/// One number of the Cloud API: a [`zupa_core::Channel`], and what is posted to it by
/// [`crate::webhooks()`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WhatsAppCloud(pub(crate) Arc<Door>);

pub(crate) struct Door {
    pub(crate) channel: ChannelId,
    pub(crate) tenant: TenantId,
    pub(crate) phone_number_id: String,
    pub(crate) app_secrets: AppSecrets,
    pub(crate) verify_token: Option<VerifyToken>,
    pub(crate) on_unknown: OnUnknown,
    pub(crate) messages_per_second: u32,
    pub(crate) window_closed: WindowClosed,
    pub(crate) payload_bytes: usize,
    pub(crate) typing: bool,
    pub(crate) signs: Signs,
    pub(crate) graph: Graph,
    pub(crate) files: Files,
}

impl WhatsAppCloud {
    /// Checks the configuration and prepares the connections; opens none.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`] names every problem of the
    /// configuration; [`zupa_core::ErrorKind::Internal`] when TLS cannot be set up, for
    /// want of root certificates on this machine for example.
    pub fn new(config: WhatsAppCloudConfig) -> Result<Self> {
        let graph_url = config.check()?;
        Ok(Self(Arc::new(Door {
            graph: Graph::new(&config, &graph_url)?,
            files: Files::new(&config, &graph_url)?,
            app_secrets: AppSecrets::new(&config.app_secrets)?,
            verify_token: config.verify_token.as_ref().map(VerifyToken::new),
            channel: config.channel,
            tenant: config.tenant,
            phone_number_id: config.phone_number_id,
            on_unknown: config.on_unknown,
            messages_per_second: config.messages_per_second,
            window_closed: config.window_closed,
            payload_bytes: config.payload_bytes,
            typing: config.typing,
            signs: Signs::new(),
        })))
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WhatsAppCloud({})", self.channel)
    }
}
