//! Reads a layer that is one text for one key: a variable or a flag.

use serde_json::{Map, Value};
use toml::Spanned;
use toml::de::{DeArray, DeValue};

use super::keys::{self, Kind, Node};
use super::place::At;
use super::problem::Flaw;
use super::read::{Reader, section_flaw};
use super::suggest;

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
        let in_channel = path.starts_with("channel.") || path.starts_with("channel[");
        let key = match keys::find(path) {
            _ if in_channel => return self.flaw(&at, 0..0, whole_list_flaw(&spell("channel"))),
            Some(Node::Key(key)) => key,
            Some(Node::Section) => {
                let names = keys::children(path).into_iter();
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
                return self.flaw(&at, 0..0, suggest::unknown(path, outside_lists));
            }
        };
        if let Some(value) = self.value(key, &at, &parse(key.kind, text)) {
            insert(tree, path, value);
        }
    }
}

// Numbers and lists are written as in TOML, hosts also with commas between, and
// texts without quotes: shells and unit files have quotes of their own.
fn parse(kind: Kind, text: &str) -> Spanned<DeValue<'_>> {
    let spanned = |value| Spanned::new(0..0, value);
    let as_toml = || DeValue::parse(text.trim()).ok();
    let parsed = match kind {
        Kind::Integer(..) | Kind::Number(..) | Kind::Switch | Kind::Tables => as_toml(),
        Kind::Hosts => Some(
            as_toml()
                .filter(|value| value.get_ref().is_array())
                .unwrap_or_else(|| {
                    let mut hosts = DeArray::new();
                    for host in text
                        .split(',')
                        .map(str::trim)
                        .filter(|host| !host.is_empty())
                    {
                        hosts.push(spanned(DeValue::String(host.into())));
                    }
                    spanned(DeValue::Array(hosts))
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

fn whole_list_flaw(name: &str) -> Flaw {
    Flaw::new(
        "unknown key",
        "outside the file a list of tables is set as a whole",
        format!("`{name}=[{{ id = \"main\", kind = \"web-chat\" }}]`"),
    )
}
