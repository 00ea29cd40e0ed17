//! A model that follows a script: for `zupa dev` without a key, for tests and
//! for the benchmark. It records what it was asked.
//!
//! Rules come from a TOML file; the first whose pattern is found in the last
//! message answers:
//!
//! ```toml
//! [[rule]]
//! pattern = "(?i)hello"
//! answer = "Hello! You said: {message}"
//! delay_ms = 200
//! ```

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use regex_lite::Regex;
use serde::Deserialize;
use zupa_core::{Error, FinishReason, Model, ModelEvent, ModelRequest, ModelStream, Result, Usage};

/// How many of the last requests are kept.
const KEPT: usize = 1_024;

/// What to answer to what.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Tried in order.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
}

/// One rule of a script.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// A regular expression, looked for in the last message.
    pub pattern: String,
    /// The answer; `{message}` stands for the last message.
    pub answer: String,
    /// How long the model thinks before it answers, in milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
}

impl Script {
    /// Reads a script.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`] for what is not such a file.
    pub fn parse(text: &str) -> Result<Self> {
        toml::from_str(text)
            .map_err(|source| Error::invalid("the script cannot be read").with_source(source))
    }

    /// Answers everything alike, after a delay.
    pub fn always(answer: impl Into<String>, delay: Duration) -> Self {
        let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        Self {
            rules: vec![Rule {
                pattern: String::new(),
                answer: answer.into(),
                delay_ms,
            }],
        }
    }
}

/// A model that follows a [`Script`].
#[derive(Debug)]
pub struct ScriptedModel {
    rules: Vec<(Regex, Rule)>,
    asked: Mutex<VecDeque<ModelRequest>>,
}

impl ScriptedModel {
    /// Compiles a script.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`] for a pattern that is none.
    pub fn new(script: Script) -> Result<Self> {
        let compile = |rule: Rule| match Regex::new(&rule.pattern) {
            Ok(pattern) => Ok((pattern, rule)),
            Err(source) => Err(
                Error::invalid("a rule's pattern is not a regular expression")
                    .with("pattern", &rule.pattern)
                    .with_source(source),
            ),
        };
        let rules = script
            .rules
            .into_iter()
            .map(compile)
            .collect::<Result<_>>()?;
        Ok(Self {
            rules,
            asked: Mutex::default(),
        })
    }

    /// What it was asked, oldest first; the last thousand or so.
    pub fn asked(&self) -> Vec<ModelRequest> {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }
}

#[async_trait]
impl Model for ScriptedModel {
    fn name(&self) -> &str {
        "scripted"
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream> {
        let message = request
            .messages
            .last()
            .map(|last| last.text.clone())
            .unwrap_or_default();
        {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            if asked.len() == KEPT {
                asked.pop_front();
            }
            asked.push_back(request);
        }
        let Some((_, rule)) = self
            .rules
            .iter()
            .find(|(pattern, _)| pattern.is_match(&message))
        else {
            return Err(Error::invalid("no rule of the script fits the message"));
        };
        let answer = rule.answer.replace("{message}", &message);
        if rule.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(rule.delay_ms)).await;
        }
        let usage = Usage {
            input_tokens: message.split_whitespace().count() as u64,
            output_tokens: answer.split_whitespace().count() as u64,
        };
        let words: Vec<_> = answer
            .split_inclusive(char::is_whitespace)
            .map(|word| Ok(ModelEvent::Delta(word.to_owned())))
            .collect();
        let done = ModelEvent::Done {
            finish: FinishReason::Stop,
            usage: Some(usage),
            model: Some(self.name().to_owned()),
        };
        Ok(stream::iter(words).chain(stream::iter([Ok(done)])).boxed())
    }
}

#[cfg(test)]
mod tests {
    use zupa_core::model::collect;
    use zupa_core::{Prompt, Role};

    use super::*;

    #[tokio::test]
    async fn the_first_rule_that_fits_answers() {
        let script = Script::parse(
            "[[rule]]\npattern = 'hi'\nanswer = 'first: {message}'\n\
             [[rule]]\npattern = ''\nanswer = 'second'",
        );
        let model = ScriptedModel::new(script.unwrap()).unwrap();
        let ask = |text: &str| ModelRequest {
            messages: vec![Prompt {
                role: Role::User,
                text: text.into(),
            }],
            timeout: Duration::from_secs(1),
        };
        let hi = collect(model.stream(ask("hi you")).await.unwrap(), |_| ())
            .await
            .unwrap();
        let other = collect(model.stream(ask("bye")).await.unwrap(), |_| ())
            .await
            .unwrap();
        assert_eq!(
            (hi.text.as_str(), other.text.as_str()),
            ("first: hi you", "second")
        );
        assert_eq!(model.asked().len(), 2);
    }
}
