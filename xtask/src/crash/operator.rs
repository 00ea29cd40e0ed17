//! The operator's reads that the harness needs: the accounting, and what became
//! of one message. Read leniently: unknown fields and states are kept, not refused.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail};
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::timeout;

use super::http;
use super::place::Place;
use super::server;

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
    #[serde(default)]
    pub deliveries: BTreeMap<String, u64>,
    pub balanced: bool,
}

impl Accounting {
    pub fn still_open(&self) -> u64 {
        self.open.values().sum()
    }

    /// Deliveries that are still to leave, or to be settled.
    pub fn on_their_way(&self) -> u64 {
        let open = ["queued", "sending", "retry", "in_doubt"];
        let open = open.iter().filter_map(|state| self.deliveries.get(*state));
        open.sum()
    }

    pub fn all_ended(&self) -> u64 {
        self.ended.values().sum()
    }
}

pub async fn accounting(place: &Place) -> anyhow::Result<Accounting> {
    http::get_json(place.door, "/api/v1/accounting", &place.token()?, ANSWER).await
}

/// What the server says about an inbound: of several ids the first dead one,
/// else the last one it knows, or nothing.
pub async fn inbound<'a>(
    place: &Place,
    ids: impl IntoIterator<Item = &'a str>,
) -> anyhow::Result<Option<Inbound>> {
    let token = place.token()?;
    let mut known = None;
    for id in ids {
        let path = format!("/api/v1/turns/{id}");
        let answer = http::get(place.door, &path, Some(&token), ANSWER).await?;
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

/// Writes that the store refused because their claim was lost, by all processes
/// that it remembers: `zupa db status --json`. Nothing when it does not tell.
pub async fn stale_writes(place: &Place) -> Option<u64> {
    let asked = server::program(place)
        .args(["db", "status", "--json", "--config"])
        .arg(place.config())
        .current_dir(&place.dir)
        .env("ZUPA_CRASH_KEY", "crash-harness")
        .output();
    let answer = timeout(ANSWER, asked).await.ok()?.ok()?;
    stale_in(&serde_json::from_slice(&answer.stdout).ok()?)
}

fn stale_in(status: &Value) -> Option<u64> {
    let processes = status.pointer("/store/processes")?.as_array()?;
    Some(
        processes
            .iter()
            .filter_map(|process| process.get("stale")?.as_u64())
            .sum(),
    )
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
    fn stale_writes_are_added_up_where_they_are_told() {
        let processes = json!([{ "stale": 2 }, { "stale": 3 }, {}]);
        let status = json!({ "store": { "processes": processes } });
        assert_eq!(stale_in(&status), Some(5));
        assert_eq!(stale_in(&json!({ "schema": 1 })), None);
    }

    #[test]
    fn a_state_may_carry_its_reason() {
        let inbound = json!({ "event_id": "e1", "state": { "dead": { "reason": "crashed" } } });
        assert!(find(&inbound, "e1").is_some_and(|inbound| inbound.dead() && inbound.crashed()));
    }
}
