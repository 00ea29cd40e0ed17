//! Idempotency keys: an act that its caller sends again is done once, and answered the
//! same.
//!
//! Who wants something done names it by a key and sends the same key with each try. The
//! first try begins the act; when it has gone well its answer is kept and is what every
//! later try gets. A try that comes meanwhile is told so, one that wants something else
//! under the same key is refused, and an act that failed leaves its key free.
//!
//! [`IdempotencyKeys`] is where that is kept, on the store, so that it holds across
//! processes and restarts. `zupa_http::Idempotency` is the layer that puts HTTP routes
//! behind it; neither needs the rest of Zupa.
//!
//! What is promised: while a key is kept, at most one act that went well. An act whose
//! process dies between its own commit and [`IdempotencyKeys::keep`] is begun again by
//! the next try once its lease is over, so an act that must not be made twice even then
//! has to see by itself that it was made.
//!
//! A key whose time is over is free by itself, but stays written until
//! [`IdempotencyKeys::forget`] takes it away: somebody has to call that now and then.

use std::fmt::{self, Debug};
use std::ops::RangeInclusive;

use async_trait::async_trait;
use uuid::Uuid;

use crate::digest::{Digest, Parts};
use crate::error::{Error, Result};
use crate::time::Timestamp;

/// Whose key it is, and of what: equal keys of two scopes have nothing to do with each
/// other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    /// Who asks.
    pub principal: &'a str,
    /// For which tenant; empty for acts on the whole installation.
    pub tenant: &'a str,
    /// What kind of act.
    pub operation: &'a str,
}

/// A caller's key in its scope: a digest of both, so that the key itself is nowhere kept.
/// Printed as its first twelve hexadecimal digits, which is what may stand in a log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdempotencyKey([u8; 32]);

impl IdempotencyKey {
    /// Characters of a caller's key.
    pub const CHARS: RangeInclusive<usize> = 16..=255;

    /// Takes 16 to 255 printable ASCII characters without spaces.
    ///
    /// *Errors*: [`crate::ErrorKind::Invalid`] for anything else.
    pub fn parse(scope: Scope<'_>, key: &str) -> Result<Self> {
        if !Self::CHARS.contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Error::invalid(
                "an idempotency key has 16 to 255 printable ASCII characters",
            ));
        }
        let mut parts = Parts::default();
        for part in [scope.principal, scope.tenant, scope.operation, key] {
            parts.add(part);
        }
        Ok(Self(parts.digest().0))
    }

    /// The 32 bytes, as stores keep them.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0[..6]))
    }
}

impl Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdempotencyKey({self}…)")
    }
}

/// A try of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin {
    /// Its key.
    pub key: IdempotencyKey,
    /// Digest of all that is asked for.
    pub request: Digest,
    /// This very try: only it can keep an answer, or free the key.
    pub holder: Uuid,
    /// When.
    pub now: Timestamp,
    /// From then on the try is taken for dead, and another one may begin.
    pub lease_until: Timestamp,
}

/// What the key says to a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Nobody has done it: it is this try's to do.
    Fresh,
    /// Another try is at it.
    Running,
    /// The key stands for something else.
    OtherRequest,
    /// It is done, and this was the answer.
    Answered(KeptAnswer),
}

/// The answer to an act that went well. May hold what a person said.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// HTTP status, 200 to 299.
    pub status: u16,
    /// Media type of the body.
    pub content_type: Option<String>,
    /// The body, byte for byte.
    pub body: Vec<u8>,
}

impl Debug for KeptAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeptAnswer({}, ***)", self.status)
    }
}

/// The end of a try that went well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// Its key.
    pub key: IdempotencyKey,
    /// The try.
    pub holder: Uuid,
    /// What it answers.
    pub answer: KeptAnswer,
    /// When.
    pub now: Timestamp,
    /// From then on the key is free, as if it had never been used.
    pub until: Timestamp,
}

/// Keys and answers, shared by all processes of a store.
///
/// Times are as of `now` of the call, as with [`crate::Store`].
#[async_trait]
pub trait IdempotencyKeys: Debug + Send + Sync + 'static {
    /// Begins an act, unless its key is taken.
    ///
    /// *Behaviour*: one transaction; of several tries at once one is told
    /// [`Begun::Fresh`]. A key whose lease or whose keeping is over is free. Another
    /// request is told so before anything else. Need not be flushed: without it there is
    /// no answer either.
    /// *Errors*: as [`crate::Store::write`].
    /// *Cancel safety*: it is begun or not; what is begun ends with its lease.
    async fn begin(&self, begin: Begin) -> Result<Begun>;

    /// Keeps the answer of an act that went well; false when the try has lost the key,
    /// and then nothing is kept.
    ///
    /// *Behaviour*: one transaction, flushed.
    /// *Errors*: as [`crate::Store::write`].
    /// *Cancel safety*: it is kept or not; keeping it again is safe.
    async fn keep(&self, keep: Keep) -> Result<bool>;

    /// Frees the key of an act that failed, if this try still holds it.
    ///
    /// *Errors*: as [`crate::Store::write`].
    /// *Cancel safety*: safe; what is not freed ends with its lease.
    async fn free(&self, key: IdempotencyKey, holder: Uuid) -> Result<()>;

    /// Forgets keys that are free by their time, at most `limit`. Answers how many.
    ///
    /// *Cancel safety*: safe to call again.
    async fn forget(&self, now: Timestamp, limit: usize) -> Result<u64>;
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPE: Scope<'_> = Scope {
        principal: "ana",
        tenant: "default",
        operation: "POST /transfer",
    };

    #[test]
    fn a_key_has_16_to_255_printable_characters() {
        for good in ["k".repeat(16), "k".repeat(255), "!~".repeat(8)] {
            assert!(IdempotencyKey::parse(SCOPE, &good).is_ok(), "{good}");
        }
        for bad in [
            String::new(),
            "k".repeat(15),
            "k".repeat(256),
            "a key with spaces in it".to_owned(),
            "schlüssel-schlüssel".to_owned(),
            "a\tkey-of-characters".to_owned(),
        ] {
            let refused = IdempotencyKey::parse(SCOPE, &bad).unwrap_err();
            assert_eq!(refused.kind(), crate::ErrorKind::Invalid, "{bad}");
        }
    }

    #[test]
    fn every_part_of_the_scope_counts_and_none_runs_into_the_next() {
        let of = |scope| IdempotencyKey::parse(scope, "key-of-sixteen-characters").unwrap();
        let one = of(SCOPE);
        assert_eq!(one, of(SCOPE));
        for other in [
            Scope {
                principal: "bob",
                ..SCOPE
            },
            Scope {
                tenant: "other",
                ..SCOPE
            },
            Scope {
                operation: "POST /refund",
                ..SCOPE
            },
            Scope {
                principal: "anad",
                tenant: "efault",
                ..SCOPE
            },
        ] {
            assert_ne!(one, of(other), "{other:?}");
        }
    }

    #[test]
    fn neither_key_nor_answer_is_printed() {
        let key = IdempotencyKey::parse(SCOPE, "key-of-sixteen-characters").unwrap();
        assert_eq!(key.to_string().len(), 12);
        assert!(!format!("{key:?}").contains("sixteen"));
        let answer = KeptAnswer {
            status: 200,
            content_type: None,
            body: b"words".to_vec(),
        };
        assert_eq!(format!("{answer:?}"), "KeptAnswer(200, ***)");
    }
}
