//! What a server lists, checked: nothing goes to the model that is too large,
//! cannot be validated, or is not what was pinned.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rmcp::model::Tool;
use serde_json::{Map, Value};
use zupa_core::{Digest, Effect, Error, ErrorKind, Result, ToolSpec};

use crate::config::McpConfig;
use crate::schema::Schema;
use crate::{effect, name};

/// The longest description of a tool.
const MAX_DESCRIPTION_BYTES: usize = 8 << 10;
/// The longest schema of a tool's arguments.
const MAX_SCHEMA_BYTES: usize = 64 << 10;

/// The tools of a server as of one listing.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    offered: Vec<Arc<Definition>>,
    refused: BTreeMap<String, Error>,
}

/// One tool that may be offered.
#[derive(Debug)]
pub(crate) struct Definition {
    /// The server's name for it.
    pub(crate) tool: String,
    pub(crate) spec: ToolSpec,
    pub(crate) effect: Effect,
    pub(crate) digest: Digest,
    pub(crate) schema: Schema,
}

impl Catalogue {
    /// Checks a listing.
    ///
    /// *Errors*: [`ErrorKind::Invalid`] if two tools end up with one name. What
    /// is wrong with a single tool is kept and does not stop the others.
    pub(crate) fn of(config: &McpConfig, listed: Vec<Tool>) -> Result<Self> {
        let mut catalogue = Self::default();
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        let mut unseen = named(config);
        for tool in listed {
            let key = tool.name.to_string();
            unseen.remove(&key);
            if !config
                .allow
                .as_ref()
                .is_none_or(|allow| allow.contains(&key))
            {
                continue;
            }
            match Definition::of(config, tool) {
                Ok(definition) => {
                    let taken = names.insert(definition.spec.name.clone(), key.clone());
                    if let Some(other) = taken {
                        return Err(collision(config, &definition.spec.name, [&other, &key]));
                    }
                    catalogue.offered.push(Arc::new(definition));
                }
                Err(error) => {
                    catalogue.refused.insert(key, error);
                }
            }
        }
        for tool in unseen {
            let error = Error::new(
                ErrorKind::NotFound,
                "the configuration names a tool that the mcp server does not list",
            );
            let error = about(error, config, &tool);
            catalogue.refused.insert(tool, error);
        }
        Ok(catalogue)
    }

    pub(crate) fn offered(&self) -> &[Arc<Definition>] {
        &self.offered
    }

    pub(crate) fn refused(&self) -> impl Iterator<Item = &Error> {
        self.refused.values()
    }

    /// What a tool has become, by the server's name.
    pub(crate) fn find(&self, tool: &str) -> Option<Result<&Arc<Definition>>> {
        let offered = self.offered.iter().find(|known| known.tool == tool);
        let refused = || self.refused.get(tool).map(|error| Err(error.clone()));
        offered.map(Ok).or_else(refused)
    }
}

impl Definition {
    fn of(config: &McpConfig, tool: Tool) -> Result<Self> {
        let key = tool.name.to_string();
        let refuse = |kind, message| about(Error::new(kind, message), config, &key);
        let description = tool.description.unwrap_or_default().into_owned();
        let parameters = Value::Object(Arc::unwrap_or_clone(tool.input_schema));
        if description.len() > MAX_DESCRIPTION_BYTES {
            return Err(
                refuse(ErrorKind::Full, "the tool's description is too long")
                    .with("limit", MAX_DESCRIPTION_BYTES),
            );
        }
        if parameters.to_string().len() > MAX_SCHEMA_BYTES {
            return Err(refuse(ErrorKind::Full, "the tool's schema is too long")
                .with("limit", MAX_SCHEMA_BYTES));
        }
        let hinted = effect::of(tool.annotations.as_ref(), config.annotations);
        let digest = digest(&key, &description, &parameters, hinted);
        let pin = config.pins.get(&key);
        if pin.is_some_and(|pin| Digest::from_hex(pin) != Some(digest)) {
            return Err(refuse(
                ErrorKind::Conflict,
                "the tool is not what was pinned: its description, its schema or its trusted \
                 annotations have changed",
            )
            .with("digest", digest.to_hex()));
        }
        let spec = ToolSpec {
            name: name::fit(&config.name, &key),
            description,
            parameters,
        };
        spec.check().map_err(|error| about(error, config, &key))?;
        // The reason would quote the server's schema, so it is left out.
        let schema = Schema::compile(&spec.parameters).map_err(|_reason| {
            refuse(
                ErrorKind::Invalid,
                "the tool's schema is none, or refers to something outside itself",
            )
        })?;
        let given = config.effects.get(&key).copied();
        Ok(Self {
            tool: key,
            spec,
            effect: given.unwrap_or(hinted),
            digest,
            schema,
        })
    }
}

/// Of name, description and schema, and of what trusted annotations make of the tool; the
/// order of members does not count. Annotations that make nothing of it are as none, so
/// that its pin does not depend on whether they are trusted.
fn digest(tool: &str, description: &str, parameters: &Value, hinted: Effect) -> Digest {
    let parameters = sorted(parameters);
    if hinted == effect::CAREFUL {
        return Digest::of_json(&(tool, description, parameters));
    }
    let Effect { class, approve } = hinted;
    Digest::of_json(&(tool, description, parameters, class.as_str(), approve))
}

/// serde_json keeps members sorted only as long as no crate of the build
/// switches on its `preserve_order`, and pins must outlive that.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members: BTreeMap<_, _> = members.iter().collect();
            let pairs = members
                .into_iter()
                .map(|(name, value)| (name.clone(), sorted(value)));
            Value::Object(pairs.collect::<Map<_, _>>())
        }
        Value::Array(values) => values.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

/// Every tool that the configuration speaks of.
fn named(config: &McpConfig) -> BTreeSet<String> {
    let allowed = config.allow.iter().flatten();
    allowed
        .chain(config.pins.keys())
        .chain(config.effects.keys())
        .cloned()
        .collect()
}

fn collision(config: &McpConfig, name: &str, tools: [&String; 2]) -> Error {
    let tools = tools.map(|tool| name::shown(tool)).join(" and ");
    Error::invalid("two tools of an mcp server have the same name")
        .with("server", &config.name)
        .with("name", name)
        .with("tools", tools)
}

pub(crate) fn about(error: Error, config: &McpConfig, tool: &str) -> Error {
    error
        .with("server", &config.name)
        .with("tool", name::shown(tool))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tool(name: &str, description: &str, schema: Value) -> Tool {
        serde_json::from_value(
            json!({ "name": name, "description": description, "inputSchema": schema }),
        )
        .unwrap()
    }

    fn plain(name: &str) -> Tool {
        tool(name, "does it", json!({ "type": "object" }))
    }

    fn config() -> McpConfig {
        McpConfig {
            name: "s".into(),
            ..McpConfig::default()
        }
    }

    fn names(catalogue: &Catalogue) -> Vec<&str> {
        let offered = catalogue.offered().iter();
        offered.map(|known| known.spec.name.as_str()).collect()
    }

    #[test]
    fn one_bad_tool_does_not_stop_the_others() {
        let object = json!({ "type": "object" });
        let bad_type = json!({ "type": "object", "properties": { "a": { "type": "nonsense" } } });
        let outside = json!({ "type": "object", "$ref": "http://127.0.0.1:1/" });
        let large = json!({ "type": "object", "title": "x".repeat(MAX_SCHEMA_BYTES) });
        let listed = vec![
            plain("good"),
            tool("wordy", &"x".repeat(MAX_DESCRIPTION_BYTES + 1), object),
            tool("large", "", large),
            tool("text", "", json!({ "type": "string" })),
            tool("bad", "", bad_type),
            tool("outside", "", outside),
        ];
        let catalogue = Catalogue::of(&config(), listed).unwrap();
        assert_eq!(names(&catalogue), ["s_good"]);
        let refused: Vec<_> = catalogue.refused().map(Error::to_string).collect();
        for name in ["wordy", "large", "text", "bad", "outside"] {
            let tool = format!("tool: {name}");
            assert!(
                refused.iter().any(|line| line.contains(&tool)),
                "{refused:?}"
            );
            assert!(catalogue.find(name).unwrap().is_err());
        }
        assert!(catalogue.find("unheard").is_none());
    }

    #[test]
    fn a_changed_tool_is_not_offered_when_pinned() {
        let before = Catalogue::of(&config(), vec![plain("a"), plain("b")]).unwrap();
        let pins = before.offered().iter();
        let pins = pins.map(|known| (known.tool.clone(), known.digest.to_hex()));
        let pinned = McpConfig {
            pins: pins.collect(),
            ..config()
        };
        let same = Catalogue::of(&pinned, vec![plain("a"), plain("b")]).unwrap();
        assert_eq!(names(&same), ["s_a", "s_b"]);
        let poisoned = tool("b", "does it, and more", json!({ "type": "object" }));
        let changed = Catalogue::of(&pinned, vec![plain("a"), poisoned]).unwrap();
        assert_eq!(names(&changed), ["s_a"]);
        let error = changed.find("b").unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("tool: b"), "{error}");
    }

    #[test]
    fn a_digest_does_not_depend_on_the_order_of_members() {
        let one: Value = serde_json::from_str(r#"{"a":1,"b":[{"c":2,"d":3}]}"#).unwrap();
        let other: Value = serde_json::from_str(r#"{"b":[{"d":3,"c":2}],"a":1}"#).unwrap();
        let digest = |description, schema| digest("t", description, schema, effect::CAREFUL);
        assert_eq!(digest("", &one), digest("", &other));
        assert_ne!(digest("", &one), digest("x", &one));
    }

    #[test]
    fn a_digest_is_also_of_what_trusted_annotations_make_of_a_tool() {
        let hinted = |effect| digest("t", "", &json!({}), effect);
        let digests = [
            effect::CAREFUL,
            Effect::IDEMPOTENT.approved(),
            Effect::IDEMPOTENT,
            Effect::PURE,
        ]
        .map(hinted);
        let different: BTreeSet<_> = digests.iter().map(Digest::to_hex).collect();
        assert_eq!(different.len(), digests.len());
        // What pins have always been of, where annotations make nothing of a tool.
        let plain = Digest::of_json(&("t", "", json!({})));
        assert_eq!(hinted(effect::CAREFUL), plain);
    }

    #[test]
    fn two_tools_with_one_name_are_an_error() {
        let error = Catalogue::of(&config(), vec![plain("a b"), plain("a/b")]).unwrap_err();
        assert!(error.to_string().contains("s_a_b"), "{error}");
    }

    #[test]
    fn only_allowed_tools_are_offered_and_missing_ones_are_named() {
        let config = McpConfig {
            allow: Some(BTreeSet::from(["a".into(), "gone".into()])),
            effects: BTreeMap::from([("a".into(), Effect::PURE)]),
            ..config()
        };
        let catalogue = Catalogue::of(&config, vec![plain("a"), plain("b")]).unwrap();
        assert_eq!(names(&catalogue), ["s_a"]);
        assert_eq!(catalogue.offered()[0].effect, Effect::PURE);
        let missing = catalogue.find("gone").unwrap().unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert!(catalogue.find("b").is_none());
    }
}
