//! The one place of the binary that reads the environment and the machine's
//! randomness; everything else gets values.

use uuid::Uuid;

/// A variable that is set to something.
#[expect(
    clippy::disallowed_methods,
    reason = "the binary is where the environment is read"
)]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Every variable that is text.
#[expect(
    clippy::disallowed_methods,
    reason = "the binary is where the environment is read"
)]
pub fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// Where the machine keeps what may be forgotten.
pub fn temporary_folder() -> std::path::PathBuf {
    std::env::temp_dir()
}

/// 244 random bits as text, from two version 4 UUIDs.
#[expect(
    clippy::disallowed_methods,
    reason = "a token is made of the machine's randomness"
)]
pub fn random_token() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}
