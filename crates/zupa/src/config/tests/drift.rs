//! Holds the table of keys, the structs, the schema and the docs together.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::keys::{Fallback, Kind, TABLE};
use super::super::*;
use super::file;

/// The defaults, with one element in each list and in each table with free names.
fn filled() -> Config {
    let mut config = Config {
        http_tools: vec![HttpTool::default()],
        mcp: vec![Mcp::default()],
        ..Config::default()
    };
    config.model.fallback = vec![FallbackModel::default()];
    config.agent.operators = vec![Operator::default()];
    let tool = RetriedPolicy::default();
    config.policy.tools.insert("*".to_owned(), tool);
    config
}

/// Every leaf of the structs by path as in the table. A table whose names are free
/// is one.
fn leaves(tree: &Value, path: &str, found: &mut BTreeMap<String, Value>) {
    let is_key = TABLE.iter().any(|key| key.path == path);
    match tree {
        Value::Object(map) if !is_key => {
            for (name, value) in map {
                let dot = if path.is_empty() { "" } else { "." };
                leaves(value, &format!("{path}{dot}{name}"), found);
            }
        }
        Value::Array(elements) if elements.iter().any(Value::is_object) => {
            found.insert(path.to_owned(), tree.clone());
            for element in elements {
                leaves(element, &format!("{path}[]"), found);
            }
        }
        leaf => {
            found.insert(path.to_owned(), leaf.clone());
        }
    }
}

#[test]
fn the_table_and_the_structs_have_the_same_keys_and_defaults() {
    let mut structs = BTreeMap::new();
    leaves(&serde_json::to_value(filled()).unwrap(), "", &mut structs);
    let table: Vec<_> = TABLE.iter().map(|key| key.path.to_owned()).collect();
    let mut sorted = table.clone();
    sorted.sort();
    assert_eq!(sorted, structs.keys().cloned().collect::<Vec<_>>());
    for key in TABLE {
        let default = schema::default(key).unwrap_or_default();
        let is_filled = matches!(
            key.path,
            "channel" | "http_tool" | "mcp" | "model.fallback" | "agent.operator"
        );
        let is_elsewhere = matches!(key.default, Fallback::Required | Fallback::As(_));
        if !is_elsewhere && !is_filled {
            assert_eq!(structs[key.path], default, "{}", key.path);
        }
    }
}

#[test]
fn the_default_channel_of_the_table_is_that_of_the_structs() {
    let key = TABLE.iter().find(|key| key.path == "channel").unwrap();
    let channels = schema::default(key).unwrap();
    let channels: Vec<Channel> = serde_json::from_value(channels).unwrap();
    assert_eq!(
        serde_json::to_value(channels).unwrap(),
        serde_json::to_value(Config::default().channels).unwrap()
    );
}

#[test]
fn the_table_and_the_enums_have_the_same_words() {
    for key in TABLE {
        let Kind::Choice(words) = key.kind else {
            continue;
        };
        let refusal = |word: &str| {
            let mut tree = serde_json::to_value(filled()).unwrap();
            let pointer = format!("/{}", key.path.replace("[]", ".0").replace('.', "/"));
            *tree.pointer_mut(&pointer).unwrap() = word.into();
            serde_json::from_value::<Config>(tree)
                .err()
                .map(|error| error.to_string())
        };
        for word in words {
            assert_eq!(refusal(word), None, "{}", key.path);
        }
        // Serde lists the words it knows: "unknown variant `?`, expected …".
        let refused = refusal("?").unwrap();
        assert_eq!(
            refused.matches('`').count(),
            2 * (words.len() + 1),
            "{}: {refused}",
            key.path
        );
    }
}

#[test]
fn the_ends_of_every_range_fit_the_structs() {
    for key in TABLE {
        let ends = match key.kind {
            Kind::Integer(min, max) => [min.to_string(), max.to_string()],
            Kind::Number(min, max) => [format!("{min:?}"), format!("{max:?}")],
            _ => continue,
        };
        for end in ends {
            // Rules between keys may refuse an end, the struct may not.
            let text = match key.path.split_once("[].") {
                Some((list, name)) => format!("[[{list}]]\n{name} = {end}"),
                None => format!("{} = {end}", key.path.replace('*', "order")),
            };
            let problems = file(&text).err().unwrap_or_default();
            for problem in problems {
                assert!(!problem.what.contains("out of range"), "{problem}");
                assert!(!problem.key.is_empty(), "{text}: {problem}");
            }
        }
    }
}

#[test]
fn every_value_that_is_shown_has_a_row() {
    let rows = filled().rows();
    let shown: Vec<_> = rows
        .iter()
        .map(|row| row.path.replace("[0]", "[]"))
        .collect();
    let table: Vec<_> = TABLE
        .iter()
        .map(|key| key.path)
        .filter(|path| {
            !matches!(
                *path,
                "channel" | "http_tool" | "mcp" | "model.fallback" | "agent.operator"
            )
        })
        .collect();
    assert_eq!(shown, table);
}

#[test]
fn the_schema_holds_every_key_and_closes_every_object() {
    let schema = schema::schema();
    for key in TABLE {
        let pointer = key
            .path
            .split('.')
            .fold(String::new(), |pointer, name| match name {
                "*" => format!("{pointer}/additionalProperties"),
                name => format!("{pointer}/properties/{}", name.replace("[]", "/items")),
            });
        let property = schema.pointer(&pointer);
        assert_eq!(property.unwrap()["description"], key.doc, "{pointer}");
    }
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    assert_eq!(schema["additionalProperties"], false);
    let burst = &schema["properties"]["agent"]["properties"]["burst"];
    assert_eq!(burst["additionalProperties"], false);
    assert_eq!(burst["properties"]["max_count"]["default"], 20);
    let tool = &schema["properties"]["http_tool"]["items"];
    assert_eq!(
        tool["required"],
        serde_json::json!(["name", "description", "method", "url", "effect"])
    );
    let channel = &schema["properties"]["channel"]["items"];
    assert_eq!(channel["required"], serde_json::json!(["id", "kind"]));
    assert_eq!(
        channel["properties"]["kind"]["enum"],
        serde_json::json!(["web-chat", "whatsapp-cloud", "wwebjs-bridge"])
    );
}

#[test]
fn the_documentation_has_one_line_per_key() {
    let text = schema::markdown();
    assert_eq!(text.lines().count(), TABLE.len() + 2);
    let line = "| `store.heartbeat_ms` | 10 to 60000 milliseconds | `2000` | `ZUPA__STORE__HEARTBEAT_MS` | milliseconds between signs of life of a process |";
    assert!(text.lines().any(|found| found == line), "{text}");
}

#[test]
fn the_page_of_the_configuration_is_the_table() {
    let page = include_str!("../../../../../docs/configuration.md");
    let table: Vec<_> = page.lines().filter(|line| line.starts_with('|')).collect();
    let wanted = schema::markdown();
    assert_eq!(table, wanted.lines().collect::<Vec<_>>(), "\n{wanted}");
}

#[test]
fn no_later_key_is_in_the_table() {
    for later in super::super::table::LATER {
        assert!(keys::find(later).is_none(), "{later}");
    }
}
