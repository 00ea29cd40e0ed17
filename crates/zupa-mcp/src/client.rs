//! The HTTP client that both kinds of tools use.

use std::time::Duration;

use reqwest::{Client, Url, redirect, retry};
use zupa_core::{Error, Result};

/// No redirects (they would carry arguments and secrets to a host nobody
/// configured), no retries, no proxy of the environment.
pub(crate) fn new(url: &Url, connect_timeout: Duration) -> Result<Client> {
    // reqwest panics without a provider. The composition root installs one too;
    // whoever came first is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = Client::builder()
        .user_agent(concat!("zupa/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect_timeout)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .retry(retry::never());
    if url.scheme() == "http" {
        // No TLS ever happens, so a machine without root certificates is fine.
        builder = builder.tls_certs_only([]);
    }
    builder
        .build()
        .map_err(|source| Error::internal("prepare an http client for tools").with_source(source))
}

/// Reads an address without repeating it: a key may have been pasted into it.
pub(crate) fn address(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "url is no address")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("url must begin with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("url holds a user or a password");
    }
    if url.fragment().is_some() {
        return Err("url has a fragment (#)");
    }
    Ok(url)
}

/// How long a call may take of its `timeout`. The caller lets go of the future
/// at the end of it; this is a little earlier, so that the call can still say
/// what it knows of its outcome.
pub(crate) fn time_to_answer(timeout: Duration) -> Duration {
    timeout - (timeout / 20).min(Duration::from_millis(250))
}
