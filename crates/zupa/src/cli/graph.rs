//! `zupa graph`: the agent's graph as it runs here. No store and no model is opened.

use std::sync::Arc;

use zupa_runtime::{Runtime, ScriptedTranscriber};

use super::arguments::Global;
use super::failure::{Code, Failure};
use super::{assemble, check, print};

/// Runs `zupa graph`.
pub async fn graph(global: &Global) -> Result<Code, Failure> {
    let config = check::load(global, &[])?;
    let mut agent = assemble::agent(&config)?;
    if config.transcriber.provider.is_some() {
        // Who hears may fail to understand, whoever it is.
        agent = agent.hears(Arc::new(ScriptedTranscriber));
    }
    let drawn = Runtime::draw(agent, |graph| graph)?;
    print::line(format_args!("{}", drawn.trim_end()));
    Ok(Code::Ok)
}
