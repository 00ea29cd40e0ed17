//! A model that does as it is told, and remembers what it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use zupa_core::{
    Error, FinishReason, Model, ModelEvent, ModelRequest, ModelStream, Prompt, Result, ToolCall,
    Usage,
};

use super::fate::Fate;

/// What the model does with a call.
#[derive(Debug, Clone)]
pub enum Act {
    /// Says `re: ` and the lines that it was asked to answer, joined by ` + `.
    Echo,
    /// Says this.
    Say(&'static str),
    /// Echoes after a while.
    Take(Duration),
    /// Echoes when it is released.
    Hold,
    /// Never answers.
    Hang,
    /// Fails.
    Fail(Error),
    /// Panics.
    Panic,
    /// Asks for these tools, by name and arguments.
    Call(&'static [(&'static str, &'static str)]),
    /// Asks for two tools under one id, as servers without ids do.
    SameIds([(&'static str, &'static str); 2]),
    /// Asks for these tools, and says that it took so many tokens.
    Spend(u64, &'static [(&'static str, &'static str)]),
    /// Says half a line and breaks off.
    CutOff,
    /// Says something, but the provider's filter stopped it.
    Filtered,
}

/// One call.
#[derive(Debug, Clone)]
pub struct Asked {
    /// When.
    pub at: Instant,
    /// The whole prompt.
    pub messages: Arc<[Prompt]>,
}

impl Asked {
    /// The lines to answer: what the person said since the agent last spoke.
    pub fn lines(&self) -> Vec<String> {
        let since = self
            .messages
            .iter()
            .rposition(|line| !matches!(line, Prompt::User { .. }))
            .map_or(0, |last| last + 1);
        self.messages[since..]
            .iter()
            .map(|line| line.text().to_owned())
            .collect()
    }
}

/// A model that does as it is told. Echoes unless told otherwise.
///
/// Whatever stands before the colon of a line names its conversation, so that
/// two calls at once for one of them are noticed.
#[derive(Debug)]
pub struct Puppet {
    state: Mutex<State>,
    calls: watch::Sender<usize>,
    released: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    fate: Fate,
    plans: Vec<(String, VecDeque<Act>)>,
    habits: Vec<(String, Act)>,
    asked: Vec<Asked>,
    at_once: BTreeMap<String, usize>,
    most_at_once: BTreeMap<String, usize>,
    most_in_all: usize,
}

impl Default for Puppet {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            calls: watch::Sender::new(0),
            released: Semaphore::new(0),
        }
    }
}

impl Puppet {
    /// Plans the next calls whose lines to answer contain `marker`.
    pub fn on(&self, marker: &str, acts: impl IntoIterator<Item = Act>) {
        let plan = (marker.to_owned(), acts.into_iter().collect());
        self.lock().plans.push(plan);
    }

    /// Does this at every call whose lines to answer contain `marker`.
    pub fn always(&self, marker: &str, act: Act) {
        self.lock().habits.push((marker.to_owned(), act));
    }

    /// Dies with this fate from now on.
    pub fn fated(&self, fate: &Fate) {
        self.lock().fate = fate.clone();
    }

    /// Lets one call that holds go on.
    pub fn release(&self) {
        self.released.add_permits(1);
    }

    /// Every call, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.lock().asked.clone()
    }

    /// How many calls were made, the running one included.
    pub fn calls(&self) -> usize {
        self.lock().asked.len()
    }

    /// Waits until it was called so often. Cancel safe.
    pub async fn called(&self, count: usize) {
        let mut calls = self.calls.subscribe();
        // The sender lives in `self`, so it cannot be gone.
        let _ = calls.wait_for(|made| *made >= count).await;
    }

    /// The most calls at once, of one conversation and of all.
    pub fn most_at_once(&self) -> (usize, usize) {
        let state = self.lock();
        let of_one = state.most_at_once.values().copied().max();
        (of_one.unwrap_or_default(), state.most_in_all)
    }

    fn note(&self, messages: Arc<[Prompt]>) -> (Vec<String>, Act) {
        let asked = Asked {
            at: Instant::now(),
            messages,
        };
        let lines = asked.lines();
        let mut state = self.lock();
        state.asked.push(asked);
        let cue = asked_cue(&state);
        let act = state.next(&cue);
        self.calls.send_replace(state.asked.len());
        (lines, act)
    }

    fn enter(self: &Puppet, lines: &[String]) -> Running<'_> {
        let conversation = lines
            .last()
            .and_then(|line| line.split_once(':'))
            .map_or_else(String::new, |(name, _)| name.to_owned());
        let mut state = self.lock();
        let now = state.at_once.entry(conversation.clone()).or_default();
        *now += 1;
        let now = *now;
        let in_all = state.at_once.values().sum();
        let most = state.most_at_once.entry(conversation.clone()).or_default();
        *most = now.max(*most);
        state.most_in_all = state.most_in_all.max(in_all);
        Running {
            puppet: self,
            conversation,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self, lines: &[String]) -> Act {
        let fits = |marker: &str| lines.iter().any(|line| line.contains(marker));
        let planned = self
            .plans
            .iter_mut()
            .find(|(marker, acts)| fits(marker) && !acts.is_empty());
        if let Some((_, acts)) = planned
            && let Some(act) = acts.pop_front()
        {
            return act;
        }
        self.habits
            .iter()
            .find(|(marker, _)| fits(marker))
            .map_or(Act::Echo, |(_, act)| act.clone())
    }
}

/// What the last call is about: all since the agent last spoke, results included, but
/// not what it was told about itself.
fn asked_cue(state: &State) -> Vec<String> {
    let Some(asked) = state.asked.last() else {
        return Vec::new();
    };
    let since = asked
        .messages
        .iter()
        .rposition(|line| matches!(line, Prompt::Assistant { .. }))
        .map_or(0, |last| last + 1);
    let cue = asked.messages[since..].iter();
    let cue = cue.filter(|line| !matches!(line, Prompt::System { .. }));
    cue.map(|line| line.text().to_owned()).collect()
}

/// A call on its way; over when dropped, on every path.
struct Running<'a> {
    puppet: &'a Puppet,
    conversation: String,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(now) = self.puppet.lock().at_once.get_mut(&self.conversation) {
            *now -= 1;
        }
    }
}

#[async_trait]
impl Model for Puppet {
    fn name(&self) -> &str {
        "puppet"
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream> {
        let (lines, act) = self.note(request.messages);
        let fate = self.lock().fate.clone();
        fate.pass("before model").await;
        let _running = self.enter(&lines);
        let echo = format!("re: {}", lines.join(" + "));
        match act {
            Act::Echo => Ok(says(&echo, FinishReason::Stop)),
            Act::Say(text) => {
                fate.pass("after model").await;
                Ok(says(text, FinishReason::Stop))
            }
            Act::Take(time) => {
                tokio::time::sleep(time).await;
                Ok(says(&echo, FinishReason::Stop))
            }
            Act::Hold => {
                self.released.acquire().await.unwrap().forget();
                Ok(says(&echo, FinishReason::Stop))
            }
            Act::Hang => std::future::pending().await,
            Act::Fail(error) => Err(error),
            Act::Panic => panic!("the model panics, as the test wants it"),
            Act::Call(calls) => {
                tokio::time::sleep(Duration::from_millis(5)).await;
                fate.pass("after model").await;
                Ok(asks(calls))
            }
            Act::Spend(tokens, calls) => Ok(asks(calls)
                .map(move |event| match event {
                    Ok(ModelEvent::Done { finish, model, .. }) => Ok(ModelEvent::Done {
                        finish,
                        usage: Some(Usage {
                            input_tokens: tokens / 2,
                            output_tokens: tokens - tokens / 2,
                        }),
                        model,
                    }),
                    other => other,
                })
                .boxed()),
            Act::SameIds(calls) => {
                let calls = calls.map(|(name, arguments)| ("", name, arguments));
                Ok(asks_under(calls))
            }
            Act::CutOff => {
                let half = ModelEvent::Delta("half a li".into());
                Ok(stream::iter([Ok(half)]).boxed())
            }
            Act::Filtered => Ok(says("half a li", FinishReason::ContentFilter)),
        }
    }
}

fn says(text: &str, finish: FinishReason) -> ModelStream {
    let delta = ModelEvent::Delta(text.to_owned());
    let done = ModelEvent::Done {
        finish,
        usage: None,
        model: None,
    };
    stream::iter([Ok(delta), Ok(done)]).boxed()
}

fn asks(calls: &[(&str, &str)]) -> ModelStream {
    let ids: Vec<_> = (0..calls.len())
        .map(|place| format!("call_{place}"))
        .collect();
    let calls = ids.iter().zip(calls);
    asks_under(calls.map(|(id, (name, arguments))| (id.as_str(), *name, *arguments)))
}

fn asks_under<'a>(calls: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>) -> ModelStream {
    let calls = calls.into_iter().map(|(id, name, arguments)| {
        Ok(ModelEvent::Call(ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        }))
    });
    let done = ModelEvent::Done {
        finish: FinishReason::ToolCalls,
        usage: None,
        model: None,
    };
    stream::iter(calls.chain([Ok(done)]).collect::<Vec<_>>()).boxed()
}

/// What tests hand to a runtime: the same puppet, kept by the test.
pub fn shared() -> Arc<Puppet> {
    Arc::new(Puppet::default())
}
