//! Node `call_model`: one completion, shown while it comes, recorded when it is
//! whole.

use zupa_core::model::collect;
use zupa_core::{
    Completion, Digest, Error, ErrorKind, FinishReason, Hint, Model, ModelRequest, Outcome, Retry,
    Stage,
};

use super::Cx;
use crate::commit::End;
use crate::faults::Phase;

pub(super) async fn call_model(
    cx: &Cx<'_>,
    model: &dyn Model,
    request: ModelRequest,
) -> Result<Completion, End> {
    let input = Digest::of_json(&(model.name(), &request.messages));
    cx.effect("call_model/1/model", input, || call(cx, model, request))
        .await
}

async fn call(cx: &Cx<'_>, model: &dyn Model, request: ModelRequest) -> Result<Completion, End> {
    let turn = cx.turn.turn;
    for message in &request.messages {
        cx.faults.abort_on(&message.text);
    }
    cx.hint(Hint::Stage {
        turn: Some(turn),
        stage: Stage::Model,
        at: cx.clock.wall(),
        detail: None,
    });
    cx.hint(Hint::Typing);
    cx.faults.mark(turn.0, Phase::Model).await;
    let deadline = request.timeout;
    // The last moment: what comes now is paid for, and felt outside.
    cx.claim.check()?;
    let called = async {
        let stream = model.stream(request).await?;
        collect(stream, |text| {
            cx.hint(Hint::Delta {
                turn,
                run: cx.turn.runs,
                text: text.to_owned(),
            });
        })
        .await
    };
    // The adapter keeps the deadline; this holds one that does not.
    let completion = tokio::time::timeout(deadline, called)
        .await
        .unwrap_or_else(|_| {
            Err(
                Error::new(ErrorKind::Timeout, "the model did not answer in time")
                    .with("model", model.name())
                    .with_retry(Retry::Now)
                    .with_outcome(Outcome::Unknown),
            )
        });
    let usable = completion.and_then(usable);
    if usable.is_err() {
        cx.hint(Hint::End { turn });
    }
    usable.map_err(End::Failed)
}

/// A cut text is still sent: it is what there is. A text that the provider
/// refused, or none at all, is not an answer, and is not recorded as one.
fn usable(completion: Completion) -> zupa_core::Result<Completion> {
    if completion.finish == FinishReason::ContentFilter {
        return Err(Error::new(
            ErrorKind::ContentFilter,
            "the provider refused the content",
        ));
    }
    if completion.text.trim().is_empty() {
        return Err(Error::invalid("the model answered nothing").with_retry(Retry::Now));
    }
    Ok(completion)
}
