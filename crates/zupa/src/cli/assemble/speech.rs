//! From configuration to an agent that hears and speaks.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use zupa::config::{self, Config, Provider};
use zupa_core::{Synthesizer, Transcriber};
use zupa_openai::{
    AudioFormat, OpenAiSynthesizer, OpenAiSynthesizerConfig, OpenAiTranscriber,
    OpenAiTranscriberConfig,
};
use zupa_runtime::{Agent, Modality, ScriptedSynthesizer, ScriptedTranscriber};

use super::key;
use crate::cli::failure::Failure;

/// Gives the agent the ear and the mouth that the configuration names.
pub async fn speech(mut agent: Agent, config: &Config) -> Result<Agent, Failure> {
    if let Some(provider) = config.transcriber.provider {
        agent = agent.hears(transcriber(config, provider).await?);
    }
    if let Some(provider) = config.synthesizer.provider {
        let modality = match config.agent.modality {
            Some(config::Modality::Text) => Modality::Text,
            Some(config::Modality::Voice) => Modality::Voice,
            Some(config::Modality::Mirror) | None => Modality::Mirror,
            Some(config::Modality::Dynamic) => Modality::Dynamic,
        };
        agent = agent.speaks(synthesizer(config, provider).await?, modality);
    }
    Ok(agent)
}

async fn transcriber(config: &Config, provider: Provider) -> Result<Arc<dyn Transcriber>, Failure> {
    let wanted = &config.transcriber;
    Ok(match provider {
        Provider::Scripted => Arc::new(ScriptedTranscriber),
        Provider::Openai => Arc::new(OpenAiTranscriber::new(OpenAiTranscriberConfig {
            base_url: wanted.base_url.clone(),
            model: wanted.name.clone(),
            language: wanted.language.clone(),
            api_key: key(wanted.api_key.as_ref(), "transcriber.api_key").await?,
            ..OpenAiTranscriberConfig::default()
        })?),
    })
}

async fn synthesizer(config: &Config, provider: Provider) -> Result<Arc<dyn Synthesizer>, Failure> {
    let wanted = &config.synthesizer;
    Ok(match provider {
        Provider::Scripted => Arc::new(ScriptedSynthesizer),
        Provider::Openai => Arc::new(OpenAiSynthesizer::new(OpenAiSynthesizerConfig {
            base_url: wanted.base_url.clone(),
            model: wanted.name.clone(),
            voice: wanted.voice.clone(),
            format: match wanted.format {
                config::AudioFormat::Opus => AudioFormat::Opus,
                config::AudioFormat::Mp3 => AudioFormat::Mp3,
                config::AudioFormat::Aac => AudioFormat::Aac,
                config::AudioFormat::Flac => AudioFormat::Flac,
                config::AudioFormat::Wav => AudioFormat::Wav,
            },
            api_key: key(wanted.api_key.as_ref(), "synthesizer.api_key").await?,
            ..OpenAiSynthesizerConfig::default()
        })?),
    })
}
