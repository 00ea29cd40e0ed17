//! From configuration to models: the one that answers, and those that are asked where it
//! cannot.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use zupa::config::{self, Config, Provider};
use zupa_core::secrets::SecretString;
use zupa_core::{Model, SecretRef};
use zupa_openai::{OpenAiConfig, OpenAiModel, Structured};
use zupa_runtime::{Script, ScriptedModel};

use super::{read, secret};
use crate::cli::environment;
use crate::cli::failure::{Code, Failure};

/// The variable that makes `zupa dev` use a real model.
const KEY_VARIABLE: &str = "OPENAI_API_KEY";
/// The model that `zupa dev` asks for when none is named.
const DEV_MODEL: &str = "gpt-5-mini";
/// What `zupa dev` answers without a model.
const BUILT_IN_SCRIPT: &str = include_str!("../built_in_script.toml");

/// A model, and how to speak of it.
pub struct Chosen {
    pub model: Arc<dyn Model>,
    pub words: String,
    pub scripted: bool,
}

/// Chooses the model. In `dev` none needs to be named.
pub async fn model(config: &Config, dev: bool) -> Result<Chosen, Failure> {
    let script = config.model.script.as_deref();
    match config.model.provider {
        Some(Provider::Openai) => first(config, dev).await,
        Some(Provider::Scripted) => scripted(script, "model.script"),
        None if !dev => Err(Failure::new(Code::Config, "no model is configured")
            .because("model.provider is not set")
            .try_this("provider = \"openai\" and a name in [model], or `zupa dev`")),
        None if has_key() => first(config, dev).await,
        None => scripted(script, "model.script"),
    }
}

/// The models that are asked where those before them cannot answer.
pub async fn fallbacks(config: &Config) -> Result<Vec<Chosen>, Failure> {
    let mut chosen = Vec::new();
    for (index, wanted) in config.model.fallback.iter().enumerate() {
        let at = format!("model.fallback[{index}]");
        chosen.push(match wanted.provider {
            Provider::Scripted => scripted(wanted.script.as_deref(), &format!("{at}.script"))?,
            Provider::Openai => {
                let api_key = match &wanted.api_key {
                    Some(reference) => Some(secret(reference, &format!("{at}.api_key")).await?),
                    None => None,
                };
                // Loading the configuration has refused one without a name.
                let model = wanted.name.clone().unwrap_or_default();
                openai(OpenAiConfig {
                    base_url: wanted.base_url.clone(),
                    model,
                    api_key,
                    temperature: wanted.temperature.map(|temperature| temperature as f32),
                    max_tokens: wanted.max_tokens,
                    structured: structured(wanted.structured),
                    ..timeouts(config)
                })?
            }
        });
    }
    Ok(chosen)
}

fn has_key() -> bool {
    environment::variable(KEY_VARIABLE).is_some()
}

async fn first(config: &Config, dev: bool) -> Result<Chosen, Failure> {
    let wanted = &config.model;
    let model = match &wanted.name {
        Some(name) => name.clone(),
        None if dev => DEV_MODEL.to_owned(),
        None => {
            return Err(Failure::new(Code::Config, "the model has no name")
                .because("model.name is not set")
                .try_this("name = \"…\" in [model], as the provider spells it"));
        }
    };
    openai(OpenAiConfig {
        base_url: wanted.base_url.clone(),
        model,
        api_key: key(wanted.api_key.as_ref(), "model.api_key").await?,
        temperature: wanted.temperature.map(|temperature| temperature as f32),
        max_tokens: wanted.max_tokens,
        structured: structured(wanted.structured),
        ..timeouts(config)
    })
}

fn openai(wanted: OpenAiConfig) -> Result<Chosen, Failure> {
    let words = format!("{} at {}", wanted.model, wanted.base_url);
    Ok(Chosen {
        model: Arc::new(OpenAiModel::new(wanted)?),
        words,
        scripted: false,
    })
}

/// The times that all models have in common.
fn timeouts(config: &Config) -> OpenAiConfig {
    let policy = &config.policy.model;
    OpenAiConfig {
        connect_timeout: Duration::from_millis(policy.connect_timeout_ms),
        first_byte_timeout: Duration::from_millis(policy.first_byte_timeout_ms),
        idle_timeout: Duration::from_millis(policy.idle_timeout_ms),
        ..OpenAiConfig::default()
    }
}

fn structured(wanted: config::Structured) -> Structured {
    match wanted {
        config::Structured::Native => Structured::Native,
        config::Structured::Prompt => Structured::Prompt,
    }
}

/// The key of a provider: the one that is named, or OpenAI's if it is there.
pub(super) async fn key(
    named: Option<&SecretRef>,
    at: &str,
) -> Result<Option<SecretString>, Failure> {
    let reference = match named {
        Some(reference) => reference.clone(),
        None if has_key() => SecretRef::Env(KEY_VARIABLE.to_owned()),
        None => return Ok(None),
    };
    secret(&reference, at).await.map(Some)
}

fn scripted(script: Option<&str>, key: &str) -> Result<Chosen, Failure> {
    let (script, words) = match script {
        Some(path) => {
            let text = read(Path::new(path), key)?;
            (Script::parse(&text)?, format!("the script {path}"))
        }
        None => (
            Script::parse(BUILT_IN_SCRIPT)?,
            "the built-in script".to_owned(),
        ),
    };
    Ok(Chosen {
        model: Arc::new(ScriptedModel::new(script)?),
        words,
        scripted: true,
    })
}
