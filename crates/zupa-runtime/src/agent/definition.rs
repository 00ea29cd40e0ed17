//! What an agent is, says and can do.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;
use zupa_core::machine::conversation::{Config, GiveUp};
use zupa_core::{
    Address, Alias, Burst, Channel, Error, ReplySchema, Result, Synthesizer, Tool, Transcriber,
};

use super::built_in::{BuiltIn, Changed};
use super::closing;
use super::command_gate::Command;
use super::hooks::{BeforeReply, ContextProvider, OnReply};
use super::modality::Modality;
use super::model_down::OnModelDown;
use super::roles::Roles;
use super::state::AgentTurn;
use super::talk::Rules;
use super::words::Language;
use crate::resilience::Guards;
use crate::tools::{Tools, schema_of};

/// What an agent is, says and can do.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Its name, for logs and audit.
    pub name: String,
    /// Its instructions: the system message of every prompt. Empty: none.
    pub prompt: String,
    /// How many earlier lines of the conversation the model sees. Default: 20.
    pub history: usize,
    /// When messages in quick succession are answered together. Default: off.
    pub burst: Burst,
    /// What a person hears when a message of theirs is given up. Empty: nothing.
    pub fallback: String,
    /// What becomes of a turn whose model's provider fails. Default: it waits.
    pub on_model_down: OnModelDown,
    /// How long after a message an answer that waits for the model's provider is still
    /// worth giving. Default: 24 h.
    pub answer_within: Duration,
    /// What it says by itself. Default: English.
    pub language: Language,
    /// Silence after which a message begins a new session. Default: 15 min.
    pub session_idle: Duration,
    /// Whether a model is asked to summarise a session that has ended. Default: yes. The
    /// plain summary stays where it is not, or cannot.
    pub model_summaries: bool,
    /// How long operators have to take a conversation over. Default: 30 min.
    pub human_within: Duration,
    /// How many failures in a row are borne, at least 1; the next one gives up.
    /// Default: 3.
    pub fallback_limit: u32,
    /// What becomes of a conversation that is given up: a human is called, or its session
    /// ends. Default: a human.
    pub give_up: GiveUp,
    /// How long a person has to confirm something. Default: 10 min.
    pub confirm_within: Duration,
    /// How long operators have to approve something. Default: 2 days.
    pub approve_within: Duration,
    pub(crate) tools: Tools,
    pub(crate) commands: Vec<Arc<dyn Command>>,
    pub(super) roles: Roles,
    pub(super) changed: Changed,
    pub(crate) context: Option<Arc<dyn ContextProvider>>,
    pub(crate) before_reply: Option<Arc<dyn BeforeReply>>,
    pub(crate) on_reply: Option<Arc<dyn OnReply>>,
    pub(crate) transcriber: Option<Arc<dyn Transcriber>>,
    pub(crate) synthesizer: Option<(Arc<dyn Synthesizer>, Modality)>,
    pub(crate) reply: Option<ReplySchema>,
    form: Option<Form>,
}

impl Agent {
    /// An agent with instructions and the defaults for all else.
    pub fn new(name: impl Into<String>, prompt: impl Into<String>) -> Self {
        let language = Language::english();
        Self {
            name: name.into(),
            prompt: prompt.into(),
            history: 20,
            burst: Burst::default(),
            fallback: language.fallback.clone(),
            on_model_down: OnModelDown::default(),
            answer_within: Duration::from_secs(24 * 60 * 60),
            language,
            session_idle: Duration::from_secs(15 * 60),
            model_summaries: true,
            human_within: Duration::from_secs(30 * 60),
            fallback_limit: Config::default().fallback_limit,
            give_up: GiveUp::default(),
            confirm_within: Duration::from_secs(10 * 60),
            approve_within: Duration::from_secs(2 * 24 * 60 * 60),
            tools: Tools::default(),
            commands: Vec::new(),
            roles: Roles::default(),
            changed: Changed::default(),
            context: None,
            before_reply: None,
            on_reply: None,
            transcriber: None,
            synthesizer: None,
            reply: None,
            form: None,
        }
    }

    /// Speaks this language, its fallback text included.
    pub fn speaking(mut self, language: Language) -> Self {
        self.fallback.clone_from(&language.fallback);
        self.language = language;
        self
    }

    /// Bears this many failures in a row, at least 1; what becomes of the conversation at
    /// the next one.
    pub fn gives_up_after(mut self, failures: u32, give_up: GiveUp) -> Self {
        (self.fallback_limit, self.give_up) = (failures, give_up);
        self
    }

    /// Can use a tool.
    pub fn tool(mut self, tool: Arc<dyn Tool>) -> Self {
        self.tools.add(tool, None);
        self
    }

    /// Can use a tool, once the person has agreed to each call: `question` makes the
    /// question from the arguments.
    pub fn tool_with_confirmation(
        mut self,
        tool: Arc<dyn Tool>,
        question: impl Fn(&Value) -> String + Send + Sync + 'static,
    ) -> Self {
        self.tools.add(tool, Some(Arc::new(question)));
        self
    }

    /// The names of its tools, in the order in which they were added.
    pub fn tool_names(&self) -> Vec<&str> {
        self.tools.names()
    }

    /// Lets the model end the session with its answer: it is offered a tool
    /// `end_session`, which does nothing but say so.
    pub fn model_ends_sessions(self) -> Self {
        self.tool(closing::tool())
    }

    /// Answers a command. One of the same name replaces an earlier one; `/help`,
    /// `/reset` and `/human` are built in, and come first unless they are taken away.
    pub fn command(mut self, command: Arc<dyn Command>) -> Self {
        self.commands.retain(|known| known.name() != command.name());
        self.commands.push(command);
        self
    }

    /// Takes a command away: the built-in `help`, `reset`, `human`, `approve` or `reject`, in
    /// whose place one of the same name stands if it was added, or one that was added before.
    /// What names a command that is not there is a text like any other. A name that no
    /// command has is refused at the start.
    pub fn without_command(mut self, name: &str) -> Self {
        let before = self.commands.len();
        if BuiltIn::parse(name).is_none() {
            self.commands.retain(|known| known.name() != name);
        }
        if self.commands.len() == before {
            self.changed.without(name);
        }
        self
    }

    /// Keeps `/help`, `/reset` or `/human` for administrators. Another name is refused at
    /// the start: an added command says so itself ([`Command::role`]).
    pub fn command_for_admins(mut self, name: &str) -> Self {
        self.changed.for_admins(name);
        self
    }

    /// Lets whoever writes from this alias use the commands of administrators, where the
    /// process has a single door: at another the same alias may be somebody else, so a
    /// process with several does not start. [`Self::admin_at`] names the door.
    pub fn admin(mut self, alias: Alias) -> Self {
        self.roles.admins.push(alias);
        self
    }

    /// Lets whoever writes from this address use the commands of administrators. In a group
    /// the speaker counts; a message of a WhatsApp group (`…@g.us`) without one is nobody's.
    /// At another door a message without a speaker counts by its address: name no group.
    pub fn admin_at(mut self, address: Address) -> Self {
        self.roles.admins_at.push(address);
        self
    }

    /// Lets whoever writes from this address decide reviews of its tenant by `/approve` and
    /// `/reject`, as the operator of this name, which the audit keeps. An operator may have
    /// several addresses. Needs [`crate::Builder::desk`].
    pub fn operator_at(mut self, name: impl Into<String>, address: Address) -> Self {
        self.roles.operators_at.push((name.into(), address));
        self
    }

    /// Asks this before each prompt what the agent should know.
    pub fn context(mut self, provider: Arc<dyn ContextProvider>) -> Self {
        self.context = Some(provider);
        self
    }

    /// Lets this have the last word on each answer.
    pub fn before_reply(mut self, hook: Arc<dyn BeforeReply>) -> Self {
        self.before_reply = Some(hook);
        self
    }

    /// Tells this what was committed.
    pub fn on_reply(mut self, hook: Arc<dyn OnReply>) -> Self {
        self.on_reply = Some(hook);
        self
    }

    /// Understands voice messages. Without it the model is told that there is one, and
    /// no more.
    pub fn hears(mut self, transcriber: Arc<dyn Transcriber>) -> Self {
        self.transcriber = Some(transcriber);
        self
    }

    /// Can say its answers aloud, where the channel carries voice; an answer that
    /// cannot be spoken is written. What it says by itself is always written.
    pub fn speaks(mut self, synthesizer: Arc<dyn Synthesizer>, modality: Modality) -> Self {
        self.synthesizer = Some((synthesizer, modality));
        self
    }

    /// Answers in a typed form, which `say` turns into what the person reads. An answer
    /// of another form goes back to the model once; after that the person hears the
    /// fallback text.
    pub fn replies<T>(mut self, say: impl Fn(T) -> String + Send + Sync + 'static) -> Self
    where
        T: DeserializeOwned + JsonSchema + 'static,
    {
        self.reply = Some(ReplySchema {
            name: T::schema_name().into_owned(),
            schema: schema_of::<T>(),
        });
        self.form = Some(Form(Arc::new(move |text| {
            serde_json::from_str(bare(text))
                .map(&say)
                .map_err(|wrong| wrong.to_string())
        })));
        self
    }

    /// What the person reads of a reply, or what is wrong with its form.
    pub(crate) fn check_reply(&self, text: &str) -> std::result::Result<String, String> {
        match &self.form {
            Some(form) => (form.0)(text),
            None => Ok(text.to_owned()),
        }
    }

    /// True when the model has ended the session in this turn.
    pub(crate) fn is_closed_by(&self, turn: &AgentTurn) -> bool {
        self.tools.get(closing::NAME).is_some() && closing::was_called(turn)
    }

    /// True when pieces of an answer may be shown while it comes: nothing can change it
    /// any more.
    pub(crate) fn shows_drafts(&self) -> bool {
        self.before_reply.is_none() && self.form.is_none()
    }

    /// How often it may fail, and what follows.
    pub(super) fn rules(&self) -> Rules {
        Rules::of(&Config {
            fallback_limit: self.fallback_limit,
            give_up: self.give_up,
            ..Config::default()
        })
    }

    /// Finds the door of administrators that are named by their alias alone.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`] if there are several.
    pub(crate) fn place_admins(&mut self, doors: &[Arc<dyn Channel>]) -> Result<()> {
        self.roles.place(doors)
    }

    /// True when operators can decide by chat.
    pub(crate) fn decides(&self) -> bool {
        self.has(BuiltIn::Approve) || self.has(BuiltIn::Reject)
    }

    /// Puts its ears and its mouth behind their policies.
    pub(crate) fn guard(&mut self, guards: &Guards) -> Result<()> {
        if let Some(transcriber) = self.transcriber.take() {
            self.transcriber = Some(guards.transcriber(transcriber)?);
        }
        if let Some((synthesizer, modality)) = self.synthesizer.take() {
            self.synthesizer = Some((guards.synthesizer(synthesizer)?, modality));
        }
        Ok(())
    }

    /// Checks what could not be checked before.
    ///
    /// *Errors*: [`zupa_core::ErrorKind::Invalid`].
    pub(crate) fn check(&self) -> Result<()> {
        self.tools.check()?;
        if self.fallback_limit == 0 {
            return Err(Error::invalid(
                "an agent has to bear one failure at least before it gives up",
            ));
        }
        self.roles.check()?;
        self.changed.check()?;
        match &self.reply {
            Some(reply) if reply.schema.get("type") != Some(&Value::from("object")) => Err(
                Error::invalid("the schema of a typed reply must be an object")
                    .with("type", &reply.name),
            ),
            _ => Ok(()),
        }
    }
}

/// Reads a reply of the agent's form and says what the person reads.
#[derive(Clone)]
struct Form(Arc<ReadAndSay>);

/// What a person reads of a reply, or what is wrong with it.
type ReadAndSay = dyn Fn(&str) -> std::result::Result<String, String> + Send + Sync;

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Form")
    }
}

/// The JSON in a text, without the fence that models like to put around it.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let fenced = text
        .strip_prefix("```")
        .and_then(|rest| rest.strip_suffix("```"));
    match fenced {
        Some(inside) => inside.strip_prefix("json").unwrap_or(inside).trim(),
        None => text,
    }
}
