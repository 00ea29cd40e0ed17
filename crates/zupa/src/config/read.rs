//! Reads one layer against the table of keys. What is sound goes into the tree,
//! what is not becomes a problem with its place.

use std::ops::Range;

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::keys::{self, Fallback, Key, Kind, Node, TABLE};
use super::load::Notes;
use super::place::{At, Place};
use super::problem::Flaw;
use super::{secret, suggest, url, value};

/// Reads one layer and notes where each value stands.
pub(super) struct Reader<'a> {
    pub place: Place<'a>,
    pub notes: &'a mut Notes,
}

impl Reader<'_> {
    /// Reads a table and those in it.
    pub(super) fn table(&mut self, table: &DeTable<'_>, at: &At, tree: &mut Map<String, Value>) {
        for (name, value) in table {
            let here = at.child(name.get_ref());
            match (keys::find(&here.pattern), value.get_ref()) {
                (Some(Node::Key(key)), _) => {
                    if let Some(value) = self.value(key, &here, value) {
                        tree.insert(name.get_ref().to_string(), value);
                    }
                }
                (Some(Node::Section), DeValue::Table(inner)) => {
                    let has_own_name = keys::has_own_names(&at.pattern);
                    if has_own_name && !self.own_name(&here, name.get_ref(), name.span()) {
                        continue;
                    }
                    let slot = tree.entry(name.get_ref().to_string());
                    if let Value::Object(slot) = slot.or_insert_with(|| Map::new().into()) {
                        self.table(inner, &here, slot);
                    }
                }
                (Some(Node::Section), _) => {
                    let known = keys::children(&here.pattern).join(", ");
                    let fix = format!("write `[{}]` and below it: {known}", here.shown);
                    self.flaw(&here, value.span(), section_flaw(&fix));
                }
                (None, _) => {
                    let flaw = suggest::unknown(&here.pattern, spell);
                    self.flaw(&here, name.span(), flaw);
                }
            }
        }
    }

    /// Notes where a table stands that the user has named; false if the name is none.
    pub(super) fn own_name(&mut self, at: &At, name: &str, span: Range<usize>) -> bool {
        let checked = value::tool_name(64, name);
        let is_name = checked.is_ok();
        match checked {
            Ok(()) => {
                let place = self.place.of(span);
                self.notes.origins.insert(at.shown.clone(), place);
            }
            Err(flaw) => self.flaw(at, span, flaw),
        }
        is_name
    }

    /// Reads the value of a key, if it is sound.
    pub(super) fn value(
        &mut self,
        key: &Key,
        at: &At,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<Value> {
        let before = self.notes.problems.len();
        let read = match (key.kind, value.get_ref()) {
            (Kind::Tables, DeValue::Array(array)) => self.tables(key, at, array),
            (Kind::Tables, DeValue::Table(_)) => {
                let mut flaw = value::wrong_type(key, "a list of tables", value.get_ref());
                flaw.fix = format!("write `[[{}]]` with two brackets", at.shown);
                self.flaw(at, value.span(), flaw);
                Value::Null
            }
            (Kind::Hosts, DeValue::Array(array)) => self.list(key, at, array, is_host),
            (Kind::Texts(max), DeValue::Array(array)) => {
                self.list(key, at, array, |text| value::length(max, text))
            }
            (Kind::Secrets, DeValue::Array(array)) => self.list(key, at, array, value::secret),
            (Kind::TextTable(max), DeValue::Table(table)) => {
                self.texts(key, at, table, |text| value::length(max, text))
            }
            (Kind::ChoiceTable(words), DeValue::Table(table)) => {
                self.texts(key, at, table, |text| value::choice(key, words, text))
            }
            (Kind::SecretTable, DeValue::Table(table)) => {
                self.texts(key, at, table, |text| value::secret(secret::split(text).1))
            }
            (_, found) => value::check(key, found).unwrap_or_else(|flaw| {
                self.flaw(at, value.span(), flaw);
                Value::Null
            }),
        };
        if self.notes.problems.len() > before {
            return None;
        }
        self.notes
            .origins
            .insert(at.shown.clone(), self.place.of(value.span()));
        Some(read)
    }

    fn tables(&mut self, key: &Key, at: &At, array: &DeArray<'_>) -> Value {
        let inside = format!("{}[", at.shown);
        self.notes
            .origins
            .retain(|path, _| !path.starts_with(&inside));
        let mut read = Vec::new();
        for (index, element) in array.iter().enumerate() {
            let here = at.element(index);
            let mut tree = Map::new();
            let DeValue::Table(table) = element.get_ref() else {
                let flaw = value::wrong_type(key, "a table", element.get_ref());
                self.flaw(&here, element.span(), flaw);
                continue;
            };
            self.table(table, &here, &mut tree);
            for key in TABLE
                .iter()
                .filter(|key| matches!(key.default, Fallback::Required))
            {
                let Some(name) = key.path.strip_prefix(&format!("{}.", here.pattern)) else {
                    continue;
                };
                if !table.contains_key(name) {
                    let fix = format!("set it: {}", key.doc);
                    let flaw = Flaw::new("missing", "it has no default", fix);
                    self.flaw(&here.child(name), element.span(), flaw);
                }
            }
            read.push(Value::Object(tree));
        }
        Value::Array(read)
    }

    fn list(
        &mut self,
        key: &Key,
        at: &At,
        array: &DeArray<'_>,
        check: impl Fn(&str) -> Result<(), Flaw>,
    ) -> Value {
        let mut read = Vec::new();
        for (index, element) in array.iter().enumerate() {
            let checked = match element.get_ref() {
                DeValue::String(text) => check(text).map(|()| text.as_ref().into()),
                other => Err(value::wrong_type(key, "a text", other)),
            };
            match checked {
                Ok(text) => read.push(text),
                Err(flaw) => self.flaw(&at.element(index), element.span(), flaw),
            }
        }
        Value::Array(read)
    }

    fn texts(
        &mut self,
        key: &Key,
        at: &At,
        table: &DeTable<'_>,
        check: impl Fn(&str) -> Result<(), Flaw>,
    ) -> Value {
        let mut read = Map::new();
        for (name, value) in table {
            let checked = match value.get_ref() {
                DeValue::String(text) => check(text).map(|()| text.as_ref().into()),
                other => Err(value::wrong_type(key, "a text", other)),
            };
            match checked {
                Ok(text) => {
                    read.insert(name.get_ref().to_string(), text);
                }
                Err(flaw) => self.flaw(&at.child(name.get_ref()), value.span(), flaw),
            }
        }
        Value::Object(read)
    }

    pub(super) fn flaw(&mut self, at: &At, span: Range<usize>, flaw: Flaw) {
        self.notes
            .problems
            .push(flaw.at(self.place.of(span), at.shown.clone()));
    }
}

pub(super) fn section_flaw(fix: &str) -> Flaw {
    Flaw::new("a section, not a key", "its keys are set one by one", fix)
}

fn is_host(host: &str) -> Result<(), Flaw> {
    if url::is_host(host) {
        return Ok(());
    }
    Err(Flaw::new(
        format!("{} is not a host", value::quoted(host)),
        "it is compared with the Host header: no scheme, path or wildcard",
        "for example `chat.example.com` or `10.0.0.5:7700`",
    ))
}

fn spell(path: &str) -> String {
    match path.split_once("[].") {
        Some((list, name)) => format!("{name}` in `[[{list}]]"),
        None => path.to_owned(),
    }
}
