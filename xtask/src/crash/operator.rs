//! The operator's reads that the harness needs: the accounting, and what became
//! of one message. Read leniently: unknown fields and states are kept, not refused.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, bail};
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::http;
use super::stage::Stage;

const ANSWER: Duration = Duration::from_secs(5);

/// `GET /api/v1/accounting`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounting {
    pub accepted: u64,
    #[serde(default)]
    pub open: BTreeMap<String, u64>,
    #[serde(default)]
    pub ended: BTreeMap<String, u64>,
    #[serde(default)]
    pub purged: u64,
    pub balanced: bool,
}

impl Accounting {
    pub fn still_open(&self) -> u64 {
        self.open.values().sum()
    }

    pub fn all_ended(&self) -> u64 {
        self.ended.values().sum()
    }
}

pub async fn accounting(stage: &Stage) -> anyhow::Result<Accounting> {
    http::get_json(stage.port, "/api/v1/accounting", &token(stage)?, ANSWER).await
}

/// What the server says about an inbound: of several ids the first dead one,
/// else the last one it knows, or nothing.
pub async fn inbound<'a>(
    stage: &Stage,
    ids: impl IntoIterator<Item = &'a str>,
) -> anyhow::Result<Option<Inbound>> {
    let token = token(stage)?;
    let mut known = None;
    for id in ids {
        let path = format!("/api/v1/turns/{id}");
        let answer = http::get(stage.port, &path, Some(&token), ANSWER).await?;
        match answer.status {
            StatusCode::OK => {
                let json: Value = serde_json::from_slice(&answer.body)
                    .with_context(|| format!("{path} is no JSON"))?;
                known = find(&json, id).or(known);
            }
            StatusCode::NOT_FOUND => {}
            _ => bail!("{path} answered {}", answer.excerpt()),
        }
        if known.as_ref().is_some_and(Inbound::dead) {
            break;
        }
    }
    Ok(known)
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbound {
    pub state: String,
    pub reason: String,
}

impl Inbound {
    pub fn dead(&self) -> bool {
        self.state.contains("dead")
    }

    /// The reason may stand beside the state or inside it.
    pub fn crashed(&self) -> bool {
        self.reason.contains("crashed") || self.state.contains("crashed")
    }
}

/// Looks for the object that carries this id and a state.
fn find(json: &Value, id: &str) -> Option<Inbound> {
    match json {
        Value::Object(fields) => {
            let named = [
                "id",
                "event",
                "event_id",
                "inbound",
                "inbound_id",
                "message_id",
            ]
            .iter()
            .any(|name| fields.get(*name).and_then(Value::as_str) == Some(id));
            let spelled = |name: &str| {
                fields
                    .get(name)
                    .filter(|value| !value.is_null())
                    .map(Value::to_string)
            };
            match spelled("state").filter(|_| named) {
                Some(state) => Some(Inbound {
                    state,
                    reason: spelled("reason").unwrap_or_default(),
                }),
                None => fields.values().find_map(|value| find(value, id)),
            }
        }
        Value::Array(values) => values.iter().find_map(|value| find(value, id)),
        _ => None,
    }
}

/// Written anew at each start, so read anew each time.
fn token(stage: &Stage) -> anyhow::Result<String> {
    let path = stage.token();
    let token = fs::read_to_string(&path)
        .with_context(|| format!("there is no token in {}", path.display()))?;
    Ok(token.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_accounting_adds_up_what_it_is_given() -> anyhow::Result<()> {
        let accounting: Accounting = serde_json::from_value(json!({
            "accepted": 12, "open": { "queued": 1, "claimed": 2, "waiting": 0 },
            "ended": { "answered": 8, "silent": 0, "dead": 1 }, "purged": 0, "balanced": true, "more": []
        }))?;
        assert_eq!((accounting.still_open(), accounting.all_ended()), (3, 9));
        Ok(())
    }

    #[test]
    fn the_inbound_is_found_by_its_id_and_not_by_its_turn() {
        let turn = json!({ "turn": { "id": "t1", "state": "committed" }, "inbounds": [
            { "id": "e1", "state": "answered" },
            { "id": "e2", "state": "dead", "reason": "crashed" },
        ]});
        let dead = find(&turn, "e2");
        assert!(dead.is_some_and(|inbound| inbound.dead() && inbound.crashed()));
        assert!(find(&turn, "e1").is_some_and(|inbound| !inbound.dead()));
        assert_eq!(find(&turn, "e3"), None);
    }

    #[test]
    fn a_state_may_carry_its_reason() {
        let inbound = json!({ "event_id": "e1", "state": { "dead": { "reason": "crashed" } } });
        assert!(find(&inbound, "e1").is_some_and(|inbound| inbound.dead() && inbound.crashed()));
    }
}
