//! `[[http_tool]]`: one request each.

use std::sync::Arc;

use serde_json::Value;
use zupa::config::{self, Method};
use zupa_mcp::{HttpMethod, HttpTool, HttpToolConfig};
use zupa_runtime::Agent;

use super::shared::{effect, resolve};
use crate::cli::failure::Failure;

/// Gives the agent these tools.
pub async fn add(mut agent: Agent, wanted: &[config::HttpTool]) -> Result<Agent, Failure> {
    for (index, wanted) in wanted.iter().enumerate() {
        let mut config = HttpToolConfig::new(
            &wanted.name,
            match wanted.method {
                Method::Get => HttpMethod::Get,
                Method::Post => HttpMethod::Post,
                Method::Put => HttpMethod::Put,
                Method::Patch => HttpMethod::Patch,
                Method::Delete => HttpMethod::Delete,
            },
            &wanted.url,
            effect(wanted.effect, wanted.approve),
        );
        config.description.clone_from(&wanted.description);
        config.parameters = wanted.parameters.clone();
        config.headers = resolve(&wanted.headers, &format!("http_tool[{index}].headers")).await?;
        let tool = Arc::new(HttpTool::new(config)?);
        agent = match wanted.confirm.clone() {
            Some(question) => agent.tool_with_confirmation(tool, move |arguments: &Value| {
                filled(&question, arguments)
            }),
            None => agent.tool(tool),
        };
    }
    Ok(agent)
}

/// Puts arguments into their places, in one pass: what a model wrote is no template.
fn filled(question: &str, arguments: &Value) -> String {
    let (mut text, mut rest) = (String::new(), question);
    while let Some((before, (name, after))) = rest
        .split_once('{')
        .and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
    {
        text.push_str(before);
        match arguments.get(name) {
            Some(Value::String(value)) => text.push_str(value),
            Some(Value::Null) | None => text.push('–'),
            Some(value) => text.push_str(&value.to_string()),
        }
        rest = after;
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_question_is_filled_once() {
        let arguments = json!({ "what": "a {size} pizza", "size": 3, "none": null });
        for (question, asked) in [
            (
                "Order {what}, size {size}?",
                "Order a {size} pizza, size 3?",
            ),
            ("{none}{other}{", "––{"),
            ("}{", "}{"),
        ] {
            assert_eq!(filled(question, &arguments), asked);
        }
    }
}
