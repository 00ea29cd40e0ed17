//! Reads a layer that is one text for one key: a variable or a flag.

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeArray, DeValue};

use super::keys::{self, Kind, Node, TABLE};
use super::place::At;
use super::problem::Flaw;
use super::read::{Reader, section_flaw};
use super::table::FILE_ONLY;
use super::{suggest, value};

impl Reader<'_> {
    /// Reads the text for a path; `spell` writes a path the way the layer does.
    pub(super) fn text(
        &mut self,
        path: &str,
        text: &str,
        spell: fn(&str) -> String,
        tree: &mut Map<String, Value>,
    ) {
        let at = At::plain(path);
        if let Some(list) = list_around(path) {
            return self.flaw(&at, 0..0, whole_list_flaw(&spell(list), list));
        }
        let key = match keys::find(&at.pattern) {
            Some(Node::Key(key)) => key,
            Some(Node::Section) => {
                let names = keys::children(&at.pattern).into_iter();
                let names: Vec<_> = names
                    .map(|child| spell(&format!("{path}.{child}")))
                    .collect();
                return self.flaw(
                    &at,
                    0..0,
                    section_flaw(&format!("known: {}", names.join(", "))),
                );
            }
            None => {
                let outside_lists = |path: &str| spell(path.split("[]").next().unwrap_or(path));
                return self.flaw(&at, 0..0, suggest::unknown(&at.pattern, outside_lists));
            }
        };
        if let Some((section, name)) = own_name(path)
            && !self.own_name(&At::plain(section), name, 0..0)
        {
            return;
        }
        if let Some(value) = self.value(key, &at, &parse(key.kind, text)) {
            insert(tree, path, value);
        }
    }
}

// Numbers and lists are written as in TOML, lists of texts also with commas between, and
// texts without quotes: shells and unit files have quotes of their own.
fn parse(kind: Kind, text: &str) -> Spanned<DeValue<'_>> {
    let spanned = |value| Spanned::new(0..0, value);
    let as_toml = || DeValue::parse(text.trim()).ok();
    let parsed = match kind {
        Kind::Integer(..) | Kind::Number(..) | Kind::Switch | Kind::Tables | Kind::Jitter => {
            as_toml()
        }
        Kind::Hosts | Kind::Texts(_) => Some(
            as_toml()
                .filter(|value| value.get_ref().is_array())
                .unwrap_or_else(|| {
                    let mut texts = DeArray::new();
                    for text in text
                        .split(',')
                        .map(str::trim)
                        .filter(|text| !text.is_empty())
                    {
                        texts.push(spanned(DeValue::String(text.into())));
                    }
                    spanned(DeValue::Array(texts))
                }),
        ),
        _ => None,
    };
    parsed.unwrap_or_else(|| spanned(DeValue::String(text.into())))
}

fn insert(tree: &mut Map<String, Value>, path: &str, value: Value) {
    let Some((section, rest)) = path.split_once('.') else {
        tree.insert(path.to_owned(), value);
        return;
    };
    let slot = tree.entry(section).or_insert_with(|| Map::new().into());
    if let Value::Object(slot) = slot {
        insert(slot, rest, value);
    }
}

/// The table with a name of the user's own that a path leads into, and that name.
fn own_name(path: &str) -> Option<(&str, &str)> {
    let (section, _) = path
        .match_indices('.')
        .map(|(at, _)| path.split_at(at))
        .find(|(section, _)| keys::pattern(section).ends_with(".*"))?;
    section.rsplit_once('.').map(|(_, name)| (section, name))
}

/// The list of tables that a path leads into, or that only the file can set.
fn list_around(path: &str) -> Option<&'static str> {
    let lists = TABLE.iter().filter(|key| matches!(key.kind, Kind::Tables));
    lists.map(|key| key.path).find(|list| {
        path.strip_prefix(list).is_some_and(|rest| {
            rest.starts_with(['.', '[']) || rest.is_empty() && FILE_ONLY.contains(list)
        })
    })
}

fn whole_list_flaw(name: &str, list: &str) -> Flaw {
    if FILE_ONLY.contains(&list) {
        return Flaw::new(
            "only the file can set it",
            "it names programs to start and servers to trust",
            format!("write `[[{list}]]` in zupa.toml"),
        );
    }
    Flaw::new(
        "unknown key",
        "outside the file a list of tables is set as a whole",
        format!("`{name}={}`", value::tables(list)),
    )
}
