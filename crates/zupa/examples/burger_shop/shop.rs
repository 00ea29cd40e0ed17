//! The agent: four tools, one of which the person has to agree to.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zupa::core::{Effect, Result, ToolContext, ToolOutput};
use zupa::runtime::{Agent, tool};

use crate::kitchen::Kitchen;

const PROMPT: &str = "You take orders in a small burger shop. You are kind and brief.";

/// What the shop keeps of a person.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Customer {
    points: u32,
    favourite: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Nothing {}

#[derive(Debug, Deserialize, JsonSchema)]
struct Order {
    /// A burger of the menu.
    burger: String,
}

/// The shop's agent.
pub fn agent(kitchen: Kitchen) -> Agent {
    let kitchen = Arc::new(kitchen);
    let order = tool(
        "place_order",
        "Places the order for one burger.",
        // The kitchen knows the key of each order: the same one twice is one burger.
        Effect::IDEMPOTENT,
        move |order: Order, cx: ToolContext| place_order(kitchen.clone(), order, cx),
    );
    Agent::new("burger shop", PROMPT)
        .tool(tool("menu", "What there is.", Effect::PURE, menu).into_tool())
        .tool(tool("recommend", "What is good.", Effect::PURE, recommend).into_tool())
        .tool(tool("points", "The person's points.", Effect::PURE, points).into_tool())
        .tool_with_confirmation(order.into_tool(), |arguments| {
            let burger = arguments["burger"].as_str().unwrap_or("burger");
            format!("Shall I order a {burger} for you?")
        })
}

async fn menu(_: Nothing, _: ToolContext) -> Result<ToolOutput> {
    Ok(ToolOutput::of("classic 8, double 11, veggie 9"))
}

async fn recommend(_: Nothing, cx: ToolContext) -> Result<ToolOutput> {
    let customer: Customer = cx.state_as()?;
    Ok(ToolOutput::of(
        customer.favourite.unwrap_or_else(|| "double".into()),
    ))
}

async fn points(_: Nothing, cx: ToolContext) -> Result<ToolOutput> {
    let customer: Customer = cx.state_as()?;
    Ok(ToolOutput::of(customer.points.to_string()))
}

async fn place_order(kitchen: Arc<Kitchen>, order: Order, cx: ToolContext) -> Result<ToolOutput> {
    kitchen.cook(&cx.key.to_hex(), &order.burger).await?;
    let mut customer: Customer = cx.state_as()?;
    customer.points += 10;
    customer.favourite = Some(order.burger.clone());
    let mut done = ToolOutput::of(order.burger).keeping(&cx, &customer)?;
    done.say.push("The kitchen has it.".into());
    Ok(done)
}
