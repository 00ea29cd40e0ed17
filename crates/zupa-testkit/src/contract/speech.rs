//! The contract of `Transcriber` and `Synthesizer` as plain async functions, one per
//! promise, named as the promise: [`hearing`] and [`speaking`].
//!
//! Each function takes an adapter whose provider behaves in one way from a
//! [`Harness`], makes a call, and panics when the promise is broken. It answers `None`
//! where the provider cannot be made to behave so: that case is skipped, by name.

pub mod hearing;
pub mod speaking;

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use zupa_core::{Audio, Error, Synthesizer, Transcriber};

pub use super::adapter::{Case, Report};

/// What is said in these cases; an error may quote none of it.
pub const WORDS: &str = "canary asks for two soups";

/// What a [`Provider::Busy`] asks for.
pub const BUSY_FOR: Duration = Duration::from_secs(7);

/// How long a [`Provider::Slow`] is waited for.
const SHORT: Duration = Duration::from_millis(100);

/// Long enough for any provider of a test, and short enough to tell it from none.
const LONG: Duration = Duration::from_secs(20);

/// How the provider behind an adapter behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// It does its work.
    Works,
    /// It hears nobody speak; or it answers with a file without sound.
    Silent,
    /// It does not take what it is given, which is no fault of its own.
    Refuses,
    /// It fails, whatever it is given.
    Down,
    /// It wants to be left alone for [`BUSY_FOR`].
    Busy,
    /// It takes a call and never answers.
    Slow,
}

/// What an adapter's author brings: providers that behave as told.
#[async_trait]
pub trait Harness: Send + Sync {
    /// A transcriber over such a provider, and a recording for it, of [`WORDS`] where
    /// anybody speaks.
    async fn transcriber(&self, provider: Provider) -> Option<(Box<dyn Transcriber>, Audio)>;

    /// A synthesizer over such a provider.
    async fn synthesizer(&self, provider: Provider) -> Option<Box<dyn Synthesizer>>;

    /// The calls that have reached the provider of the adapter that was made last;
    /// `None` if nobody counts them.
    fn calls(&self) -> Option<usize>;
}

/// Checks a promise; answers `None` when it is skipped.
pub type Check = for<'h> fn(&'h dyn Harness) -> BoxFuture<'h, Option<()>>;

/// Every promise.
pub const CASES: &[Case<Check>] = super::adapter::cases! {
    hearing {
        a_transcriber_names_its_model
        words_are_written_down
        where_nobody_speaks_there_are_no_words
        a_recording_that_is_refused_is_no_fault_of_the_provider
        a_provider_that_is_down_is_one
        the_wait_that_a_provider_asks_for_is_kept
        a_slow_provider_is_left_in_time
        errors_quote_no_words
        a_call_that_fails_is_made_once
        a_call_that_was_dropped_leaves_the_next_one_alone
    }
    speaking {
        a_synthesizer_names_its_model
        a_text_becomes_a_whole_file
        an_answer_has_as_many_bytes_as_wanted_and_not_one_more
        an_empty_text_is_refused_and_not_sent
        a_file_without_sound_is_an_error
        a_text_that_is_refused_is_no_fault_of_the_provider
        a_provider_that_is_down_is_one
        the_wait_that_a_provider_asks_for_is_kept
        a_slow_provider_is_left_in_time
        errors_quote_no_words
        a_call_that_fails_is_made_once
        a_call_that_was_dropped_leaves_the_next_one_alone
    }
};

/// Runs every case and reports which are broken, and which were skipped.
pub async fn run_all(harness: &dyn Harness) -> Report {
    let cases = CASES.iter().map(|case| Case {
        name: case.name,
        check: (case.check)(harness),
    });
    super::adapter::run_all(cases).await
}

/// Fails if the error, or anything beneath it, quotes what was said.
fn quotes_nothing(error: &Error) {
    super::adapter::quotes_none_of(error, &["canary", "soup"]);
}
