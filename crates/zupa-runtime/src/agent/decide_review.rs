//! `/approve` and `/reject`: an operator decides a review by chat.
//!
//! *Arrives*: the command of somebody who is bound to an operator.
//! *Leaves*: the decision, in the review's own conversation and its audit, and a word for
//! the operator.
//! *If the process dies here*: it is decided or not. The command runs again, and finds
//! what the same operator has decided: nothing changes.

use std::sync::Arc;

use tracing::info;
use zupa_core::review::{self, Settled, Verdict};
use zupa_core::{Desk, Error, Nudge, Result as CoreResult, TenantId, WaitId, Wakeup};

use super::Parts;
use super::built_in::BuiltIn;
use super::command_gate::split;
use super::words::ReviewWords;
use crate::turn::{Cx, Stop};

/// What the operator is told.
pub(super) async fn decide(
    parts: &Parts,
    cx: &mut Cx,
    operator: &str,
    command: BuiltIn,
    rest: &str,
) -> Result<String, Stop> {
    let language = &parts.agent.language;
    let misused = || {
        let said = format!("/{}", command.name());
        language.bad_command.replace("{command}", &said)
    };
    let Some(arguments) = split(BuiltIn::REVIEW, rest) else {
        return Ok(misused());
    };
    let mut arguments = arguments.into_iter();
    let id = arguments.next().unwrap_or_default();
    let Ok(id) = WaitId::parse(&id) else {
        return Ok(language.reviews.unknown.clone());
    };
    let verdict = Verdict {
        approved: command == BuiltIn::Approve,
        note: arguments.next().unwrap_or_default(),
        by: Some(operator.to_owned()),
    };
    match verdict.faults().first() {
        None => {}
        Some(("note", "too_long", _)) => {
            let most = review::MAX_NOTE_CHARS.to_string();
            return Ok(language.reviews.note_too_long.replace("{most}", &most));
        }
        Some(_) => return Ok(misused()),
    }
    let Some(desk) = parts.desk.clone() else {
        return Err(Error::internal("operators decide, and there is no desk").into());
    };
    let (path, tenant) = (cx.run.path.clone(), cx.address().tenant.clone());
    let (at, config) = (path.clock.wall(), parts.settings.config);
    let input = (id, verdict.approved, verdict.note.clone());
    // Recorded for what the operator is told: deciding again would change nothing.
    cx.effect("decide", &input, || async move {
        if !is_of(desk.as_ref(), id, &tenant).await? {
            return Ok(language.reviews.unknown.clone());
        }
        let settled = review::decide(desk.as_ref(), id, verdict, at, config).await?;
        go_on(&path.wakeup, &settled);
        Ok(told(&language.reviews, &settled))
    })
    .await
}

/// Reviews of another tenant are not there.
async fn is_of(desk: &dyn Desk, id: WaitId, tenant: &TenantId) -> CoreResult<bool> {
    let Some(wait) = desk.wait(id).await? else {
        return Ok(false);
    };
    let conversation = desk.conversation(wait.conversation).await?;
    Ok(conversation.is_some_and(|of| of.address.tenant == *tenant))
}

fn go_on(wakeup: &Arc<dyn Wakeup>, settled: &Settled) {
    let Settled::Now { review, due } = settled else {
        return;
    };
    info!(conversation.id = %review.conversation, wait.id = %review.id, "took a decision");
    if review.took_over() {
        wakeup.wake(Nudge::Held(review.conversation));
    }
    if let Some(conversation) = due {
        wakeup.wake(Nudge::Due(*conversation));
    }
}

fn told(words: &ReviewWords, settled: &Settled) -> String {
    let (text, review) = match settled {
        Settled::NotFound => return words.unknown.clone(),
        Settled::Now { review, .. } => match review.decision.as_ref().is_some_and(|of| of.approved)
        {
            true => (&words.approved, review),
            false => (&words.rejected, review),
        },
        Settled::Before(review) | Settled::Otherwise(review) => match &review.decision {
            Some(decision) if decision.approved => (&words.approved_before, review),
            Some(_) => (&words.rejected_before, review),
            None => (&words.over, review),
        },
        Settled::Claimed(review) => (&words.claimed, review),
    };
    let claimed = review.claim.as_ref().map(|claim| &claim.by);
    let by = claimed.or(review.decision.as_ref().map(|decision| &decision.by));
    let until = review.claim.as_ref().map(|claim| claim.until.as_str());
    text.replace("{id}", &review.id.to_string())
        .replace("{by}", by.map_or("", String::as_str))
        .replace("{until}", until.unwrap_or_default())
}
