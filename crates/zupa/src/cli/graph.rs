//! `zupa graph`: the agent's graph as it runs here. No store and no model is opened.

use zupa_runtime::Runtime;

use super::arguments::Global;
use super::failure::{Code, Failure};
use super::{assemble, check, print};

/// Runs `zupa graph`.
pub async fn graph(global: &Global) -> Result<Code, Failure> {
    let config = check::load(global, &[])?;
    let agent = assemble::agent(&config)?;
    let drawn = Runtime::draw(agent, |graph| graph)?;
    print::line(format_args!("{}", drawn.trim_end()));
    Ok(Code::Ok)
}
