//! Chance that depends on the seed and on what is decided, never on when.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// A generator for one decision.
pub(crate) fn dice(seed: u64, what: impl Hash) -> SmallRng {
    let mut hasher = DefaultHasher::new();
    seed.hash(&mut hasher);
    what.hash(&mut hasher);
    SmallRng::seed_from_u64(hasher.finish())
}

/// Whether one of these in a thousand comes up.
pub(crate) fn comes_up(dice: &mut impl Rng, in_a_thousand: u16) -> bool {
    dice.random_range(0..1_000) < in_a_thousand
}

/// A time up to this.
pub(crate) fn up_to(dice: &mut impl Rng, longest: Duration) -> Duration {
    longest.mul_f64(dice.random_range(0.0..=1.0))
}
