//! Puts the layers on each other: default, file, environment, flags.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};
use toml::de::DeTable;

use super::keys::{self, VARIABLE_PREFIX};
use super::place::{At, Place};
use super::problem::{Flaw, Origin, Problem};
use super::read::Reader;
use super::{Config, rules, suggest};

/// What a configuration is made of. Later layers win: file, environment, flags.
#[derive(Default)]
pub struct Sources {
    file: Option<(PathBuf, String)>,
    env: Vec<(String, String)>,
    flags: Vec<(String, String)>,
}

impl Sources {
    /// Nothing but defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The text of the file, and the path under which problems name it.
    pub fn file(mut self, path: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        let text = text.into();
        let text = text
            .strip_prefix('\u{feff}')
            .map_or_else(|| text.clone(), str::to_owned);
        self.file = Some((path.into(), text));
        self
    }

    /// The environment; only names that begin with `ZUPA__` are kept.
    ///
    /// Take it from `std::env::vars_os`: `vars` panics where any variable, ours
    /// or not, is not Unicode.
    pub fn env(mut self, pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        self.env.extend(
            pairs
                .into_iter()
                .filter(|(name, _)| name.starts_with(VARIABLE_PREFIX)),
        );
        self
    }

    /// Values by the path of their key, as in `("server.listen", "[::1]:80")`;
    /// of several for one key the last wins.
    pub fn flags(mut self, pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        self.flags.extend(pairs);
        self
    }
}

/// Makes the configuration, or says everything that is wrong, in the order of
/// the layers. Reads no file, environment or clock.
pub fn load(sources: Sources) -> Result<Config, Vec<Problem>> {
    let mut tree = defaults();
    let mut notes = Notes::default();
    let mut readable = true;
    if let Some((path, text)) = &sources.file {
        let (table, errors) = DeTable::parse_recoverable(text);
        let place = Place::file(path, text);
        readable = errors.is_empty();
        if readable {
            Reader {
                place,
                notes: &mut notes,
            }
            .table(table.get_ref(), &At::top(), &mut tree);
        } else {
            notes.problems = syntax(&place, &errors);
        }
    }
    for (name, text) in &sources.env {
        let path = name
            .replacen(VARIABLE_PREFIX, "", 1)
            .replace("__", ".")
            .to_lowercase();
        let place = Place::One(Origin::Env { name: name.clone() });
        let mut reader = Reader {
            place,
            notes: &mut notes,
        };
        if keys::variable(&path) == *name {
            reader.text(&path, text, keys::variable, &mut tree);
        } else {
            reader.flaw(
                &At::plain(&path),
                0..0,
                suggest::unknown(&path, keys::variable),
            );
        }
    }
    for (key, text) in &sources.flags {
        let place = Place::One(Origin::Flag { name: key.clone() });
        Reader {
            place,
            notes: &mut notes,
        }
        .text(key, text, str::to_owned, &mut tree);
    }
    finish(tree, notes, readable)
}

/// What was learnt about the values beside the values.
#[derive(Default)]
pub(super) struct Notes {
    /// By path as shown.
    pub origins: BTreeMap<String, Origin>,
    pub problems: Vec<Problem>,
}

fn finish(
    mut tree: Map<String, Value>,
    mut notes: Notes,
    readable: bool,
) -> Result<Config, Vec<Problem>> {
    inherit(&mut tree, &mut notes.origins);
    match serde_json::from_value::<Config>(Value::Object(tree)) {
        // A file that is no TOML says nothing about the rules between keys.
        Ok(_) if !readable => {}
        Ok(mut config) => {
            config.origins = notes.origins;
            notes
                .problems
                .extend(rules::broken(&config, &notes.problems));
            if notes.problems.is_empty() {
                return Ok(config);
            }
        }
        // Serde's own text may quote a secret, so it stays out of the report.
        Err(_) => notes.problems.push(
            Flaw::new(
                "the checked values do not fit together",
                "the table of keys and the structs differ: this is a bug in zupa",
                "report it with the output of `zupa version`",
            )
            .at(Origin::Default, ""),
        ),
    }
    notes.problems.sort();
    notes.problems.dedup();
    Err(notes.problems)
}

/// What `[policy.tools.NAME]` leaves open is as `[policy.tool]` has it.
fn inherit(tree: &mut Map<String, Value>, origins: &mut BTreeMap<String, Origin>) {
    let Some(Value::Object(policy)) = tree.get_mut("policy") else {
        return;
    };
    let (Some(all), Some(Value::Object(tools))) =
        (policy.get("tool").cloned(), policy.get_mut("tools"))
    else {
        return;
    };
    for (name, tool) in tools {
        let own = std::mem::replace(tool, all.clone());
        lay_over(tool, own);
        let inherited: Vec<_> = origins
            .iter()
            .filter_map(|(path, origin)| Some((path.strip_prefix("policy.tool.")?, origin)))
            .map(|(rest, origin)| (format!("policy.tools.{name}.{rest}"), origin.clone()))
            .collect();
        for (path, origin) in inherited {
            origins.entry(path).or_insert(origin);
        }
    }
}

fn lay_over(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (name, value) in above {
                lay_over(below.entry(name).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}

fn defaults() -> Map<String, Value> {
    match serde_json::to_value(Config::default()) {
        Ok(Value::Object(tree)) => tree,
        _ => Map::new(),
    }
}

// The message only: the error's own text quotes the line, which may hold a secret.
// One per line: what follows on the same line is mostly the parser finding back.
fn syntax(place: &Place<'_>, errors: &[toml::de::Error]) -> Vec<Problem> {
    const MOST: usize = 20;
    let mut by_line = BTreeMap::new();
    for error in errors {
        let origin = place.of(error.span().unwrap_or_default());
        let Origin::File { line, .. } = origin else {
            continue;
        };
        let message = error.message().lines().collect::<Vec<_>>().join(", ");
        let flaw = Flaw::new(
            format!("not TOML: {message}"),
            "nothing of the file can be trusted before it reads as TOML",
            "correct the line; https://toml.io has the syntax",
        );
        by_line.entry(line).or_insert_with(|| flaw.at(origin, ""));
    }
    by_line.into_values().take(MOST).collect()
}
