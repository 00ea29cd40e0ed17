//! Hours in which a channel sends nothing that nobody has asked for.

use std::fmt;
use std::sync::Arc;

use zupa_core::Timestamp;

/// Says of a moment whether it is one of quiet. Calendars and zones are the caller's.
#[derive(Clone)]
pub struct QuietHours(Arc<dyn Fn(Timestamp) -> bool + Send + Sync>);

impl QuietHours {
    /// `is_quiet` is asked of the wall's time, at each look for what is due: several times a
    /// second. It must not block.
    pub fn new(is_quiet: impl Fn(Timestamp) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_quiet))
    }

    /// Whether it is quiet `now`.
    pub fn include(&self, now: Timestamp) -> bool {
        self.0(now)
    }
}

impl fmt::Debug for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QuietHours")
    }
}
