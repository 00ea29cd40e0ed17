//! Node `call_model`: one completion, shown while it comes, recorded when it is
//! whole.

use std::sync::Arc;

use async_trait::async_trait;
use zupa_core::bus::names;
use zupa_core::{
    Completion, Digest, Error, ErrorKind, FinishReason, Hint, ModelRequest, Prompt, Retry,
};

use super::{AgentTurn, Parts, Update, model_down};
use crate::faults::Phase;
use crate::graph::{Move, Node};
use crate::resilience::Watch;
use crate::telemetry;
use crate::turn::{Cx, Run, Stop, estimate};

pub(super) struct CallModel(pub Arc<Parts>);

#[async_trait]
impl Node<AgentTurn> for CallModel {
    async fn run(&self, turn: &AgentTurn, cx: &mut Cx) -> Result<Move<AgentTurn>, Stop> {
        if let Some(end) = model_down::too_late(&self.0, cx) {
            return Ok(end);
        }
        let may_call = self.may_call(turn, cx);
        let request = self.request(turn, cx, may_call);
        // Digests are made of parts, so that no prompt is spelled twice.
        let tools: Vec<_> = request.tools.iter().map(|tool| &tool.name).collect();
        let input = Digest::of_json(&(
            self.0.model.name(),
            Prompt::digest(&request.messages),
            tools,
        ));
        let run = cx.run.clone();
        let completed = cx
            .effect("model", &input.to_hex(), || self.call(&run, request))
            .await;
        let mut completion = match completed {
            Err(Stop::Provider(error)) => {
                return Box::pin(model_down::down(&self.0, turn, cx, error)).await;
            }
            completed => completed?,
        };
        let usage = completion.usage.unwrap_or_else(|| {
            let told = if may_call {
                self.0.agent.tools.specs()
            } else {
                Vec::new()
            };
            estimate(&turn.prompt, &told, &completion)
        });
        cx.run.purse.spend(usage);
        if !may_call && !completion.calls.is_empty() {
            completion.calls.clear();
            if completion.text.trim().is_empty() {
                completion.text.clone_from(&self.0.agent.fallback);
            }
        }
        if completion.calls.is_empty() {
            return self.form(turn, completion, cx);
        }
        Ok(Move::to("approve_tools").with(Update::Answered(completion)))
    }
}

impl CallModel {
    /// A turn that has had all its rounds, or has spent what it may, is told no more of
    /// tools: the model has to answer with what it has.
    fn may_call(&self, turn: &AgentTurn, cx: &Cx) -> bool {
        let asked =
            |line: &&Prompt| matches!(line, Prompt::Assistant { calls, .. } if !calls.is_empty());
        let rounds = turn.rounds.iter().filter(asked).count();
        rounds < self.0.settings.tool_rounds as usize && !cx.run.purse.is_empty()
    }

    fn request(&self, turn: &AgentTurn, cx: &Cx, may_call: bool) -> ModelRequest {
        let agent = &self.0.agent;
        let mut request = ModelRequest::new(turn.prompt.clone(), cx.run.left_for_model());
        if may_call {
            request.tools = agent.tools.specs();
        }
        request.reply.clone_from(&agent.reply);
        request
    }

    /// A reply of the wrong form goes back to the model once, if that can be paid.
    fn form(
        &self,
        turn: &AgentTurn,
        completion: Completion,
        cx: &Cx,
    ) -> Result<Move<AgentTurn>, Stop> {
        let wrong = self.0.agent.check_reply(&completion.text).err();
        match wrong {
            Some(wrong) if turn.repairs == 0 && !cx.run.purse.is_empty() => {
                let said = format!(
                    "Your answer does not have the required form: {wrong}. Answer again, with nothing but JSON of that form."
                );
                let answer = completion.text;
                Ok(Move::to("build_prompt").with(Update::Repair { answer, said }))
            }
            _ => Ok(Move::to("finalize").with(Update::Answered(completion))),
        }
    }

    async fn call(&self, run: &Run, request: ModelRequest) -> Result<Completion, Stop> {
        let turn = run.turn.turn;
        for message in request.messages.iter() {
            run.path.faults.abort_on(message.text());
        }
        let asked = telemetry::of_turn(&run.turn, names::MODEL_ASKED);
        run.path.bus.emit(asked);
        run.hint(Hint::Typing);
        run.mark(Phase::Model).await;
        // The last moment: what comes now is paid for, and felt outside.
        run.claim.check()?;
        let show = |text: &str| {
            run.hint(Hint::Delta {
                turn,
                run: run.turn.runs,
                text: text.to_owned(),
            });
        };
        let doors = &run.path.doors;
        let shows = self.0.agent.shows_drafts() && doors.shows_drafts(&run.turn.address.channel);
        let may_go_on = || run.may_go_on().is_ok() && run.claim.check().is_ok();
        let watch = Watch {
            show: shows.then_some(&show),
            judge: usable,
            may_go_on: &may_go_on,
        };
        let began = run.path.clock.monotonic();
        run.waits_for_model(true);
        let usable = self.0.model.complete(request, watch).await;
        let is_down = matches!(&usable, Err(error) if error.is_about_provider());
        run.waits_for_model(is_down);
        let took = run.path.clock.monotonic().saturating_sub(began);
        let called = telemetry::model_called(&run.turn, took, usable.as_ref());
        run.path.bus.emit(called);
        if usable.is_err() {
            run.hint(Hint::End { turn });
        }
        usable.map_err(|error| match is_down {
            true => Stop::Provider(error),
            false => Stop::Failed(error),
        })
    }
}

/// A cut text is still sent: it is what there is. A text that the provider
/// refused, or nothing at all, is not an answer, and is not recorded as one.
fn usable(completion: Completion) -> zupa_core::Result<Completion> {
    if completion.finish == FinishReason::ContentFilter {
        return Err(Error::new(
            ErrorKind::ContentFilter,
            "the provider refused the content",
        ));
    }
    if completion.text.trim().is_empty() && completion.calls.is_empty() {
        return Err(Error::invalid("the model answered nothing").with_retry(Retry::Now));
    }
    Ok(completion)
}
