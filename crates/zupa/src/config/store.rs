//! Where the truth is kept: `[store]`.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize, Serializer};
use zupa_core::SecretRef;
use zupa_core::secrets::SecretString;

use super::secret;

/// The truth, `[store]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    /// `sqlite://PATH`, relative to the working directory, `sqlite::memory:`, or
    /// `postgres://USER@HOST:PORT/DATABASE`. Default `sqlite://.zupa/zupa.db`;
    /// `ZUPA__STORE__URL`.
    pub url: StoreUrl,
    /// The password of the Postgres URL's user. Unset by default;
    /// `ZUPA__STORE__PASSWORD`.
    #[serde(with = "secret")]
    pub password: Option<SecretRef>,
    /// True where a pooler before Postgres gives each transaction another
    /// connection, as PgBouncer's `transaction` mode does. Default `false`;
    /// `ZUPA__STORE__POOLED`.
    pub pooled: bool,
    /// When a commit counts as durable. Default `full`;
    /// `ZUPA__STORE__DURABILITY`.
    pub durability: Durability,
    /// Mebibytes of pages that a SQLite store keeps in memory for
    /// its writer. Default 16; `ZUPA__STORE__CACHE_MIB`.
    pub cache_mib: u32,
    /// Milliseconds between signs of life of a process. Default 2000;
    /// `ZUPA__STORE__HEARTBEAT_MS`.
    pub heartbeat_ms: u64,
    /// Milliseconds without a sign of life after which others take a claim over.
    /// Default 10000; `ZUPA__STORE__CLAIM_EXPIRY_MS`.
    pub claim_expiry_ms: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: StoreUrl("sqlite://.zupa/zupa.db".to_owned()),
            password: None,
            pooled: false,
            durability: Durability::default(),
            cache_mib: 16,
            heartbeat_ms: 2_000,
            claim_expiry_ms: 10_000,
        }
    }
}

/// When a commit counts as durable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// After fsync: survives a power cut.
    #[default]
    Full,
    /// After the write: survives a crash of the process.
    Normal,
}

/// The URL of a store. However it is printed, a password in it is not.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct StoreUrl(String);

/// Which adapter a URL selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine<'a> {
    /// A SQLite file.
    File(&'a Path),
    /// A SQLite file that goes when the process ends.
    Memory,
    /// A Postgres database.
    Postgres,
}

/// The two spellings of a Postgres URL's beginning.
const POSTGRES: [&str; 2] = ["postgres://", "postgresql://"];

impl StoreUrl {
    /// Which adapter it selects.
    pub fn engine(&self) -> Engine<'_> {
        if POSTGRES.iter().any(|scheme| self.0.starts_with(scheme)) {
            return Engine::Postgres;
        }
        if is_memory(&self.0) {
            return Engine::Memory;
        }
        Engine::File(Path::new(
            self.0.strip_prefix("sqlite://").unwrap_or(&self.0),
        ))
    }

    /// True when a password stands in it.
    pub fn has_password(&self) -> bool {
        self.split()
            .is_some_and(|(_, password, _)| password.is_some())
    }

    /// The URL without its password, for programs that ask for one.
    pub fn without_password(&self) -> String {
        match self.split() {
            Some((user, Some(_), rest)) => format!("{user}{rest}"),
            _ => self.0.clone(),
        }
    }

    /// The whole URL, with this password in place of the one it has, if any.
    pub fn whole(&self, password: Option<&str>) -> SecretString {
        match (password, self.split()) {
            (Some(password), Some((user, _, rest))) => {
                let at = if rest.starts_with('@') { "" } else { "@" };
                format!("{user}:{}{at}{rest}", escaped(password)).into()
            }
            _ => self.0.clone().into(),
        }
    }

    /// Everything up to the user's name, the password, and what follows. Up to
    /// the last `@`, even where that is too much: what is hidden by mistake
    /// harms less than what is shown.
    fn split(&self) -> Option<(&str, Option<&str>, &str)> {
        let scheme = POSTGRES
            .iter()
            .find(|scheme| self.0.starts_with(**scheme))?
            .len();
        let Some(at) = self.0.rfind('@') else {
            let (before, rest) = self.0.split_at(scheme);
            return Some((before, None, rest));
        };
        let (before, rest) = self.0.split_at(at);
        let Some(colon) = before.get(scheme..).and_then(|user| user.find(':')) else {
            return Some((before, None, rest));
        };
        let (user, password) = before.split_at(scheme + colon);
        Some((user, password.get(1..), rest))
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.split() {
            Some((user, Some(_), rest)) => write!(f, "{user}:***{rest}"),
            _ => f.write_str(&self.0),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for StoreUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// True for both spellings of the store that forgets.
pub(super) fn is_memory(url: &str) -> bool {
    matches!(url, "sqlite::memory:" | "sqlite://:memory:")
}

/// Text as a part of a URL: all but letters, digits and `-._~` escaped.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use zupa_core::secrets::ExposeSecret;

    use super::*;

    #[test]
    fn the_scheme_selects_the_adapter() {
        let engine = |url: &str| format!("{:?}", StoreUrl(url.to_owned()).engine());
        assert_eq!(engine("sqlite://a/b.db"), "File(\"a/b.db\")");
        assert_eq!(engine("sqlite::memory:"), "Memory");
        assert_eq!(engine("sqlite://:memory:"), "Memory");
        assert_eq!(engine("postgres://h/d"), "Postgres");
        assert_eq!(engine("postgresql://h/d"), "Postgres");
    }

    #[test]
    fn a_password_is_taken_out_and_put_in() {
        for (url, shown, bare, whole) in [
            (
                "postgres://u:pw@h:5432/d?sslmode=require",
                "postgres://u:***@h:5432/d?sslmode=require",
                "postgres://u@h:5432/d?sslmode=require",
                "postgres://u:a%2Fb%40@h:5432/d?sslmode=require",
            ),
            (
                "postgres://u@h/d",
                "postgres://u@h/d",
                "postgres://u@h/d",
                "postgres://u:a%2Fb%40@h/d",
            ),
            (
                "postgresql://h/d",
                "postgresql://h/d",
                "postgresql://h/d",
                "postgresql://:a%2Fb%40@h/d",
            ),
            (
                "postgres://u:p@w:x/y@h/d",
                "postgres://u:***@h/d",
                "postgres://u@h/d",
                "postgres://u:a%2Fb%40@h/d",
            ),
        ] {
            let url = StoreUrl(url.to_owned());
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
            assert_eq!(url.without_password(), bare);
            assert_eq!(url.whole(Some("a/b@")).expose_secret(), whole);
            assert_eq!(url.whole(None).expose_secret(), url.0);
            assert_eq!(url.has_password(), shown.contains("***"));
        }
    }
}
