//! The contract of speech on the ear and the mouth without a provider.

use async_trait::async_trait;
use zupa_core::{Audio, Synthesizer, Transcriber};
use zupa_runtime::{ScriptedSynthesizer, ScriptedTranscriber};
use zupa_testkit::contract::speech::{CASES, Harness, Provider, WORDS, run_all};

/// There is no provider that could be down, busy or slow.
struct Scripted;

#[async_trait]
impl Harness for Scripted {
    async fn transcriber(&self, provider: Provider) -> Option<(Box<dyn Transcriber>, Audio)> {
        let recording: &[u8] = match provider {
            Provider::Works => WORDS.as_bytes(),
            Provider::Silent => b"",
            Provider::Refuses => b"OggS canary \xff soup",
            Provider::Down | Provider::Busy | Provider::Slow => return None,
        };
        let audio = Audio::new("audio/ogg", recording);
        Some((Box::new(ScriptedTranscriber), audio))
    }

    async fn synthesizer(&self, provider: Provider) -> Option<Box<dyn Synthesizer>> {
        match provider {
            Provider::Works => Some(Box::new(ScriptedSynthesizer)),
            _ => None,
        }
    }

    fn calls(&self) -> Option<usize> {
        None
    }
}

#[tokio::test]
async fn scripted_speech_keeps_the_contract() {
    let report = run_all(&Scripted).await;
    assert!(report.broken.is_empty(), "{report}");
    let skipped = [
        "hearing::a_provider_that_is_down_is_one",
        "hearing::the_wait_that_a_provider_asks_for_is_kept",
        "hearing::a_slow_provider_is_left_in_time",
        "hearing::a_call_that_fails_is_made_once",
        "speaking::a_file_without_sound_is_an_error",
        "speaking::a_text_that_is_refused_is_no_fault_of_the_provider",
        "speaking::a_provider_that_is_down_is_one",
        "speaking::the_wait_that_a_provider_asks_for_is_kept",
        "speaking::a_slow_provider_is_left_in_time",
        "speaking::errors_quote_no_words",
        "speaking::a_call_that_fails_is_made_once",
    ];
    assert_eq!(report.skipped, skipped);
    assert_eq!(report.kept.len(), CASES.len() - skipped.len());
}
