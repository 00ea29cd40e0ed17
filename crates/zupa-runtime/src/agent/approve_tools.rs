//! Node `approve_tools`: calls that a human has to agree to wait for it.
//!
//! The person is asked about calls that need a confirmation, one after the other; then
//! operators about those that need an approval, all at once. What was asked is bound to
//! the arguments by their digest. A spoken answer is heard first, as `resolve_content` does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use zupa_core::{
    Choice, Choices, Claimed, Content, Decision, Digest, Outbound, Timestamp, ToolCall, Wait,
    WaitKind, WaitState,
};

use super::hear::{InWords, in_words};
use super::run_tools::{name_by, name_of};
use super::words::Answer;
use super::{AgentTurn, Parts, Update};
use crate::graph::{Move, Node, Question};
use crate::tools::Known;
use crate::turn::{Cx, Stop};

/// How often an unclear answer is asked about again.
const ASKED_AGAIN: u64 = 2;
/// Between the word of a button and what its question was about.
const MARK: char = ':';
/// How much of that is enough to tell one question from another.
const MARK_CHARS: usize = 16;

pub(super) struct ApproveTools(pub Arc<Parts>);

#[async_trait]
impl Node<AgentTurn> for ApproveTools {
    async fn run(&self, turn: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        let run = cx.run.clone();
        let said = match run.settled().iter().any(is_answered) {
            true => in_words(&self.0, run.inbounds(), cx).await?,
            false => InWords::default(),
        };
        let (mut confirmed, mut approved) = (Vec::new(), Vec::new());
        for wait in cx.settled() {
            match self.settled(turn, wait, &said, run.inbounds()) {
                Settled::Confirmed(call, decision) => confirmed.push((call, decision)),
                Settled::Approved(call, decision) => approved.push((call, decision)),
                Settled::Unclear(subject) => return Ok(self.ask_again(subject, said, cx)),
                Settled::NotOurs => {}
            }
        }
        let (next, asked) = self.next(turn, &confirmed, &approved, cx);
        let decided = Update::Decided {
            confirmed,
            approved,
            asked,
            heard_at: heard_at(cx),
            heard: said.heard,
        };
        Ok(next.with(decided))
    }
}

/// When the person was heard, if it was the person who let the turn go on.
fn heard_at(cx: &Cx) -> Option<Timestamp> {
    let newest = cx.inbounds().last()?;
    let said = !matches!(newest.content, Content::Settled { .. });
    said.then_some(newest.accepted_at)
}

/// True for a question that the person's messages answer.
fn is_answered(wait: &Wait) -> bool {
    let is_over = matches!(wait.state, WaitState::Expired | WaitState::Cancelled);
    wait.opened.kind == WaitKind::Reply && !is_over
}

fn is_in(decisions: &[(String, Decision)], call: &ToolCall) -> Option<bool> {
    let known = decisions.iter().find(|(id, _)| *id == call.id);
    known.map(|(_, decision)| decision.approved)
}

/// What a settled wait says of a call.
enum Settled {
    Confirmed(String, Decision),
    Approved(String, Decision),
    Unclear(Value),
    NotOurs,
}

impl ApproveTools {
    /// Asks the person about the next call that needs it; then operators, about all that
    /// need them and that the person has not turned down.
    fn next(
        &self,
        turn: &AgentTurn,
        confirmed: &[(String, Decision)],
        approved: &[(String, Decision)],
        cx: &Cx,
    ) -> (Move<AgentTurn>, BTreeMap<String, Timestamp>) {
        let now = cx.now();
        let (mut approvals, mut asked) = (Vec::new(), BTreeMap::new());
        for call in &turn.calls {
            let Some(known) = self.0.agent.tools.get(&call.name) else {
                continue;
            };
            // Nobody is asked about what cannot be done.
            let Ok(arguments) = known.schema.read(&call.arguments) else {
                continue;
            };
            if let Some(confirm) = &known.confirm {
                let before = turn
                    .confirmed
                    .get(&call.id)
                    .map(|decision| decision.approved);
                match before.or_else(|| is_in(confirmed, call)) {
                    Some(true) => {}
                    Some(false) => continue,
                    None => {
                        let text = confirm(&arguments);
                        let question = self.confirmation(call, &text);
                        let say = vec![self.asks(text, &digest(call), cx)];
                        // Operators are asked once the person has answered: none of them
                        // has been asked by now.
                        let nobody = BTreeMap::new();
                        return (Move::wait("approve_tools", vec![question], say), nobody);
                    }
                }
            }
            let undecided =
                !turn.approved.contains_key(&call.id) && is_in(approved, call).is_none();
            // An order that is given twice is one, as long as nobody has decided on it.
            let name = name_of(call);
            let waits = turn
                .kept
                .waiting
                .get(&name)
                .is_some_and(|until| *until > now);
            if known.tool.effect().approve && undecided && !waits {
                asked.insert(name, now.plus(self.0.agent.approve_within));
                approvals.push(self.approval(call, known, arguments));
            }
        }
        if approvals.is_empty() {
            return (Move::to("run_tools"), asked);
        }
        let said = &self.0.agent.language.approval_asked;
        let say = (!said.is_empty()).then(|| Outbound::reply(said));
        let say = say.into_iter().collect();
        (Move::wait("approve_tools", approvals, say), asked)
    }

    fn settled(
        &self,
        turn: &AgentTurn,
        wait: &Wait,
        said: &InWords,
        inbounds: &[Claimed],
    ) -> Settled {
        let Ok(subject) = serde_json::from_str::<Value>(&wait.opened.subject) else {
            return Settled::NotOurs;
        };
        let asked_of = subject.get("call").and_then(Value::as_str);
        let call = turn
            .calls
            .iter()
            .find(|call| Some(call.id.as_str()) == asked_of);
        let bound = subject.get("digest").and_then(Value::as_str);
        let Some(call) = call.filter(|call| bound == Some(digest(call).as_str())) else {
            return Settled::NotOurs;
        };
        let by_nobody = |note: &str| Decision {
            by: "nobody".into(),
            approved: false,
            note: note.to_owned(),
        };
        let decision = match (wait.opened.kind, wait.state) {
            (_, WaitState::Expired | WaitState::Cancelled) => by_nobody("nobody answered in time"),
            (WaitKind::Reply, _) => match self.answer(said, inbounds, &digest(call)) {
                Answer::Yes => Decision {
                    by: "person".into(),
                    approved: true,
                    note: String::new(),
                },
                Answer::No => Decision {
                    by: "person".into(),
                    approved: false,
                    note: "the person said no".into(),
                },
                Answer::Unclear(said) => {
                    let again = subject.get("again").and_then(Value::as_u64).unwrap_or(0);
                    if again < ASKED_AGAIN {
                        return Settled::Unclear(subject);
                    }
                    by_nobody(&format!("the person did not say yes or no, but: {said}"))
                }
            },
            (_, _) => match &wait.decision {
                Some(decision) => decision.clone(),
                None => return Settled::NotOurs,
            },
        };
        match wait.opened.kind {
            WaitKind::Reply => Settled::Confirmed(call.id.clone(), decision),
            WaitKind::Decision | WaitKind::Timer => Settled::Approved(call.id.clone(), decision),
        }
    }

    /// What the person's messages mean. A button of an earlier question answers that one,
    /// and so nothing that is asked now.
    fn answer(&self, said: &InWords, inbounds: &[Claimed], digest: &str) -> Answer {
        let lines = || said.lines.iter().map(String::as_str);
        let is_of_another = |inbound: &Claimed| match &inbound.content {
            Content::InteractiveReply { choice, .. } => choice
                .rsplit_once(MARK)
                .is_some_and(|(_, mark)| !mark.is_empty() && !digest.starts_with(mark)),
            _ => false,
        };
        match inbounds.iter().any(is_of_another) {
            true => Answer::Unclear(lines().collect::<Vec<_>>().join("\n")),
            false => self.0.agent.language.answer(lines()),
        }
    }

    fn confirmation(&self, call: &ToolCall, asked: &str) -> Question {
        Question::reply(json!({
            "confirm": call.name,
            "call": call.id,
            "digest": digest(call),
            "asked": asked,
            "again": 0,
        }))
        .within(self.0.agent.confirm_within)
    }

    /// A question to be answered with yes or no: by a touch, where the door has room for it.
    /// Buttons stay on the person's screen, so each is marked with what would be done.
    fn asks(&self, text: String, digest: &str, cx: &Cx) -> Outbound {
        let language = &self.0.agent.language;
        let words = [&language.yes, &language.no].map(|words| words.first());
        let choices = words.into_iter().flatten();
        let choices: Vec<_> = choices
            .map(|word| Choice::new(marked(word, digest), titled(word)))
            .collect();
        let asked = Choices::new(text, choices);
        let door = cx.run.path.doors.capabilities(&cx.address().channel);
        let room = door.and_then(|door| door.choices);
        match room.and_then(|room| room.shape(&asked)) {
            Some(_) if asked.choices.len() == words.len() => Outbound::choices(asked),
            _ => Outbound::reply(asked.text),
        }
    }

    /// Asks the same question once more; as text, if something of the answer was not
    /// understood.
    fn ask_again(&self, mut subject: Value, said: InWords, cx: &Cx) -> Move<AgentTurn> {
        let again = subject.get("again").and_then(Value::as_u64).unwrap_or(0);
        subject["again"] = json!(again + 1);
        let asked = subject
            .get("asked")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let language = &self.0.agent.language;
        let how = match said.unheard {
            true => language.ask_for_text(),
            false => &language.yes_or_no,
        };
        let again = format!("{how}\n{asked}");
        let bound = subject.get("digest").and_then(Value::as_str);
        let asks = self.asks(again, bound.unwrap_or_default(), cx);
        let question = Question::reply(subject).within(self.0.agent.confirm_within);
        let heard = Update::Decided {
            confirmed: Vec::new(),
            approved: Vec::new(),
            asked: BTreeMap::new(),
            heard_at: heard_at(cx),
            heard: said.heard,
        };
        Move::wait("approve_tools", vec![question], vec![asks]).with(heard)
    }

    fn approval(&self, call: &ToolCall, known: &Known, arguments: Value) -> Question {
        let within: Duration = self.0.agent.approve_within;
        Question::decision(json!({
            "approve": call.name,
            "call": call.id,
            "digest": digest(call),
            "class": known.tool.effect().class.as_str(),
            "arguments": arguments,
        }))
        .within(within)
    }
}

/// The id of a button: its word, and the beginning of what the question is bound to.
fn marked(word: &str, digest: &str) -> String {
    format!(
        "{word}{MARK}{}",
        digest.get(..MARK_CHARS).unwrap_or_default()
    )
}

/// A word as it stands on a button.
fn titled(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_uppercase());
    first.into_iter().flatten().chain(letters).collect()
}

/// The call that operators were asked about, by tool and arguments.
pub(super) fn asked_about(wait: &Wait) -> Option<String> {
    let subject: Value = serde_json::from_str(&wait.opened.subject).ok()?;
    let name = subject.get("approve")?.as_str()?;
    Some(name_by(name, subject.get("arguments")?))
}

/// Binds a question to what would be done.
fn digest(call: &ToolCall) -> String {
    Digest::of_json(&(&call.name, &call.arguments)).to_hex()
}
