//! Defects that were found by reading the engine: each as the test that failed.

mod asked;
mod both_asked;
mod fresh_eyes;
mod given_up;
mod lost_answers;
mod nodes;
mod rounds;
mod side;

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use zupa_core::Tool;

use crate::support::{Act, Setup, World};

const SOUP: Act = Act::Call(&[("order", r#"{"item":"soup"}"#)]);
const YACHT: Act = Act::Call(&[("order", r#"{"item":"yacht"}"#)]);

#[derive(Debug, Deserialize, JsonSchema)]
struct Nothing {}

async fn with(tool: Arc<dyn Tool>) -> World {
    let mut setup = Setup::web();
    setup.agent = setup.agent.tool(tool);
    setup.start().await
}
