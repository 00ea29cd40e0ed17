//! What threads share. A test puts others in their place that are scheduled by a model
//! checker (`under_shuttle`).

pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
pub(super) use std::sync::{Mutex, MutexGuard};
