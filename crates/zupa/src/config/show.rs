//! What `config show` prints, and the hash that stands in audit entries. Secrets
//! are redacted in both.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::keys::{Kind, TABLE};
use super::{Config, Origin};

/// One value as shown: list elements of `[[channel]]` have a row per key.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its path, as in `store.url` or `channel[0].id`.
    pub path: String,
    /// Its value, redacted; null if unset.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
}

impl Config {
    /// Every value in the order of the table of keys.
    pub fn rows(&self) -> Vec<Row> {
        // A struct of texts, numbers and lists has no way not to be JSON.
        let tree = serde_json::to_value(self).unwrap_or_default();
        let mut rows = Vec::new();
        for key in TABLE {
            if let Some((section, name)) = key.path.split_once(".*.") {
                for (own, element) in at(&tree, section).as_object().into_iter().flatten() {
                    rows.push(self.row(format!("{section}.{own}.{name}"), at(element, name)));
                }
                continue;
            }
            let Some((list, name)) = key.path.split_once("[].") else {
                if !matches!(key.kind, Kind::Tables) {
                    rows.push(self.row(key.path.to_owned(), at(&tree, key.path)));
                }
                continue;
            };
            let elements = at(&tree, list)
                .as_array()
                .map(Vec::as_slice)
                .unwrap_or_default();
            for (index, element) in elements.iter().enumerate() {
                rows.push(self.row(format!("{list}[{index}].{name}"), at(element, name)));
            }
        }
        rows
    }

    /// The object that `config show --json` prints, version 1: the hash, and by
    /// path each value with its source (`default`, `file`, `env`, `flag`) and,
    /// unless that is the default, the place.
    pub fn show(&self) -> Value {
        let mut values = Map::new();
        for row in self.rows() {
            let mut shown = json!({ "value": row.value, "source": row.origin.source() });
            if row.origin != Origin::Default {
                shown["at"] = Value::from(row.origin.to_string());
            }
            values.insert(row.path, shown);
        }
        json!({ "version": 1, "hash": hex::encode(self.hash()), "values": values })
    }

    /// SHA-256 over the redacted values as one JSON object sorted by path.
    ///
    /// The same values give the same hash, whatever layer they came from. A
    /// changed literal secret, or another content behind `prompt_file` or
    /// `script`, does not change it.
    pub fn hash(&self) -> [u8; 32] {
        let values: BTreeMap<_, _> = self
            .rows()
            .into_iter()
            .map(|row| (row.path, row.value))
            .collect();
        Sha256::digest(json!(values).to_string()).into()
    }

    fn row(&self, path: String, value: &Value) -> Row {
        let origin = self.origin(&path).clone();
        Row {
            path,
            value: value.clone(),
            origin,
        }
    }
}

fn at<'a>(tree: &'a Value, path: &str) -> &'a Value {
    path.split('.')
        .fold(tree, |tree, name| tree.get(name).unwrap_or(&Value::Null))
}
