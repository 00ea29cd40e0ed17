//! Promises of a `Synthesizer`.

use std::time::Duration;

use zupa_core::{Audio, Content, Error, ErrorKind, Retry, SynthesisRequest, Synthesizer};

use super::{BUSY_FOR, Harness, LONG, Provider, SHORT, WORDS, quotes_nothing};

fn request(text: &str, max_bytes: usize, timeout: Duration) -> SynthesisRequest {
    SynthesisRequest {
        text: text.to_owned(),
        voice: None,
        language: None,
        max_bytes,
        timeout,
    }
}

async fn said(mouth: &dyn Synthesizer) -> Audio {
    let said = request(WORDS, Content::VOICE_BYTES, LONG);
    let said = mouth.synthesize(said).await;
    said.expect("a provider that works should say this")
}

async fn failure(harness: &dyn Harness, provider: Provider) -> Option<Error> {
    let mouth = harness.synthesizer(provider).await?;
    let timeout = if provider == Provider::Slow {
        SHORT
    } else {
        LONG
    };
    let said = request(WORDS, Content::VOICE_BYTES, timeout);
    let said = mouth.synthesize(said).await;
    Some(said.expect_err("this provider says nothing"))
}

/// Its name is for audit and metrics, so there is one.
pub async fn a_synthesizer_names_its_model(harness: &dyn Harness) -> Option<()> {
    let mouth = harness.synthesizer(Provider::Works).await?;
    assert!(!mouth.name().trim().is_empty());
    Some(())
}

/// A file of audio with something in it, each time.
pub async fn a_text_becomes_a_whole_file(harness: &dyn Harness) -> Option<()> {
    let mouth = harness.synthesizer(Provider::Works).await?;
    let audio = said(mouth.as_ref()).await;
    assert!(audio.mime.starts_with("audio/"), "{}", audio.mime);
    assert!(!audio.bytes.is_empty());
    assert_eq!(said(mouth.as_ref()).await.bytes.len(), audio.bytes.len());
    Some(())
}

/// Exactly `max_bytes` fit; an answer of one more is `Full`.
pub async fn an_answer_has_as_many_bytes_as_wanted_and_not_one_more(
    harness: &dyn Harness,
) -> Option<()> {
    let mouth = harness.synthesizer(Provider::Works).await?;
    let bytes = said(mouth.as_ref()).await.bytes.len();
    let exactly = mouth.synthesize(request(WORDS, bytes, LONG)).await;
    assert_eq!(exactly.map(|audio| audio.bytes.len()).ok(), Some(bytes));
    let error = mouth
        .synthesize(request(WORDS, bytes - 1, LONG))
        .await
        .expect_err("one byte too many");
    assert_eq!(error.kind(), ErrorKind::Full, "{error}");
    Some(())
}

/// Nothing to say is `Invalid`, and costs no call.
pub async fn an_empty_text_is_refused_and_not_sent(harness: &dyn Harness) -> Option<()> {
    let mouth = harness.synthesizer(Provider::Works).await?;
    let error = mouth
        .synthesize(request("", Content::VOICE_BYTES, LONG))
        .await
        .expect_err("there is nothing to say");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert_eq!(harness.calls().unwrap_or_default(), 0);
    Some(())
}

/// A synthesizer never answers with an empty file.
pub async fn a_file_without_sound_is_an_error(harness: &dyn Harness) -> Option<()> {
    failure(harness, Provider::Silent).await.map(drop)
}

/// An error about the input says so, and that trying again does not help.
pub async fn a_text_that_is_refused_is_no_fault_of_the_provider(
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
        Provider::Silent,
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
    let mouth = harness.synthesizer(Provider::Works).await?;
    let dropped = mouth.synthesize(request(WORDS, Content::VOICE_BYTES, LONG));
    // Polled once at least.
    let _ = tokio::time::timeout(Duration::ZERO, dropped).await;
    assert!(!said(mouth.as_ref()).await.bytes.is_empty());
    Some(())
}
