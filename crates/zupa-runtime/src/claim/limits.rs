//! How much one person, and one tenant, may ask for: decided once, at the first claim of
//! what was said, before anything is run.
//!
//! A bucket is one time: when it is full again. That of a person who has not written for
//! a minute says nothing, so the ones that were not looked at for longest are forgotten
//! first. (`governor` keeps every key until it is told to look through all of them.)

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use zupa_core::store::ClaimedTurn;
use zupa_core::{ConversationId, TenantId};

use crate::settings::Settings;

const MINUTE: Duration = Duration::from_secs(60);

/// Buckets of each kind that are remembered: some megabytes.
const KEYS: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();

/// How long one notice stands for.
const WINDOW: Duration = Duration::from_secs(10 * 60);

/// Why a claim is turned away, and whether the person is to be told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TurnedAway {
    pub reason: &'static str,
    pub tell: bool,
}

/// The limits of this process.
pub(crate) struct Limits {
    people: Buckets<ConversationId>,
    tenants: Buckets<TenantId>,
    told: Mutex<LruCache<ConversationId, Duration>>,
}

impl Limits {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            people: Buckets::new(settings.per_user_per_minute),
            tenants: Buckets::new(settings.per_tenant_per_minute),
            told: Mutex::new(LruCache::new(KEYS)),
        }
    }

    /// Whether a turn may run. What a turn has had before, and what nobody has said, always
    /// may.
    pub(crate) fn turn_away(&self, turn: &ClaimedTurn, now: Duration) -> Option<TurnedAway> {
        let said = turn.inbounds.iter();
        let said = said.filter(|inbound| inbound.coming.is_new() && !inbound.content.is_internal());
        let said = said.count() as u32;
        if turn.runs > 1 || said == 0 {
            return None;
        }
        let reason = if !self.people.take(turn.conversation, said, now) {
            "too many messages in a minute"
        } else if !self.tenants.take(turn.address.tenant.clone(), said, now) {
            "too many messages of the tenant in a minute"
        } else {
            return None;
        };
        let tell = self.is_to_be_told(turn.conversation, now);
        Some(TurnedAway { reason, tell })
    }

    fn is_to_be_told(&self, conversation: ConversationId, now: Duration) -> bool {
        let mut told = lock(&self.told);
        let last = told.get(&conversation);
        if last.is_some_and(|last| now.saturating_sub(*last) < WINDOW) {
            return false;
        }
        told.put(conversation, now);
        true
    }
}

/// A token bucket for each key, which holds one minute's worth.
struct Buckets<K> {
    /// How long one token takes; none for no limit.
    each: Option<Duration>,
    full_at: Mutex<LruCache<K, Duration>>,
}

impl<K: Hash + Eq> Buckets<K> {
    fn new(per_minute: u32) -> Self {
        Self {
            each: MINUTE.checked_div(per_minute),
            full_at: Mutex::new(LruCache::new(KEYS)),
        }
    }

    /// Takes so many tokens, or none. More than a bucket holds are taken from a full one.
    fn take(&self, key: K, tokens: u32, now: Duration) -> bool {
        let Some(each) = self.each else {
            return true;
        };
        let mut full_at = lock(&self.full_at);
        let full = full_at.get(&key).map_or(now, |at| now.max(*at));
        let then = full + (each * tokens).min(MINUTE);
        if then > now + MINUTE {
            return false;
        }
        full_at.put(key, then);
        true
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_bucket_holds_a_minutes_worth_and_fills_evenly() {
        let buckets = Buckets::new(20);
        let first: Vec<_> = (0..21).map(|_| buckets.take(1, 1, secs(0))).collect();
        assert_eq!(first.iter().filter(|taken| **taken).count(), 20);
        assert!(!buckets.take(1, 1, secs(2)), "a token takes three seconds");
        assert!(buckets.take(1, 1, secs(3)) && !buckets.take(1, 1, secs(3)));
        assert!(buckets.take(2, 1, secs(3)), "others have theirs");
        assert!(!buckets.take(1, 2, secs(6)), "all or none");
        assert!(buckets.take(1, 1, secs(6)));
        assert!(
            buckets.take(3, 50, secs(0)),
            "a burst that is no fault of anybody's"
        );
        assert!(!buckets.take(3, 1, secs(0)));
    }

    #[test]
    fn no_limit_is_none_and_keys_are_bounded() {
        let none = Buckets::new(0);
        assert!((0..1_000).all(|_| none.take(1, 1, secs(0))));
        let buckets = Buckets::new(1);
        for key in 0..200_000 {
            assert!(buckets.take(key, 1, secs(0)));
        }
        assert_eq!(lock(&buckets.full_at).len(), KEYS.get());
        assert!(!buckets.take(199_999, 1, secs(0)), "the newest are known");
    }
}
