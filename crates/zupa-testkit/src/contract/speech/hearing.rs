//! Promises of a `Transcriber`.

use std::time::Duration;

use zupa_core::{Audio, Error, ErrorKind, Retry, Transcriber, TranscriptionRequest};

use super::{BUSY_FOR, Harness, LONG, Provider, SHORT, WORDS, quotes_nothing};

fn request(audio: &Audio, timeout: Duration) -> TranscriptionRequest {
    TranscriptionRequest {
        audio: audio.clone(),
        language: None,
        timeout,
    }
}

async fn heard(ear: &dyn Transcriber, audio: &Audio) -> String {
    let heard = ear.transcribe(request(audio, LONG)).await;
    heard.expect("a provider that works should be understood")
}

async fn failure(harness: &dyn Harness, provider: Provider) -> Option<Error> {
    let (ear, audio) = harness.transcriber(provider).await?;
    let timeout = if provider == Provider::Slow {
        SHORT
    } else {
        LONG
    };
    let heard = ear.transcribe(request(&audio, timeout)).await;
    Some(heard.expect_err("this provider gives no words"))
}

/// Its name is for audit and metrics, so there is one.
pub async fn a_transcriber_names_its_model(harness: &dyn Harness) -> Option<()> {
    let (ear, _) = harness.transcriber(Provider::Works).await?;
    assert!(!ear.name().trim().is_empty());
    Some(())
}

/// The words as they were spoken.
pub async fn words_are_written_down(harness: &dyn Harness) -> Option<()> {
    let (ear, audio) = harness.transcriber(Provider::Works).await?;
    assert_eq!(heard(ear.as_ref(), &audio).await.trim(), WORDS);
    Some(())
}

/// Silence is an empty text and no error.
pub async fn where_nobody_speaks_there_are_no_words(harness: &dyn Harness) -> Option<()> {
    let (ear, audio) = harness.transcriber(Provider::Silent).await?;
    assert_eq!(heard(ear.as_ref(), &audio).await.trim(), "");
    Some(())
}

/// An error about the input says so, and that trying again does not help.
pub async fn a_recording_that_is_refused_is_no_fault_of_the_provider(
    harness: &dyn Harness,
) -> Option<()> {
    let error = failure(harness, Provider::Refuses).await?;
    assert!(!error.is_about_provider() && error.is_terminal(), "{error}");
    Some(())
}

/// An error about the provider says so.
pub async fn a_provider_that_is_down_is_one(harness: &dyn Harness) -> Option<()> {
    let error = failure(harness, Provider::Down).await?;
    assert!(error.is_about_provider(), "{error}");
    Some(())
}

/// A `Retry-After` reaches whoever asked.
pub async fn the_wait_that_a_provider_asks_for_is_kept(harness: &dyn Harness) -> Option<()> {
    let error = failure(harness, Provider::Busy).await?;
    assert_eq!(error.retry(), Retry::After(BUSY_FOR), "{error}");
    assert!(error.is_about_provider(), "{error}");
    Some(())
}

/// The call keeps to its timeout.
pub async fn a_slow_provider_is_left_in_time(harness: &dyn Harness) -> Option<()> {
    let error = tokio::time::timeout(LONG, failure(harness, Provider::Slow))
        .await
        .expect("the call should have ended with its time")?;
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    Some(())
}

/// Neither words nor bodies are part of an error.
pub async fn errors_quote_no_words(harness: &dyn Harness) -> Option<()> {
    let mut seen = None;
    for provider in [
        Provider::Refuses,
        Provider::Down,
        Provider::Busy,
        Provider::Slow,
    ] {
        if let Some(error) = failure(harness, provider).await {
            quotes_nothing(&error);
            seen = Some(());
        }
    }
    seen
}

/// An adapter never tries again by itself.
pub async fn a_call_that_fails_is_made_once(harness: &dyn Harness) -> Option<()> {
    failure(harness, Provider::Down).await?;
    assert_eq!(
        harness.calls()?,
        1,
        "an adapter never tries again by itself"
    );
    Some(())
}

/// Dropping a call closes it, and nothing else.
pub async fn a_call_that_was_dropped_leaves_the_next_one_alone(
    harness: &dyn Harness,
) -> Option<()> {
    let (ear, audio) = harness.transcriber(Provider::Works).await?;
    let dropped = ear.transcribe(request(&audio, LONG));
    // Polled once at least.
    let _ = tokio::time::timeout(Duration::ZERO, dropped).await;
    assert_eq!(heard(ear.as_ref(), &audio).await.trim(), WORDS);
    Some(())
}
