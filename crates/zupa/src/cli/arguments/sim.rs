//! What can be typed after `zupa sim`.

use std::net::SocketAddr;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum SimCommand {
    /// Play Meta for one WhatsApp number: prints its configuration, posts webhooks, and shows
    /// everybody's phone on a page.
    WhatsappCloud(SimWhatsApp),
}

/// Where the simulator stands.
#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  zupa sim whatsapp-cloud > wa.toml          in one terminal\n  zupa serve --config wa.toml                in another; then open http://127.0.0.1:7710/"
)]
pub struct SimWhatsApp {
    /// Where the Graph API and the page listen: an address of this machine; port 0 takes a
    /// free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7710")]
    pub listen: SocketAddr,
    /// Where webhooks are posted; what nobody answers is posted again.
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:7700/webhooks/wa"
    )]
    pub webhook: String,
    /// Of what is left to chance.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
}
