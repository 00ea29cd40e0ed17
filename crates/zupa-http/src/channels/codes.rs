//! Which codes are on record as shown.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};
use zupa_core::ChannelId;

/// The last code of each channel that is in the audit, as its digest: who looks at one and
/// the same code for a minute has read it once.
#[derive(Default)]
pub(crate) struct Codes(Mutex<HashMap<ChannelId, [u8; 32]>>);

impl Codes {
    /// True if that a code was shown is in the audit already.
    pub(crate) fn is_on_record(&self, channel: &ChannelId, text: &str) -> bool {
        let digest: [u8; 32] = Sha256::digest(text).into();
        let shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shown.get(channel) == Some(&digest)
    }

    pub(crate) fn record(&self, channel: &ChannelId, text: &str) {
        let digest = Sha256::digest(text).into();
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shown.insert(channel.clone(), digest);
    }
}

impl fmt::Debug for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Codes")
    }
}
