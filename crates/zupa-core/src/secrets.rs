//! Secrets by reference: the config names where one lies, the port fetches it.

use std::fmt;

use async_trait::async_trait;
pub use secrecy::{ExposeSecret, SecretString};

use crate::error::{Error, Result};

/// Where a secret lies. A literal is for development only.
#[derive(Clone)]
pub enum SecretRef {
    /// `env:NAME`, a variable of the process.
    Env(String),
    /// `file:PATH`, the file's content without the trailing line end.
    File(String),
    /// `exec:COMMAND`, the first line that the command prints.
    Exec(String),
    /// The secret itself.
    Literal(SecretString),
}

impl SecretRef {
    /// Reads `env:NAME`, `file:PATH` or `exec:COMMAND`; anything else is a
    /// literal. Empty text or an empty name is [`crate::ErrorKind::Invalid`].
    pub fn parse(text: &str) -> Result<Self> {
        let reference = match text.split_once(':') {
            Some(("env", name)) => Self::Env(name.to_owned()),
            Some(("file", path)) => Self::File(path.to_owned()),
            Some(("exec", command)) => Self::Exec(command.to_owned()),
            _ => Self::Literal(text.to_owned().into()),
        };
        let empty = match &reference {
            Self::Env(name) | Self::File(name) | Self::Exec(name) => name.trim().is_empty(),
            Self::Literal(_) => text.trim().is_empty(),
        };
        if empty {
            return Err(Error::invalid("a secret reference is empty"));
        }
        Ok(reference)
    }
}

impl fmt::Display for SecretRef {
    /// Shows references, never a literal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
            Self::Exec(command) => write!(f, "exec:{command}"),
            Self::Literal(_) => f.write_str("***"),
        }
    }
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Fetches secrets.
#[async_trait]
pub trait Secrets: fmt::Debug + Send + Sync + 'static {
    /// Fetches the secret that a reference names.
    ///
    /// *Behaviour*: reads afresh at each call, so that rotation needs no restart.
    /// *Errors*: a reference that leads nowhere, or to nothing, MUST be
    /// [`crate::ErrorKind::NotFound`]; the reference is never used as a literal.
    /// *Cancel safety*: safe, nothing is left behind.
    async fn resolve(&self, reference: &SecretRef) -> Result<SecretString>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_do_not_print() {
        let literal = SecretRef::parse("sk-very-secret").unwrap();
        assert_eq!(format!("{literal} {literal:?}"), "*** ***");
        assert_eq!(SecretRef::parse("env:KEY").unwrap().to_string(), "env:KEY");
        assert!(SecretRef::parse("env:").is_err());
    }
}
