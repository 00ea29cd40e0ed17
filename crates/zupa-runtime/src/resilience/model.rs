//! The models behind their policies. A try is the whole answer, from connecting to the
//! last byte: only then is it known whether it was one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;
use zupa_core::model::collect;
use zupa_core::{Completion, Model, ModelRequest, Result};

use super::IN_TURN;
use super::policy::{Call, Policy, Repeat};

/// Models, asked one after the other where the one before cannot answer.
#[derive(Debug)]
pub(crate) struct Models(Vec<(Arc<dyn Model>, Arc<Policy>)>);

/// What a caller has to do with a completion while it comes.
#[derive(Clone, Copy)]
pub(crate) struct Watch<'a> {
    /// Shows a piece of it to somebody, if there is somebody.
    pub show: Option<&'a (dyn Fn(&str) + Send + Sync)>,
    /// Says whether it is one that can be used.
    pub judge: fn(Completion) -> Result<Completion>,
    /// Asked before each further try.
    pub may_go_on: &'a (dyn Fn() -> bool + Send + Sync),
}

impl Models {
    pub(crate) fn new(models: Vec<(Arc<dyn Model>, Arc<Policy>)>) -> Self {
        Self(models)
    }

    /// Names the first: the one that is meant to answer.
    pub(crate) fn name(&self) -> &str {
        self.0.first().map_or("", |(model, _)| model.name())
    }

    /// One completion, within `request.timeout`.
    ///
    /// *Behaviour*: a model is tried again as its policy says, with short waits only. The
    /// next one is asked after an error about the provider of the one before, its open
    /// breaker among them; each has an equal share of the time that is left, so that
    /// whoever hangs leaves theirs to those behind. Once a piece was shown there is no
    /// further try: nobody sees two beginnings of one answer.
    /// *Errors*: those of the model that was asked last.
    /// *Cancel safety*: cancels the call.
    pub(crate) async fn complete(
        &self,
        request: ModelRequest,
        watch: Watch<'_>,
    ) -> Result<Completion> {
        let shown = AtomicBool::new(false);
        let may_go_on = || !shown.load(Ordering::Relaxed) && (watch.may_go_on)();
        let until = Instant::now() + request.timeout;
        let mut failed = None;
        for (place, (model, policy)) in self.0.iter().enumerate() {
            let models_left = (self.0.len() - place) as u32;
            let share = until.saturating_duration_since(Instant::now()) / models_left;
            let call = Call {
                patience: Some(IN_TURN),
                may_go_on: &may_go_on,
                ..Call::within(Repeat::Safe, share)
            };
            let answer = policy
                .call(call, |timeout| {
                    let request = ModelRequest {
                        timeout,
                        ..request.clone()
                    };
                    complete_once(model.as_ref(), request, watch, &shown)
                })
                .await;
            match answer {
                Err(error) if error.is_about_provider() && may_go_on() => failed = Some(error),
                answer => return answer,
            }
        }
        Err(failed.unwrap_or_else(|| zupa_core::Error::internal("no model is there to be asked")))
    }
}

async fn complete_once(
    model: &dyn Model,
    request: ModelRequest,
    watch: Watch<'_>,
    shown: &AtomicBool,
) -> Result<Completion> {
    let stream = model.stream(request).await?;
    let completion = collect(stream, |text| {
        if let Some(show) = watch.show {
            shown.store(true, Ordering::Relaxed);
            show(text);
        }
    });
    (watch.judge)(completion.await?)
}
