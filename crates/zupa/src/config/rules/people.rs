//! Administrators and operators, and the commands that they have.

use std::collections::BTreeMap;

use super::super::problem::Flaw;
use super::super::suggest::closest;
use super::Rules;

/// Built-in commands that can be kept for administrators.
const OF_ANYBODY: [&str; 3] = ["help", "reset", "human"];

/// Built-in commands.
const BUILT_IN: [&str; 5] = ["help", "reset", "human", "approve", "reject"];

/// Where somebody may do more than others.
const VOUCHED: &str =
    "bind at a channel that vouches for its aliases; in a web chat everybody names themselves";

/// How aliases of WhatsApp groups end.
const OF_GROUPS: &str = "@g.us";

impl Rules<'_> {
    pub(super) fn admins(&mut self) {
        if self.sound(&["channel", "agent.admins"]) {
            let admins = &self.config.agent.admins;
            self.places("administrator", admins, "agent.admins");
        }
    }

    pub(super) fn operators(&mut self) {
        if !self.sound(&["channel", "agent.operator"]) {
            return;
        }
        let config = self.config;
        let mut names = BTreeMap::new();
        for (index, operator) in config.agent.operators.iter().enumerate() {
            let key = format!("agent.operator[{index}].name");
            if let Some(why) = zupa_core::operator::fault_of_bound(&operator.name) {
                let flaw = Flaw::new(
                    "the operator has no name that can be taken",
                    why,
                    "give another name",
                );
                self.report(&key, flaw);
            } else if names.insert(operator.name.to_lowercase(), ()).is_some() {
                let flaw = Flaw::new(
                    format!("{:?} is the name of another operator", operator.name),
                    "the audit could not tell them apart",
                    "write all that one operator writes from into one `at`",
                );
                self.report(&key, flaw);
            }
            let key = format!("agent.operator[{index}].at");
            if operator.at.is_empty() {
                let flaw = Flaw::new(
                    "the operator names no address",
                    "nobody could decide by this name",
                    "write `channel/alias`, or take the table away",
                );
                self.report(&key, flaw);
            }
            self.places("address", &operator.at, &key);
        }
        let mut bound = BTreeMap::new();
        for (index, operator) in config.agent.operators.iter().enumerate() {
            for at in &operator.at {
                let first = config.channels.first().map(|channel| channel.id.as_str());
                let (channel, alias) = at
                    .split_once('/')
                    .unwrap_or((first.unwrap_or_default(), at));
                if *bound.entry((channel, alias)).or_insert(index) != index {
                    let flaw = Flaw::new(
                        "an address of this operator is bound to another one",
                        "nobody could tell who of them decides",
                        "bind each address to one operator",
                    );
                    self.report(&format!("agent.operator[{index}].at"), flaw);
                }
            }
        }
    }

    // One flaw for each, by its place in the list: an alias may be a phone number.
    fn places(&mut self, who: &str, places: &[String], key: &str) {
        let channels = &self.config.channels;
        for (index, place) in places.iter().enumerate() {
            let number = index + 1;
            let named = place.split_once('/');
            if named
                .map_or(place.as_str(), |(_, alias)| alias)
                .ends_with(OF_GROUPS)
            {
                let flaw = Flaw::new(
                    format!("{who} {number} is a WhatsApp group"),
                    "in a group whoever speaks counts, and never the group",
                    "write the aliases of those who may",
                );
                self.report(key, flaw);
                continue;
            }
            let known = |id| channels.iter().any(|channel| channel.id == id);
            let (what, why) = match named {
                None if channels.len() < 2 => continue,
                None => (
                    format!("{who} {number} names no channel, and there are several"),
                    "the same alias at another of them may be somebody else",
                ),
                Some((id, _)) if !known(id) => (
                    format!("{who} {number} names {id:?}, which is no channel"),
                    "what stands before the first slash is the id of a channel",
                ),
                Some((_, "")) => (
                    format!("{who} {number} has no alias"),
                    "nobody would be one",
                ),
                Some(_) => continue,
            };
            let example = named.filter(|(id, _)| known(id)).map(|(id, _)| id);
            let first = channels.first().map(|channel| channel.id.as_str());
            let example = example.or(first).unwrap_or("main");
            let fix = format!("write `channel/alias`, as in `{example}/` and the alias");
            self.report(key, Flaw::new(what, why, fix));
        }
    }

    pub(super) fn commands(&mut self) {
        let commands = &self.config.agent.commands;
        for (key, given, known) in [
            ("agent.commands.disabled", &commands.disabled, &BUILT_IN[..]),
            (
                "agent.commands.admin_only",
                &commands.admin_only,
                &OF_ANYBODY[..],
            ),
        ] {
            if !self.sound(&[key]) {
                continue;
            }
            for name in given.iter().filter(|name| !known.contains(&name.as_str())) {
                let what = match BUILT_IN.contains(&name.as_str()) {
                    true => format!("{name:?} is for operators alone"),
                    false => format!("{name:?} is no built-in command"),
                };
                let fix = match closest(name, known.iter().copied()) {
                    Some(other) => format!("did you mean `{other}`?"),
                    None => format!("one of `{}`", known.join("`, `")),
                };
                let why = "without its slash a name stands for one command";
                self.report(key, Flaw::new(what, why, fix));
            }
        }
    }

    pub(super) fn open_admins(&mut self) {
        let mut places = self.config.admins();
        if places.all(|(channel, _)| channel.kind.vouches_for_aliases()) {
            return;
        }
        let flaw = Flaw::new(
            "an administrator writes from a channel that does not vouch for its aliases",
            "whoever knows one of them can use the commands of administrators",
            VOUCHED,
        );
        self.report("agent.admins", flaw);
    }

    pub(super) fn open_operators(&mut self) {
        let config = self.config;
        for (index, operator) in config.agent.operators.iter().enumerate() {
            let mut places = operator.at.iter().filter_map(|at| config.place(at));
            if places.all(|(channel, _)| channel.kind.vouches_for_aliases()) {
                continue;
            }
            let flaw = Flaw::new(
                "the operator writes from a channel that does not vouch for its aliases",
                "whoever knows one of them can decide reviews",
                VOUCHED,
            );
            self.report(&format!("agent.operator[{index}].at"), flaw);
        }
    }
}
