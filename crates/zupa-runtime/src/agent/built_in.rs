//! The commands that every agent has, unless they are taken away.

use std::collections::BTreeSet;

use zupa_core::{Error, Result};

use super::Agent;
use super::command_gate::Role;
use super::roles::Speaker;
use super::words::Language;

/// A command that is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum BuiltIn {
    Help,
    Reset,
    Human,
    Approve,
    Reject,
}

/// Which of them are taken away or kept for administrators.
#[derive(Debug, Clone, Default)]
pub(super) struct Changed {
    without: BTreeSet<BuiltIn>,
    for_admins: BTreeSet<BuiltIn>,
    unknown: Vec<String>,
}

impl BuiltIn {
    pub const ALL: [Self; 5] = [
        Self::Help,
        Self::Reset,
        Self::Human,
        Self::Approve,
        Self::Reject,
    ];

    /// What stands behind the name of those that operators decide with.
    pub const REVIEW: &str = "<id> [note…]";

    pub fn name(self) -> &'static str {
        match self {
            Self::Help => "help",
            Self::Reset => "reset",
            Self::Human => "human",
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|command| command.name() == name)
    }

    /// True for those that only operators have.
    pub fn is_of_operators(self) -> bool {
        matches!(self, Self::Approve | Self::Reject)
    }

    /// Its line in the list of commands.
    pub fn help(self, language: &Language) -> String {
        let help = match self {
            Self::Help => &language.help_of_help,
            Self::Reset => &language.help_of_reset,
            Self::Human => &language.help_of_human,
            Self::Approve => &language.reviews.help_of_approve,
            Self::Reject => &language.reviews.help_of_reject,
        };
        match self.is_of_operators() {
            true => format!("/{} {}: {help}", self.name(), Self::REVIEW),
            false => format!("/{}: {help}", self.name()),
        }
    }
}

impl Changed {
    /// Takes one away.
    pub fn without(&mut self, name: &str) {
        match BuiltIn::parse(name) {
            Some(command) => {
                self.without.insert(command);
            }
            None => self.unknown.push(name.to_owned()),
        }
    }

    /// Keeps one for administrators.
    pub fn for_admins(&mut self, name: &str) {
        match BuiltIn::parse(name).filter(|command| !command.is_of_operators()) {
            Some(command) => {
                self.for_admins.insert(command);
            }
            None => self.unknown.push(name.to_owned()),
        }
    }

    /// *Errors*: [`zupa_core::ErrorKind::Invalid`] for a name that no command has.
    pub fn check(&self) -> Result<()> {
        match self.unknown.first() {
            Some(name) => Err(Error::invalid(
                "no command of this name can be taken away or kept for administrators",
            )
            .with("command", name)),
            None => Ok(()),
        }
    }
}

impl Agent {
    /// The built-in command of this name, if the agent has it.
    pub(super) fn built_in(&self, name: &str) -> Option<BuiltIn> {
        BuiltIn::parse(name).filter(|command| self.has(*command))
    }

    pub(super) fn has(&self, command: BuiltIn) -> bool {
        let is_someones = !command.is_of_operators() || !self.roles.operators_at.is_empty();
        is_someones && !self.changed.without.contains(&command)
    }

    pub(super) fn may_use(&self, command: BuiltIn, who: &Speaker<'_>) -> bool {
        match command.is_of_operators() {
            true => who.operator.is_some(),
            false => who.role == Role::Admin || !self.changed.for_admins.contains(&command),
        }
    }
}
