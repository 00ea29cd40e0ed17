//! A model that follows a script: for `zupa dev` without a key, for tests and
//! for the benchmark. It records what it was asked.
//!
//! Rules come from a TOML file; the first whose pattern is found in the last
//! message answers, with a text, with calls of tools, or both:
//!
//! ```toml
//! [[rule]]
//! pattern = "(?i)order a (\\w+)"
//! call = [{ name = "place_order", arguments = '{"item": "{1}"}' }]
//!
//! [[rule]]
//! tool = "place_order"                # the last message is a result of this tool
//! pattern = ""
//! answer = "Done: {message}"
//!
//! [[rule]]
//! pattern = "(?i)hello"
//! answer = "Hello! You said: {message}"
//! delay_ms = 200
//! ```

mod speech;

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use regex_lite::Regex;
use serde::Deserialize;
use zupa_core::{
    Error, FinishReason, Model, ModelEvent, ModelRequest, ModelStream, Prompt, Result, ToolCall,
    Usage,
};

pub use speech::{ScriptedSynthesizer, ScriptedTranscriber};

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
    /// The tool whose result the last message has to be; without it, it must be
    /// somebody's words.
    #[serde(default)]
    pub tool: Option<String>,
    /// The answer; `{message}` stands for the last message, `{1}` to `{9}` for the
    /// pattern's groups.
    #[serde(default)]
    pub answer: String,
    /// Tools to call.
    #[serde(default, rename = "call")]
    pub calls: Vec<ScriptedCall>,
    /// How long the model thinks before it answers, in milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
}

/// A call of a rule.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedCall {
    /// The tool.
    pub name: String,
    /// The arguments, as the model would write them; `{message}` and `{1}` to `{9}` as
    /// in the answer, spelled for the inside of a JSON string.
    pub arguments: String,
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
                tool: None,
                answer: answer.into(),
                calls: Vec::new(),
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
        let (message, tool) = last_of(&request.messages);
        let round = request.messages.len();
        {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            if asked.len() == KEPT {
                asked.pop_front();
            }
            asked.push_back(request);
        }
        let fits =
            |(pattern, rule): &&(Regex, Rule)| rule.tool == tool && pattern.is_match(&message);
        let Some((pattern, rule)) = self.rules.iter().find(fits) else {
            return Err(Error::invalid("no rule of the script fits the message"));
        };
        let answer = fill(&rule.answer, pattern, &message, str::to_owned);
        if rule.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(rule.delay_ms)).await;
        }
        let usage = Usage {
            input_tokens: message.split_whitespace().count() as u64,
            output_tokens: answer.split_whitespace().count() as u64,
        };
        let mut parts = Vec::with_capacity(usage.output_tokens as usize + rule.calls.len() + 1);
        let words = answer.split_inclusive(char::is_whitespace);
        parts.extend(words.map(|word| Ok(ModelEvent::Delta(word.to_owned()))));
        for (place, call) in rule.calls.iter().enumerate() {
            parts.push(Ok(ModelEvent::Call(ToolCall {
                id: format!("call_{round}_{place}"),
                name: call.name.clone(),
                arguments: fill(&call.arguments, pattern, &message, inside_json),
            })));
        }
        let finish = match rule.calls.is_empty() {
            true => FinishReason::Stop,
            false => FinishReason::ToolCalls,
        };
        parts.push(Ok(ModelEvent::Done {
            finish,
            usage: Some(usage),
            model: Some(self.name().to_owned()),
        }));
        Ok(stream::iter(parts).boxed())
    }
}

/// The last message, and the tool whose result it is, if it is one.
fn last_of(messages: &[Prompt]) -> (String, Option<String>) {
    let Some(last) = messages.last() else {
        return (String::new(), None);
    };
    let tool = match last {
        Prompt::Tool { call, .. } => messages.iter().rev().find_map(|message| match message {
            Prompt::Assistant { calls, .. } => calls
                .iter()
                .find(|made| made.id == *call)
                .map(|made| made.name.clone()),
            _ => None,
        }),
        _ => None,
    };
    (last.text().to_owned(), tool)
}

/// Puts the message and the pattern's groups into their places.
fn fill(text: &str, pattern: &Regex, message: &str, spell: fn(&str) -> String) -> String {
    let mut filled = text.replace("{message}", &spell(message));
    // Most patterns have none, and looking for them takes long.
    let has_groups = pattern.captures_len() > 1;
    if let Some(groups) = has_groups.then(|| pattern.captures(message)).flatten() {
        for place in 1..groups.len().min(10) {
            let group = groups.get(place).map_or("", |group| group.as_str());
            filled = filled.replace(&format!("{{{place}}}"), &spell(group));
        }
    }
    filled
}

/// As it is written between the quotes of a JSON string.
fn inside_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use zupa_core::Role;
    use zupa_core::model::collect;

    use super::*;

    #[tokio::test]
    async fn the_first_rule_that_fits_answers() {
        let script = Script::parse(
            "[[rule]]\npattern = 'hi'\nanswer = 'first: {message}'\n\
             [[rule]]\npattern = ''\nanswer = 'second'",
        );
        let model = ScriptedModel::new(script.unwrap()).unwrap();
        let ask = |text: &str| {
            let said = Prompt::line(Role::User, text);
            ModelRequest::new(vec![said], Duration::from_secs(1))
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
