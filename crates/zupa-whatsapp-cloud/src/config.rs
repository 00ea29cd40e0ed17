//! What one number must be told. Only the binary reads files and variables.

use std::time::Duration;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use zupa_core::{ChannelId, Error, OnUnknown, Result, TenantId};

/// One number of the Cloud API. The keys named are those of `[[channel]]` in `zupa.toml`;
/// the crate itself reads none.
#[derive(Debug, Clone)]
pub struct WhatsAppCloudConfig {
    /// Names the door; `id`.
    pub channel: ChannelId,
    /// Whose it is; `tenant`.
    pub tenant: TenantId,
    /// Meta's id of the number, 1 to 32 digits; `phone_number_id`.
    pub phone_number_id: String,
    /// Where the Graph API listens, its version included. Default
    /// `https://graph.facebook.com/v23.0`; `graph_url`.
    pub graph_url: String,
    /// Sent as a bearer token; `access_token`.
    pub access_token: SecretString,
    /// The app's secrets, any of which may have signed a request: two while one replaces
    /// the other. None by default, and then there is no webhook; `app_secrets`.
    pub app_secrets: Vec<SecretString>,
    /// What Meta says in its handshake. Unset by default, and then every handshake is
    /// refused; `verify_token`.
    pub verify_token: Option<SecretString>,
    /// What becomes of a send that nobody has heard of. Default `Review`; `on_unknown`.
    pub on_unknown: OnUnknown,
    /// Messages a second in all that the number may send: 80 by default at Meta's, 20 for a
    /// number that is also on a phone, up to 1,000. At least 1. Default 80;
    /// `messages_per_second`.
    pub messages_per_second: u32,
    /// What becomes of a message to somebody who has not written for 24 hours. Default
    /// `Review`; `window_closed`.
    pub window_closed: WindowClosed,
    /// Whether people see that the agent is at work, and that their message was read. Default
    /// true; `typing`.
    pub typing: bool,
    /// For the connection, TLS included. Default 5 s.
    pub connect_timeout: Duration,
    /// The longest text of one message, in bytes; what is longer is counted and left out,
    /// since accept would refuse its whole request. Default 65536.
    pub payload_bytes: usize,
}

/// What becomes of a message to somebody who has not written for 24 hours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum WindowClosed {
    /// It is shown to an operator.
    #[default]
    Review,
    /// It waits until they write.
    Wait {
        /// How long; then it is shown to an operator.
        at_most: Duration,
    },
    /// It is cancelled.
    Drop,
    /// It goes into a template, if it is words, and not too many; else it is shown to an
    /// operator.
    Template {
        /// The template's name; its body leaves one thing open, which is the text.
        name: String,
        /// Its language: `en`, `pt_BR`.
        language: String,
    },
}

impl WhatsAppCloudConfig {
    /// A number that sends and hears nothing yet, as long as it has no app secret.
    pub fn new(
        channel: ChannelId,
        tenant: TenantId,
        phone_number_id: impl Into<String>,
        access_token: SecretString,
    ) -> Self {
        Self {
            channel,
            tenant,
            phone_number_id: phone_number_id.into(),
            graph_url: "https://graph.facebook.com/v23.0".to_owned(),
            access_token,
            app_secrets: Vec::new(),
            verify_token: None,
            on_unknown: OnUnknown::Review,
            messages_per_second: 80,
            window_closed: WindowClosed::Review,
            typing: true,
            connect_timeout: Duration::from_secs(5),
            payload_bytes: 65_536,
        }
    }

    /// Checks all fields, names every problem at once and returns the address.
    pub(crate) fn check(&self) -> Result<Url> {
        let mut problems = Vec::new();
        let graph_url = address(&self.graph_url).map_err(|problem| problems.push(problem));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !(1..=32).contains(&self.phone_number_id.len()) || !digits(&self.phone_number_id) {
            problems.push("phone_number_id is not 1 to 32 digits");
        }
        let empty = |secret: &SecretString| secret.expose_secret().trim().is_empty();
        if empty(&self.access_token) {
            problems.push("access_token is empty");
        }
        if self.app_secrets.iter().any(empty) {
            problems.push("one of app_secrets is empty");
        }
        if self.verify_token.as_ref().is_some_and(empty) {
            problems.push("verify_token is empty");
        }
        if self.messages_per_second == 0 {
            problems.push("messages_per_second is 0");
        }
        if let WindowClosed::Template { name, language } = &self.window_closed
            && !(is_template(name) && is_language(language))
        {
            problems.push("the template's name or language is none of Meta's");
        }
        if self.connect_timeout.is_zero() {
            problems.push("connect_timeout is 0");
        }
        match graph_url {
            Ok(graph_url) if problems.is_empty() => Ok(graph_url),
            _ => Err(Error::invalid(format!(
                "the configuration of a WhatsApp number: {}",
                problems.join("; ")
            ))
            .with("channel", &self.channel)),
        }
    }
}

/// As Meta takes names of templates.
pub(crate) fn is_template(name: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=512).contains(&name.len()) && name.bytes().all(is_name)
}

/// `en`, `pt_BR`.
pub(crate) fn is_language(code: &str) -> bool {
    let is_code = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    (2..=16).contains(&code.len()) && code.bytes().all(is_code)
}

/// The problems do not repeat the address: a token may have been pasted into it.
fn address(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "graph_url is no address")?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("graph_url must begin with http:// or https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("graph_url holds a user or a password; the token goes into access_token");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("graph_url must end with a path, without ? or #");
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_named_at_once_and_no_secret() {
        let mut config = WhatsAppCloudConfig::new(
            ChannelId::parse("wa").unwrap(),
            TenantId::default_tenant(),
            "12/34",
            " ".to_owned().into(),
        );
        config.graph_url = "https://user:hidden@graph.example/v1".to_owned();
        config.app_secrets = vec![String::new().into()];
        config.verify_token = Some(String::new().into());
        config.messages_per_second = 0;
        config.window_closed = WindowClosed::Template {
            name: "Our news".to_owned(),
            language: "en".to_owned(),
        };
        let message = config.check().unwrap_err().to_string();
        for part in [
            "graph_url",
            "phone_number_id",
            "access_token",
            "app_secrets",
            "verify_token",
            "messages_per_second",
            "template",
        ] {
            assert!(message.contains(part), "{part} in {message}");
        }
        assert!(!message.contains("hidden"));
    }
}
