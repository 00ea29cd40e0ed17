//! Events of the sidecar are handed in, in their order, and confirmed when they are
//! durable. What dies here is told again: the sidecar keeps it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{debug, warn};
use zupa_core::{Error, ErrorKind, Intake, IntakeBatch, Retry};

use crate::door::{Door, Line};
use crate::event::Heard;
use crate::wire::ToSidecar;

/// Events that are handed in at once.
const BATCH: usize = 64;
/// Before a batch is handed in again, where nobody says when.
const AGAIN: Duration = Duration::from_secs(1);

/// A numbered event.
pub(crate) type Numbered = (u64, Value);

/// Hands events in until there are no more.
///
/// *Cancel safety*: what was handed in may be handed in again; dedupe decides.
pub(crate) async fn run(
    door: Arc<Door>,
    intake: Intake,
    mut events: mpsc::Receiver<Numbered>,
    line: Line,
) {
    let mut numbered = Vec::new();
    while events.recv_many(&mut numbered, BATCH).await > 0 {
        for Part {
            upto,
            skipped,
            batch,
        } in parts(&door, numbered.drain(..))
        {
            hand_in(&door, &intake, batch).await;
            line.say(&ToSidecar::Confirm { upto, skipped });
        }
    }
}

/// Events that are handed in together.
struct Part {
    /// The number of the last.
    upto: u64,
    /// Numbers of those that are left out.
    skipped: Vec<u64>,
    batch: IntakeBatch,
}

/// Messages and news apart, since the order of one against the other counts: news in the
/// batch of its message would find none.
fn parts(door: &Door, events: impl Iterator<Item = Numbered>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let now = door.clock.wall();
    for (seq, event) in events {
        let heard = door.reader.read(&event, now);
        let fits = parts.last().is_some_and(|part| match &heard {
            Heard::Said(_) => part.batch.receipts.is_empty(),
            Heard::News(_) => part.batch.inbounds.is_empty(),
            Heard::Skipped(_) => true,
        });
        if !fits {
            parts.push(Part {
                upto: seq,
                skipped: Vec::new(),
                batch: IntakeBatch::default(),
            });
        }
        let Some(part) = parts.last_mut() else {
            continue;
        };
        part.upto = seq;
        match heard {
            Heard::Said(inbound) => {
                door.with_contacts(|contacts| {
                    contacts.heard(&inbound.address.alias);
                    inbound.also.iter().for_each(|alias| contacts.heard(alias));
                });
                part.batch.inbounds.push(*inbound);
            }
            Heard::News(receipt) => part.batch.receipts.push(receipt),
            Heard::Skipped(why) => {
                part.skipped.push(seq);
                skipped(door, why);
            }
        }
    }
    parts
}

/// Returns when the batch is durable, or can never be.
async fn hand_in(door: &Door, intake: &Intake, batch: IntakeBatch) {
    let IntakeBatch { inbounds, receipts } = &batch;
    if inbounds.is_empty() && receipts.is_empty() {
        return;
    }
    loop {
        let (inbounds, receipts) = (inbounds.clone(), receipts.clone());
        let several = inbounds.len() + receipts.len() > 1;
        let answer = intake.deliver(IntakeBatch { inbounds, receipts }).await;
        match later(&answer) {
            Some(error) => {
                debug!(channel = %door.config.channel, %error, "not taken yet");
                sleep(pause(error)).await;
            }
            None => match answer {
                Ok(each) => {
                    each.iter()
                        .filter_map(|one| one.as_ref().err())
                        .for_each(|error| skipped(door, error.kind().as_str()));
                    return;
                }
                // One of them is what accept never takes; the others are not to blame.
                Err(_) if several => break,
                Err(error) => return skipped(door, error.kind().as_str()),
            },
        }
    }
    for inbound in batch.inbounds {
        Box::pin(hand_in(door, intake, IntakeBatch::from(inbound))).await;
    }
    for receipt in batch.receipts {
        let alone = IntakeBatch {
            receipts: vec![receipt],
            inbounds: Vec::new(),
        };
        Box::pin(hand_in(door, intake, alone)).await;
    }
}

/// The error after which the whole batch is handed in again; those who are durable already
/// are then duplicates.
fn later(answer: &zupa_core::IntakeAnswer) -> Option<&Error> {
    match answer {
        Err(error) => Some(error).filter(|error| !is_about_message(error)),
        Ok(each) => each
            .iter()
            .filter_map(|one| one.as_ref().err())
            .find(|error| !is_about_message(error)),
    }
}

/// Whether accept will never take it. Anything else is about the store or about us, also
/// where nothing says that it passes: what is not durable is not confirmed.
fn is_about_message(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Invalid | ErrorKind::Conflict => true,
        ErrorKind::Full => error.is_terminal(),
        _ => false,
    }
}

fn pause(error: &Error) -> Duration {
    match error.retry() {
        Retry::After(wait) => wait,
        Retry::Now | Retry::Never | Retry::Exhausted => AGAIN,
    }
}

fn skipped(door: &Door, why: &'static str) {
    match why {
        // As ordinary as rain.
        "group" | "broadcast" | "not_content" | "pending" => {
            debug!(channel = %door.config.channel, why, "left an event out");
        }
        _ => warn!(channel = %door.config.channel, why, "left an event out"),
    }
}
