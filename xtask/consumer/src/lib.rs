//! The crates of Zupa as a stranger uses them: without the facade.
//!
//! Built by `cargo xtask ci`, never published. What is named here must stay
//! reachable from the crate that owns it.

use std::sync::Arc;

pub use zupa_core;
pub use zupa_openai;
pub use zupa_runtime;
pub use zupa_sqlite;

use zupa_core::Store;

/// A store is held behind a pointer and shared between tasks.
pub fn shared(store: Arc<dyn Store>) -> impl Send + Sync + 'static {
    store
}
