//! Changes of JSON documents, as JSON merge patches (RFC 7396).

use serde_json::{Map, Value};

/// Applies a change: members are set, and removed where the patch says null.
pub fn merge(document: &mut Value, patch: Value) {
    let Value::Object(changes) = patch else {
        *document = patch;
        return;
    };
    if !document.is_object() {
        *document = Value::Object(Map::new());
    }
    let Value::Object(members) = document else {
        return;
    };
    for (name, change) in changes {
        if change.is_null() {
            members.remove(&name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), change);
        }
    }
}

/// The change that leads from one document to another; none if they are equal.
/// Members that are null cannot be told from those that are missing.
pub fn between(before: &Value, after: &Value) -> Option<Value> {
    if before == after {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        return Some(after.clone());
    };
    let removed = old.keys().filter(|name| !new.contains_key(*name));
    let mut changes: Map<_, _> = removed.map(|name| (name.clone(), Value::Null)).collect();
    for (name, value) in new {
        let change = match old.get(name) {
            Some(known) => between(known, value),
            None => Some(value.clone()),
        };
        if let Some(change) = change {
            changes.insert(name.clone(), change);
        }
    }
    Some(Value::Object(changes))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_change_leads_from_one_to_the_other() {
        let documents = [
            json!(null),
            json!({ "a": 1 }),
            json!({ "a": { "b": [1, 2], "c": 3 } }),
            json!({ "a": { "b": [2] }, "d": "x" }),
            json!([1]),
        ];
        for before in &documents {
            for after in &documents {
                let mut changed = before.clone();
                if let Some(change) = between(before, after) {
                    merge(&mut changed, change);
                }
                assert_eq!(&changed, after);
            }
        }
    }
}
