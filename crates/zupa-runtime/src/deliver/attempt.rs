//! An attempt: asked for, put on record, and made; or what becomes of a message that may not
//! leave.

use tracing::{info, warn};
use zupa_core::store::{Attempt, Attempted, Delivery, Settlement};
use zupa_core::{Capabilities, Channel, Content, PairPace, ReplyWindow, WhenClosed};

use super::{Deliverer, Leave, Ready};
use crate::resilience::GuardedChannel;
use crate::telemetry;

impl Deliverer {
    /// The next attempt of a delivery.
    pub(super) async fn attempt(&self, delivery: Delivery, door: &GuardedChannel, leave: Leave) {
        let can = door.capabilities();
        let pace = can.pace.and_then(|pace| pace.pair);
        let window = window_of(&delivery.content, can);
        let since = self.clock.monotonic();
        let ready = |delivery: Delivery, as_template| Ready {
            delivery: Delivery {
                attempts: delivery.attempts + 1,
                tried_at: Some(self.clock.wall()),
                ..delivery
            },
            since,
            as_template,
        };
        match self.ask(&delivery, pace, window).await {
            Some(Attempted::Granted) => self.send(ready(delivery, false), leave).await,
            Some(Attempted::Closed) => {
                let closed = window.map(|window| window.closed);
                if matches!(closed, Some(WhenClosed::Template { .. }))
                    && self.ask(&delivery, pace, None).await == Some(Attempted::Granted)
                {
                    self.send(ready(delivery, true), leave).await;
                } else {
                    self.lines.give_back(door.id());
                }
            }
            Some(Attempted::Ended) => {
                self.lines.give_back(door.id());
                info!(delivery_id = %delivery.id, "the reply window is closed");
                let kind = ReplyWindow::KIND;
                let ended = Settlement::Failed { kind };
                let ended = telemetry::settled(&delivery, &ended, self.clock.wall());
                self.bus.emit(ended);
            }
            Some(Attempted::Lost | Attempted::Paced { .. }) | None => {
                self.lines.give_back(door.id());
            }
        }
    }

    /// Asks for the next attempt; none if the store could not be asked.
    async fn ask(
        &self,
        delivery: &Delivery,
        pace: Option<PairPace>,
        window: Option<ReplyWindow>,
    ) -> Option<Attempted> {
        let wish = Attempt {
            conversation: delivery.conversation,
            number: delivery.number,
            attempt: delivery.attempts + 1,
            answer_by: self
                .clock
                .wall()
                .plus(self.settings.policies.channel.timeout * 2),
            pace,
            window,
        };
        match self.writer.attempt(wish).await {
            Ok(attempted) => Some(attempted),
            Err(error) => {
                // It did not leave. But an attempt of this number that is on record
                // may be another process's, so it is not taken back: if nobody
                // settles it, it is in doubt when its time is over.
                warn!(delivery_id = %delivery.id, %error, "could not record an attempt");
                // In hand, so that it is not tried as fast as it fails.
                tokio::time::sleep(self.settings.poll).await;
                None
            }
        }
    }
}

/// The door's reply window, as it is for this message: a template may leave at any time, and
/// what goes into none is reviewed.
fn window_of(content: &Content, can: Capabilities) -> Option<ReplyWindow> {
    let window = can.reply_window?;
    match window.closed {
        _ if matches!(content, Content::Template { .. }) => None,
        WhenClosed::Template { chars } if !goes_into(content, chars) => Some(ReplyWindow {
            closed: WhenClosed::Review,
            ..window
        }),
        _ => Some(window),
    }
}

/// Whether its words say all of it, and are not too many.
fn goes_into(content: &Content, chars: usize) -> bool {
    let is_words = matches!(
        content,
        Content::Text { .. } | Content::Choices(_) | Content::Voice { .. }
    );
    is_words && content.as_prompt_text().chars().count() <= chars
}
