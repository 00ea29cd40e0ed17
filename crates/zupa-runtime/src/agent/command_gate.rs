//! Node `command_gate`: a message that begins with `/` and names a command is
//! answered by it, without the model.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use zupa_core::{
    Address, Claimed, Content, Error, ErrorKind, Outbound, Result as CoreResult, Timestamp,
};

use super::built_in::BuiltIn;
use super::roles::Speaker;
use super::talk::Came;
use super::{Agent, AgentTurn, EndReason, Parts, Session, Update, decide_review};
use crate::graph::{Ending, Move, Node};
use crate::turn::{Cx, Stop};

/// Something that a person can ask for by name.
#[async_trait]
pub trait Command: Debug + Send + Sync + 'static {
    /// Its name, without the slash.
    fn name(&self) -> &str;

    /// Its arguments, as `/help` shows them: `<name> [reason…]`. A part in angle
    /// brackets must be there, one in square brackets may, and one with an ellipsis
    /// takes all that is left.
    fn arguments(&self) -> &str;

    /// What it does, in a few words.
    fn help(&self) -> &str;

    /// Who may use it.
    fn role(&self) -> Role;

    /// Does it.
    ///
    /// *Errors*: a failure of the turn. It may run again after a crash.
    async fn run(&self, arguments: Vec<String>, cx: CommandContext) -> CoreResult<CommandReply>;
}

/// Who may use a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Everybody.
    Person,
    /// Whoever writes from an address in the agent's list of administrators; in a group,
    /// the speaker.
    Admin,
}

/// What a command is run with.
#[derive(Debug, Clone)]
pub struct CommandContext {
    /// Where the conversation is reached.
    pub address: Address,
    /// When the message was accepted.
    pub at: Timestamp,
    /// The agent's state.
    pub state: Value,
}

/// What a command does.
#[derive(Debug, Clone, Default)]
pub struct CommandReply {
    /// What the person is told; empty says nothing.
    pub text: String,
    /// A change of the agent's state, as a JSON merge patch.
    pub state: Option<Value>,
}

pub(super) struct CommandGate(pub Arc<Parts>);

#[async_trait]
impl Node<AgentTurn> for CommandGate {
    async fn run(&self, turn: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        let agent = &self.0.agent;
        // A command stands alone: among other messages it is a text like them.
        let [only] = cx.inbounds() else {
            return Ok(
                match decides_among(agent, &cx.run.turn.address, cx.inbounds()) {
                    true => answer(agent.language.reviews.among_others.clone()),
                    false => Move::to("resolve_content"),
                },
            );
        };
        let Content::Text { text } = &only.content else {
            return Ok(Move::to("resolve_content"));
        };
        let Some((name, rest)) = parse(text) else {
            return Ok(Move::to("resolve_content"));
        };
        let who = agent.roles.of(&cx.run.turn.address, only);
        let Some(command) = agent.built_in(name) else {
            return self.custom(name, rest, who.role, turn, cx).await;
        };
        if !agent.may_use(command, &who) {
            return Ok(answer(agent.language.forbidden_command.clone()));
        }
        match command {
            BuiltIn::Help => Ok(answer(help(agent, &who))),
            BuiltIn::Reset => {
                let session = Session {
                    number: turn.kept.session.number + 1,
                    first: only.number,
                    last_at: only.accepted_at,
                    over: false,
                };
                cx.audit(EndReason::ENDED, EndReason::User.as_str());
                cx.forget_questions();
                let text = agent.language.reset.clone();
                Ok(answer(text).with(Update::Anew(session)))
            }
            BuiltIn::Human => {
                let text = agent.language.human_asked.clone();
                Ok(answer(text).with(Update::Came(Came::ToHuman)))
            }
            BuiltIn::Approve | BuiltIn::Reject => {
                let rest = rest.to_owned();
                let operator = who.operator.unwrap_or_default();
                let said = decide_review::decide(&self.0, cx, operator, command, &rest).await;
                said.map(answer)
            }
        }
    }
}

impl CommandGate {
    async fn custom(
        &self,
        name: &str,
        rest: &str,
        role: Role,
        turn: &AgentTurn,
        cx: &Cx,
    ) -> Result<Move<AgentTurn>, Stop> {
        let agent = &self.0.agent;
        let Some(command) = agent.commands.iter().find(|command| command.name() == name) else {
            return Ok(Move::to("resolve_content"));
        };
        if role < command.role() {
            return Ok(answer(agent.language.forbidden_command.clone()));
        }
        let Some(arguments) = split(command.arguments(), rest) else {
            let said = agent
                .language
                .bad_command
                .replace("{command}", &format!("/{name} {rest}"));
            return Ok(answer(said));
        };
        cx.run.may_go_on()?;
        let context = CommandContext {
            address: cx.address().clone(),
            at: cx.now(),
            state: turn.kept.agent.clone(),
        };
        let time = self.0.settings.policies.tool.timeout;
        let reply = tokio::time::timeout(time, command.run(arguments, context))
            .await
            .map_err(|_elapsed| {
                Error::new(ErrorKind::Timeout, "the command took too long").with("command", name)
            })??;
        let moved = answer(reply.text);
        Ok(match reply.state {
            Some(change) => moved.with(Update::Agent(change)),
            None => moved,
        })
    }
}

fn answer(text: String) -> Move<AgentTurn> {
    if text.is_empty() {
        return Move::end(Ending::Silent("a command".into()));
    }
    Move::end(Ending::Answer(vec![Outbound::reply(text)]))
}

/// True when an operator wants to decide in one of several messages: the model could say
/// that it is done.
fn decides_among(agent: &Agent, conversation: &Address, inbounds: &[Claimed]) -> bool {
    let is_of_operator =
        |message: &Claimed| agent.roles.of(conversation, message).operator.is_some();
    let mut decisions = inbounds
        .iter()
        .filter(|message| is_decision(agent, message));
    decisions.any(is_of_operator)
}

fn is_decision(agent: &Agent, message: &Claimed) -> bool {
    let Content::Text { text } = &message.content else {
        return false;
    };
    parse(text)
        .and_then(|(name, _)| agent.built_in(name))
        .is_some_and(BuiltIn::is_of_operators)
}

/// A command in place of an answer to a question is none, nor is a decision among others.
pub(super) fn is_no_command(agent: Arc<Agent>) -> impl Fn(&[Claimed]) -> bool {
    move |inbounds| {
        let [only] = inbounds else {
            return !inbounds.iter().any(|message| is_decision(&agent, message));
        };
        let Content::Text { text } = &only.content else {
            return true;
        };
        let known = |name: &str| agent.commands.iter().any(|command| command.name() == name);
        !parse(text).is_some_and(|(name, _)| agent.built_in(name).is_some() || known(name))
    }
}

/// The name of a command and what follows it.
fn parse(text: &str) -> Option<(&str, &str)> {
    let line = text.trim().strip_prefix('/')?;
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_name.then_some((name, rest.trim()))
}

/// The arguments in the places that a usage names; none if they do not fit.
pub(super) fn split(usage: &str, rest: &str) -> Option<Vec<String>> {
    let (mut given, mut rest) = (Vec::new(), rest.trim());
    for place in usage.split_whitespace() {
        if rest.is_empty() {
            if place.starts_with('<') {
                return None;
            }
            break;
        }
        let takes_all = place.contains('…');
        let (word, left) = match rest.split_once(char::is_whitespace) {
            Some((word, left)) if !takes_all => (word, left.trim_start()),
            _ => (rest, ""),
        };
        given.push(word.to_owned());
        rest = left;
    }
    rest.is_empty().then_some(given)
}

fn help(agent: &Agent, who: &Speaker<'_>) -> String {
    let language = &agent.language;
    let mut lines = vec![language.help.clone()];
    let built_in = BuiltIn::ALL
        .into_iter()
        .filter(|command| agent.has(*command));
    let theirs = built_in.filter(|command| agent.may_use(*command, who));
    lines.extend(theirs.map(|command| command.help(language)));
    for command in agent
        .commands
        .iter()
        .filter(|command| command.role() <= who.role)
    {
        let usage = [command.name(), command.arguments()].join(" ");
        lines.push(format!("/{}: {}", usage.trim(), command.help()));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_a_name_behind_a_slash() {
        assert_eq!(parse("/help"), Some(("help", "")));
        assert_eq!(parse(" /points  ana 3 "), Some(("points", "ana 3")));
        for text in ["help", "/", "/ help", "and /help", "//x", "/a/b"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn arguments_fit_their_places_or_are_refused() {
        let given = |usage, rest| split(usage, rest).map(|words| words.join("|"));
        assert_eq!(given("", ""), Some(String::new()));
        assert_eq!(given("", "x"), None);
        assert_eq!(given("<name> [n]", "ana 3"), Some("ana|3".into()));
        assert_eq!(given("<name> [n]", "ana"), Some("ana".into()));
        assert_eq!(given("<name> [n]", ""), None);
        assert_eq!(given("<name> [n]", "ana 3 4"), None);
        assert_eq!(
            given("<name> [why…]", "ana so it is"),
            Some("ana|so it is".into())
        );
    }
}
