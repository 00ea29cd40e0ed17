//! The newer of two versions of one agent (`old.rs`): what a conversation keeps has another
//! form, and a turn's state a field more. It goes on with what the older has parked and
//! kept; the older leaves alone what this one has kept.
//!
//! `cargo run --features postgres --example upgrade_new postgres://user@host/database`

mod service;

use std::error::Error;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use service::Counts;
use zupa::runtime::State;

#[derive(Clone, Default, Serialize, Deserialize)]
struct New {
    said: String,
    tone: String,
    #[serde(skip)]
    kept: Kept,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Kept {
    turns: u32,
}

impl State for New {
    const VERSION: u32 = 2;
    type Update = String;
    type Kept = Kept;

    fn apply(&mut self, said: String) {
        (self.said, self.tone) = (said, "firm".to_owned());
        self.kept.turns += 1;
    }

    fn kept(&self) -> &Kept {
        &self.kept
    }

    fn attach(&mut self, kept: Kept) {
        self.kept = kept;
    }

    fn migrate_from(_: u32, mut stored: Value) -> zupa::core::Result<Value> {
        if stored.get("said").is_some() {
            stored["tone"] = json!("kind");
            return Ok(stored);
        }
        Ok(json!({ "turns": stored["count"] }))
    }
}

impl Counts for New {
    fn words(&self) -> String {
        format!("new: {}, {}, {}", self.said, self.tone, self.kept.turns)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    service::serve::<New>().await
}
