//! Speech: what may be set, and what may not stand together.

use super::super::*;
use super::{check_refused, file};

const MISSING: &str = "answers are to be spoken, and synthesizer.provider is not set \
    | nobody would say them, so every answer would be written \
    | provider = \"openai\" in [synthesizer], or modality = \"text\"";

fn unused(section: &str) -> String {
    format!(
        "{section}.provider is not set | without a provider the section has no effect \
         | provider = \"openai\" in [{section}], or leave the section out"
    )
}

#[test]
fn a_modality_that_speaks_needs_a_synthesizer() {
    for modality in ["voice", "mirror", "dynamic"] {
        let text = format!("[agent]\nmodality = '{modality}'\n");
        check_refused(
            &text,
            &[&format!("zupa.toml:2:12: agent.modality: {MISSING}")],
        );
        let spoken = format!("{text}[synthesizer]\nprovider = 'scripted'\n");
        assert!(file(&spoken).is_ok());
    }
    assert!(file("agent.modality = 'text'").is_ok());
}

#[test]
fn a_section_without_its_provider_is_refused() {
    check_refused(
        "[transcriber]\nlanguage = 'pt'\n",
        &[&format!(
            "zupa.toml:2:12: transcriber.language: {}",
            unused("transcriber")
        )],
    );
    check_refused(
        "[synthesizer]\nvoice = 'nova'\n",
        &[&format!(
            "zupa.toml:2:9: synthesizer.voice: {}",
            unused("synthesizer")
        )],
    );
    let whole = "[transcriber]\nprovider = 'openai'\nlanguage = 'pt'\nname = 'w'\n\
                 base_url = 'http://h/v1'\napi_key = 'env:KEY'\n\
                 [synthesizer]\nprovider = 'openai'\nvoice = 'nova'\nformat = 'wav'\n\
                 [policy.transcriber]\ntimeout_ms = 1\n[policy.synthesizer]\ntimeout_ms = 2\n";
    let config = file(whole).unwrap();
    assert_eq!(config.transcriber.language.as_deref(), Some("pt"));
    assert_eq!(config.synthesizer.format, AudioFormat::Wav);
    let policy = &config.policy;
    assert_eq!(
        (policy.transcriber.timeout_ms, policy.synthesizer.timeout_ms),
        (1, 2)
    );
    assert_eq!(config.secrets().len(), 1);
}

#[test]
fn unknown_words_are_refused() {
    for line in [
        "agent.modality = 'aloud'",
        "transcriber.provider = 'whisper'",
        "synthesizer.format = 'ogg'",
    ] {
        assert!(file(line).is_err(), "{line}");
    }
}

#[test]
fn a_synthesizer_that_never_speaks_is_warned_of() {
    let warned = |text: &str| -> Vec<_> {
        let warnings = file(text).unwrap().warnings();
        warnings.into_iter().map(|warning| warning.what).collect()
    };
    assert_eq!(
        warned("synthesizer.provider = 'scripted'\nagent.modality = 'text'"),
        [
            "a synthesizer, and agent.modality is text",
            "a synthesizer, and no channel that carries voice",
        ]
    );
    assert_eq!(
        warned("synthesizer.provider = 'scripted'"),
        ["a synthesizer, and no channel that carries voice"]
    );
    assert_eq!(warned("transcriber.provider = 'scripted'"), [""; 0]);
}

#[test]
fn keys_of_speech_are_not_shown() {
    let text = "[transcriber]\nprovider = 'openai'\napi_key = 'canary'\n\
                [synthesizer]\nprovider = 'openai'\napi_key = 'canary'\n";
    let config = file(text).unwrap();
    assert!(!config.show().to_string().contains("canary"));
    assert!(!format!("{config:?}").contains("canary"));
    let literals: Vec<_> = config.warnings().into_iter().map(|w| w.key).collect();
    for key in ["transcriber.api_key", "synthesizer.api_key"] {
        assert!(literals.iter().any(|found| found == key), "{literals:?}");
    }
}
