//! The older of two versions of one agent, which serve the same store at once: it counts
//! in `count`, and knows no tone. See `new.rs`.
//!
//! `cargo run --features postgres --example upgrade_old postgres://user@host/database`

mod service;

use std::error::Error;

use serde::{Deserialize, Serialize};
use service::Counts;
use zupa::runtime::State;

#[derive(Clone, Default, Serialize, Deserialize)]
struct Old {
    said: String,
    #[serde(skip)]
    kept: Kept,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Kept {
    count: u32,
}

impl State for Old {
    type Update = String;
    type Kept = Kept;

    fn apply(&mut self, said: String) {
        self.said = said;
        self.kept.count += 1;
    }

    fn kept(&self) -> &Kept {
        &self.kept
    }

    fn attach(&mut self, kept: Kept) {
        self.kept = kept;
    }
}

impl Counts for Old {
    fn words(&self) -> String {
        format!("old: {}, {}", self.said, self.kept.count)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    service::serve::<Old>().await
}
