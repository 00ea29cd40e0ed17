//! One client for all that a number asks of Meta.

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, ClientBuilder, Url, redirect, retry};
use secrecy::ExposeSecret;
use zupa_core::{Error, Result};

use crate::config::WhatsAppCloudConfig;

/// A client that shows the access token to whatever address it is given.
pub(crate) fn builder(config: &WhatsAppCloudConfig) -> Result<ClientBuilder> {
    // reqwest panics without a provider. The composition root installs one too;
    // whoever came first is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(Client::builder()
        .user_agent(concat!("zupa/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(config.connect_timeout)
        .default_headers(headers(config)?)
        // A redirect would carry the token and a message to a host nobody configured.
        .redirect(redirect::Policy::none())
        // The proxy variables are the environment's; only the binary reads it.
        .no_proxy()
        .retry(retry::never()))
}

/// The client of the Graph API that listens at this address.
pub(crate) fn of_graph(config: &WhatsAppCloudConfig, graph_url: &Url) -> Result<Client> {
    let mut builder = builder(config)?;
    if graph_url.scheme() == "http" {
        // No TLS ever happens, so a machine without root certificates is fine.
        builder = builder.tls_certs_only([]);
    }
    build(builder)
}

pub(crate) fn build(builder: ClientBuilder) -> Result<Client> {
    builder.build().map_err(|source| {
        Error::internal("prepare the http client of a WhatsApp number").with_source(source)
    })
}

fn headers(config: &WhatsAppCloudConfig) -> Result<HeaderMap> {
    let bearer = format!("Bearer {}", config.access_token.expose_secret());
    let mut bearer = HeaderValue::try_from(bearer).map_err(|_| {
        Error::invalid("access_token holds a line end or another character that no header takes")
            .with("channel", &config.channel)
    })?;
    bearer.set_sensitive(true);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
}
