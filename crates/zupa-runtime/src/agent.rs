//! The default agent as a graph: a message comes in, the model answers, with tools
//! in between.
//!
//! ```text
//! admit → session_attach → command_gate → resolve_content → recall → build_prompt
//!               ↓               → call_model → finalize → persist
//!           summarize                 ↓  ↑
//!                               approve_tools → run_tools (→ recall)
//! ```
//!
//! A reply of the wrong form goes back to `build_prompt` once. Where a human is wanted,
//! the turn leaves a question to operators, and `hand_back` goes on once one has
//! decided; so does one that runs in a loop, which is silent from `session_attach` on.
//! `summarize` is for turns that nobody has spoken in.
//!
//! Each node is one file. They can be replaced, wrapped and put behind new ones, by
//! name: [`crate::Builder::edit`].

mod admit;
mod approve_tools;
mod build_prompt;
mod built_in;
mod call_model;
mod closing;
mod command_gate;
mod decide_review;
mod definition;
mod finalize;
mod hand_back;
mod hear;
mod hooks;
mod loop_guard;
mod modality;
mod model_down;
mod persist;
mod recall;
mod resolve_content;
mod roles;
mod run_tools;
mod session;
mod session_attach;
mod speak;
mod state;
mod summarize;
mod talk;
mod words;

use std::sync::Arc;

use zupa_core::{Desk, Outbound, Store};

pub use command_gate::{Command, CommandContext, CommandReply, Role as CommandRole};
pub use definition::Agent;
pub(crate) use hooks::within;
pub use hooks::{BeforeReply, ContextProvider, OnReply, Verdict as ReplyVerdict};
pub use loop_guard::Pace;
pub use modality::Modality;
pub use model_down::OnModelDown;
pub use session::{EndReason, Episode, Session};
pub use state::{AgentTurn, Attached, CallResult, Kept, Update};
pub use talk::{Came, Talk};
pub use words::{Language, ReviewWords};

use crate::graph::{Graph, GraphBuilder, ends, to, waits};
use crate::memory::Memory;
use crate::resilience::Models;
use crate::settings::Settings;

/// What the nodes of the default agent share.
pub(crate) struct Parts {
    pub agent: Arc<Agent>,
    pub settings: Arc<Settings>,
    pub model: Models,
    /// None where the graph is only drawn.
    pub store: Option<Arc<dyn Store>>,
    /// Where operators decide by chat.
    pub desk: Option<Arc<dyn Desk>>,
    pub memory: Arc<Memory>,
    pub notices: model_down::Notices,
}

/// The default agent.
pub(crate) fn graph(parts: Parts) -> GraphBuilder<AgentTurn> {
    let parts = Arc::new(parts);
    let said = &parts.agent.language.review_asked;
    let say = (!said.is_empty()).then(|| Outbound::reply(said));
    // A round of tools is five moves, and a reply may be sent back once.
    let moves = 15 + 6 * parts.settings.tool_rounds;
    let rules = parts.agent.rules();
    Graph::builder(&parts.agent.name)
        .moves(moves)
        .says_in_review(say.into_iter().collect())
        .answers(command_gate::is_no_command(parts.agent.clone()))
        .equips(move |turn: &mut AgentTurn| turn.rules = rules.clone())
        .node("admit", admit::admit, [to("session_attach"), ends()])
        .add(
            "session_attach",
            Arc::new(session_attach::SessionAttach(parts.clone())),
            [
                to("command_gate"),
                to("summarize"),
                ends(),
                waits("hand_back"),
            ],
        )
        .add(
            "summarize",
            Arc::new(summarize::Summarize(parts.clone())),
            [ends(), waits("hand_back")],
        )
        .add(
            "command_gate",
            Arc::new(command_gate::CommandGate(parts.clone())),
            [to("resolve_content"), ends(), waits("hand_back")],
        )
        .add(
            "resolve_content",
            Arc::new(resolve_content::ResolveContent(parts.clone())),
            // Who hears may fail to understand.
            [to("recall")].into_iter().chain(
                (parts.agent.transcriber.is_some())
                    .then(|| [ends(), waits("hand_back")])
                    .into_iter()
                    .flatten(),
            ),
        )
        .add(
            "recall",
            Arc::new(recall::Recall(parts.clone())),
            [to("build_prompt")],
        )
        .add(
            "build_prompt",
            Arc::new(build_prompt::BuildPrompt(parts.clone())),
            [to("call_model")],
        )
        .add(
            "call_model",
            Arc::new(call_model::CallModel(parts.clone())),
            [
                to("approve_tools"),
                to("finalize"),
                to("build_prompt"),
                ends(),
            ],
        )
        .add(
            "approve_tools",
            Arc::new(approve_tools::ApproveTools(parts.clone())),
            [to("run_tools"), waits("approve_tools")],
        )
        .add(
            "run_tools",
            Arc::new(run_tools::RunTools(parts.clone())),
            [to("recall")],
        )
        .add(
            "hand_back",
            Arc::new(hand_back::HandBack(parts.clone())),
            [ends()],
        )
        .add(
            "finalize",
            Arc::new(finalize::Finalize(parts)),
            [to("persist"), ends(), waits("hand_back")],
        )
        .node("persist", persist::persist, [ends(), waits("hand_back")])
}
