//! Who may post: whoever knows an app secret signs the bytes, whoever knows the verify
//! token may ask. Compared in constant time, before anything is parsed.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zupa_core::{Error, Result};

/// The header, in lower case.
const HEADER: &str = "x-hub-signature-256";
/// What its value begins with.
const SCHEME: &[u8] = b"sha256=";

/// A signature of the right form, of whatever.
pub(crate) struct Signature([u8; 32]);

impl Signature {
    /// Reads the one header there is: `sha256=` and 64 digits of 0-9 and a-f, as Meta
    /// writes them.
    pub(crate) fn read(headers: &[(&str, &[u8])]) -> Option<Self> {
        let mut values = headers.iter().filter(|(name, _)| *name == HEADER);
        let (Some((_, value)), None) = (values.next(), values.next()) else {
            return None;
        };
        let digits = value.strip_prefix(SCHEME)?;
        if digits.iter().any(u8::is_ascii_uppercase) {
            return None;
        }
        let mut signature = [0; 32];
        hex::decode_to_slice(digits, &mut signature).ok()?;
        Some(Self(signature))
    }
}

/// The secrets of a number's app. Without any, nothing is proved.
pub(crate) struct AppSecrets(Vec<Hmac<Sha256>>);

impl AppSecrets {
    pub(crate) fn new(secrets: &[SecretString]) -> Result<Self> {
        let keyed = secrets.iter().map(|secret| {
            Hmac::new_from_slice(secret.expose_secret().as_bytes())
                .map_err(|_| Error::invalid("an app secret cannot be a key"))
        });
        keyed.collect::<Result<_>>().map(Self)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if one of them has signed the body. All are tried, whichever fits.
    pub(crate) fn have_signed(&self, body: &[u8], signature: &Signature) -> bool {
        self.0.iter().fold(false, |signed, key| {
            let mac = key.clone().chain_update(body);
            signed | mac.verify_slice(&signature.0).is_ok()
        })
    }
}

/// What Meta says in its handshake, by its digest.
pub(crate) struct VerifyToken([u8; 32]);

impl VerifyToken {
    pub(crate) fn new(token: &SecretString) -> Self {
        Self(Sha256::digest(token.expose_secret()).into())
    }

    /// Compares digests, all bytes of them: how long it takes says nothing of the token.
    pub(crate) fn is(&self, offered: &str) -> bool {
        let offered: [u8; 32] = Sha256::digest(offered).into();
        let difference = self.0.iter().zip(offered);
        let difference = difference.fold(0, |sum, (ours, theirs)| sum | (ours ^ theirs));
        std::hint::black_box(difference) == 0
    }
}
