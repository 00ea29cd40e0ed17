//! Speaking: an answer becomes a voice message, or stays a text.
//!
//! There is one outbound, either way, and it leaves by the commit: never both, never
//! none. What was synthesised is not in the journal: the audio would be written twice
//! for every answer, and kept twice, to spare the price of one call after a crash
//! between here and the commit. Nobody has heard it by then, so it is made again.

use std::time::Duration;

use tracing::warn;
use zupa_core::bus::{Name, names};
use zupa_core::{
    Audio, Channel, Content, Error, ErrorKind, Outbound, Result as CoreResult, SynthesisRequest,
    Synthesizer, Voice,
};

use super::Parts;
use crate::remind::reminder;
use crate::telemetry;
use crate::turn::{Cx, Run, Stop};

/// What speech leaves of a turn's time, so that there is some to go on with.
const LEFT_OVER: Duration = Duration::from_secs(1);

/// The answer as it leaves.
///
/// *Errors*: those that end the run; a failed synthesis is none.
pub(super) async fn outbound(parts: &Parts, text: &str, cx: &Cx) -> Result<Outbound, Stop> {
    // Nobody has asked for what a reminder says: an answer does not wait for it.
    let written = match reminder(&cx.run) {
        Some(_) => Outbound::proactive(text),
        None => Outbound::reply(text),
    };
    let Some((synthesizer, modality)) = &parts.agent.synthesizer else {
        return Ok(written);
    };
    let run = &cx.run;
    let door = run.path.doors.get(&run.turn.address.channel);
    let carries_voice = door.is_some_and(|door| door.voice() == Voice::Sends);
    if text.is_empty() || !carries_voice || !modality.speaks(text, cx.inbounds()) {
        return Ok(written);
    }
    run.may_go_on()?;
    // The last moment: what comes now is paid for.
    run.claim.check()?;
    let began = run.path.clock.monotonic();
    let said = Box::pin(say(synthesizer.as_ref(), text, left(run))).await;
    tell(run, names::SPEECH_SYNTHESIZED, began, said.as_ref().err());
    match said {
        Ok(audio) => Ok(Outbound {
            content: Content::Voice {
                audio,
                transcript: text.to_owned(),
            },
            ..written
        }),
        Err(error) => {
            warn!(
                turn_id = %run.turn.turn, %error,
                "an answer could not be spoken; it is written"
            );
            Ok(written)
        }
    }
}

/// Tells of a call that began at a monotonic time.
pub(super) fn tell(run: &Run, name: Name, began: Duration, failed: Option<&Error>) {
    let took = run.path.clock.monotonic().saturating_sub(began);
    let called = telemetry::speech_called(&run.turn, name, took, failed);
    run.path.bus.emit(called);
}

/// What is left of the turn for speech.
pub(super) fn left(run: &Run) -> Duration {
    run.left().saturating_sub(LEFT_OVER)
}

async fn say(synthesizer: &dyn Synthesizer, text: &str, timeout: Duration) -> CoreResult<Audio> {
    let request = SynthesisRequest {
        text: text.to_owned(),
        voice: None,
        language: None,
        max_bytes: Content::VOICE_BYTES,
        timeout,
    };
    let audio = synthesizer.synthesize(request).await?;
    // The adapter keeps the bound; this holds one that does not.
    match audio.bytes.len() {
        0 => Err(Error::new(
            ErrorKind::Protocol,
            "the synthesizer said nothing",
        )),
        bytes if bytes > Content::VOICE_BYTES => Err(Error::new(
            ErrorKind::Full,
            "the spoken answer is too large",
        )
        .with("bytes", bytes)
        .with("limit", Content::VOICE_BYTES)),
        _ => Ok(audio),
    }
}
