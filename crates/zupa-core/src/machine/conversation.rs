//! The machine every conversation goes through.
//!
//! `start` or a message opens it; a message is read (`processing_intent`),
//! an agent works on it, and what the agent left decides: ask whether that was
//! it, listen on, or done. To a confirmation *yes* completes, *no* listens
//! again, and anything else is read as a new message.
//!
//! What goes wrong leads to `fallback`, or to `error` when no agent could be
//! had, three times in a row; the fourth gives up, to a human or to `error` by
//! policy. `escalate` calls a human from everywhere, `hand_back` returns to the
//! agent, and while a human has it, messages change nothing. Silence ends in
//! `idle`, so does `reset`: there are no dead ends, which a test walks. A
//! message while another is being read or worked on is invalid: it waits for
//! the next turn.
//!
//! ```
//! use zupa_core::Timestamp;
//! use zupa_core::machine::conversation::{Answer, ConversationEvent::*, ConversationState, Facts};
//! use zupa_core::machine::ConversationMachine;
//!
//! let machine = ConversationMachine::default();
//! let (mut facts, mut talk) = (Facts::default(), machine.begin(Timestamp(0)));
//! for event in [Start, MessageReceived, IntentRecognized, AgentCompleted] {
//!     let moved = machine.transition(&mut talk, event, &mut facts, Timestamp(1))?;
//!     assert!(moved.timer.is_some()); // keep it, and apply it when it is due
//! }
//! facts.answer = Answer::Yes;
//! machine.transition(&mut talk, MessageReceived, &mut facts, Timestamp(2))?;
//! assert_eq!(talk.state(), ConversationState::Completed);
//! # Ok::<(), zupa_core::Error>(())
//! ```

mod config;
mod facts;
mod words;

pub use config::{Config, GiveUp};
pub use facts::{Answer, Facts, Next};
pub use words::{ConversationEvent, ConversationState};

use ConversationEvent as On;
use ConversationState as In;

use super::builder::Builder;
use super::registry::StateMachineRegistry;

/// The built-in machine. Its facts are stored beside its snapshot, in the same
/// write.
pub type ConversationMachine = StateMachineRegistry<Facts, ConversationEvent>;

impl ConversationMachine {
    /// The machine with these limits and times.
    pub fn new(config: Config) -> Self {
        table(config).unchecked()
    }
}

impl Default for ConversationMachine {
    fn default() -> Self {
        Self::new(Config::default())
    }
}

pub(super) fn table(config: Config) -> Builder<Facts, ConversationEvent> {
    let machine = StateMachineRegistry::builder(In::Idle).states(In::ALL);
    let machine = lifecycle(machine);
    let machine = failures(machine, config);
    let machine = ways_out(machine);
    let machine = actions(machine);
    times(machine, config)
}

/// From a message to its answer.
fn lifecycle(mut machine: Builder<Facts, ConversationEvent>) -> Builder<Facts, ConversationEvent> {
    for resting in [In::Idle, In::Completed, In::Error] {
        machine = machine.on(resting, On::Start, In::AwaitingInput);
    }
    for open in [
        In::Idle,
        In::AwaitingInput,
        In::Fallback,
        In::Completed,
        In::Error,
    ] {
        machine = machine.on(open, On::MessageReceived, In::ProcessingIntent);
    }
    let confirm = In::AwaitingConfirmation;
    machine
        .on(In::ProcessingIntent, On::IntentRecognized, In::AgentActive)
        .on(In::ProcessingIntent, On::AgentSelected, In::AgentActive)
        .on(In::AgentActive, On::AgentSelected, In::AgentActive)
        .on_if(In::AgentActive, On::AgentCompleted, confirm, |facts, _| {
            facts.next == Next::Confirm
        })
        .on_if(
            In::AgentActive,
            On::AgentCompleted,
            In::AwaitingInput,
            |facts, _| facts.next == Next::Listen,
        )
        .on(In::AgentActive, On::AgentCompleted, In::Completed)
        .on_if(confirm, On::MessageReceived, In::Completed, |facts, _| {
            facts.answer == Answer::Yes
        })
        .on_if(
            confirm,
            On::MessageReceived,
            In::AwaitingInput,
            |facts, _| facts.answer == Answer::No,
        )
        .on(confirm, On::MessageReceived, In::ProcessingIntent)
}

/// What counts as a failure, and where one too many leads. The person is asked
/// to try again, save when nobody was there to try: that is `error`.
fn failures(
    mut machine: Builder<Facts, ConversationEvent>,
    config: Config,
) -> Builder<Facts, ConversationEvent> {
    let failures = [
        (In::AwaitingInput, On::Fallback, In::Fallback),
        (In::ProcessingIntent, On::Fallback, In::Fallback),
        (In::ProcessingIntent, On::Timeout, In::Fallback),
        (In::ProcessingIntent, On::AgentFailed, In::Error),
        (In::AgentActive, On::Fallback, In::Fallback),
        (In::AgentActive, On::Timeout, In::Fallback),
        (In::AgentActive, On::AgentFailed, In::Fallback),
        (In::AwaitingConfirmation, On::Fallback, In::Fallback),
        (In::Fallback, On::Fallback, In::Fallback),
        (In::Error, On::Fallback, In::Fallback),
    ];
    for (state, event, target) in failures {
        machine = machine
            .on_if(state, event, target, move |facts, _| {
                facts.failures < config.fallback_limit
            })
            .on(state, event, config.give_up.target());
    }
    machine
}

/// What ends, interrupts or hands over.
fn ways_out(mut machine: Builder<Facts, ConversationEvent>) -> Builder<Facts, ConversationEvent> {
    for state in In::ALL {
        machine = machine.on(state, On::Reset, In::Idle);
        if state != In::NeedsHuman {
            machine = machine.on(state, On::Escalate, In::NeedsHuman);
        }
    }
    for waiting in config::WAITING {
        machine = machine.on(waiting, On::Timeout, In::Idle);
    }
    for under_way in [
        In::AwaitingInput,
        In::ProcessingIntent,
        In::AgentActive,
        In::AwaitingConfirmation,
        In::Fallback,
    ] {
        machine = machine.on(under_way, On::UserCancelled, In::Idle);
    }
    machine
        .on(In::NeedsHuman, On::HandBack, In::AwaitingInput)
        .on(In::NeedsHuman, On::MessageReceived, In::NeedsHuman)
}

/// Keeps the facts true. A stale answer must not confirm the next question.
fn actions(mut machine: Builder<Facts, ConversationEvent>) -> Builder<Facts, ConversationEvent> {
    for well in [
        In::Idle,
        In::AwaitingInput,
        In::AwaitingConfirmation,
        In::Completed,
        In::NeedsHuman,
    ] {
        machine = machine.on_entry(well, |facts, _| facts.failures = 0);
    }
    for badly in [In::Fallback, In::Error] {
        machine = machine.on_entry(badly, |facts, _| {
            facts.failures = facts.failures.saturating_add(1);
        });
    }
    machine
        .on_entry(In::AgentActive, |facts, _| facts.next = Next::default())
        .on_entry(In::AwaitingConfirmation, |facts, _| {
            facts.answer = Answer::default()
        })
}

fn times(
    mut machine: Builder<Facts, ConversationEvent>,
    config: Config,
) -> Builder<Facts, ConversationEvent> {
    for waiting in config::WAITING {
        machine = machine.timeout(waiting, config.wait, On::Timeout);
    }
    for working in [In::ProcessingIntent, In::AgentActive] {
        machine = machine.timeout(working, config.work, On::Timeout);
    }
    machine.history(config.history)
}
