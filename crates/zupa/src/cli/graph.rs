//! `zupa graph`: the agent's graph as it runs here. The configured store and model
//! are left alone.

use std::sync::Arc;

use zupa_runtime::{Runtime, Script, ScriptedModel};

use super::arguments::Global;
use super::failure::{Code, Failure};
use super::{assemble, check, print, store};

/// Runs `zupa graph`.
pub async fn graph(global: &Global) -> Result<Code, Failure> {
    let config = check::load(global, &[])?;
    let agent = assemble::agent(&config)?;
    // The edges are the same whatever answers and whatever keeps.
    let model = ScriptedModel::new(Script::default())?;
    let opened = store::forgetful(&config).await?;
    let drawn = Runtime::builder(opened.store.clone(), Arc::new(model), agent).mermaid()?;
    print::line(format_args!("{}", drawn.trim_end()));
    Ok(Code::Ok)
}
