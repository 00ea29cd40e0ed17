//! Whose the conversations are of which `accept` gives hints: a hint does not say it,
//! and the queue is fair between tenants.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;
use zupa_core::{ConversationId, TenantId};

/// As many as there may be hints; whoever is forgotten waits with those of whom nobody
/// knows.
const KEYS: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();

/// The tenants of the last conversations that had to wait.
#[derive(Debug)]
pub(crate) struct Tenants(Mutex<LruCache<ConversationId, TenantId>>);

impl Default for Tenants {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KEYS)))
    }
}

impl Tenants {
    pub(crate) fn note(&self, conversation: ConversationId, tenant: &TenantId) {
        let mut tenants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.put(conversation, tenant.clone());
    }

    pub(crate) fn of(&self, conversation: ConversationId) -> Option<TenantId> {
        let tenants = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tenants.peek(&conversation).cloned()
    }
}
