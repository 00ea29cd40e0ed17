//! An attempt: asked for, put on record, and made; or what becomes of a message that may not
//! leave.

use tracing::{info, warn};
use zupa_core::store::{Attempt, Attempted, Delivery, Settlement};
use zupa_core::{Capabilities, Channel, Content, PairPace, ReplyWindow, WhenClosed};

use super::{Deliverer, Leave, Ready};
use crate::resilience::GuardedChannel;

impl Deliverer {
    /// The next attempt of a delivery.
    pub(super) async fn attempt(&self, delivery: Delivery, door: &GuardedChannel, leave: Leave) {
        let can = door.capabilities();
        let pace = can.pace.and_then(|pace| pace.pair);
        let window = can.reply_window.filter(|_| needs_window(&delivery.content));
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
            Some(Attempted::Closed) => match instead(&delivery.content, can) {
                // The store has put it off.
                Instead::Wait => {}
                Instead::Template => {
                    if self.ask(&delivery, pace, None).await == Some(Attempted::Granted) {
                        self.send(ready(delivery, true), leave).await;
                    }
                }
                Instead::End(settlement) => {
                    info!(delivery_id = %delivery.id, "the reply window is closed");
                    // On record, as every end is that of an attempt; nothing leaves.
                    if self.ask(&delivery, None, None).await == Some(Attempted::Granted) {
                        let ended = ready(delivery, false).delivery;
                        self.settle(&ended, settlement).await;
                    }
                }
            },
            Some(Attempted::Lost | Attempted::Paced { .. }) | None => {}
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

/// What is done with a message that may not leave as it is.
enum Instead {
    Wait,
    Template,
    End(Settlement),
}

fn instead(content: &Content, can: Capabilities) -> Instead {
    let kind = ReplyWindow::KIND;
    match can.reply_window.map(|window| window.closed) {
        Some(WhenClosed::Wait) => Instead::Wait,
        Some(WhenClosed::Drop) => Instead::End(Settlement::Cancelled { kind }),
        Some(WhenClosed::Template { chars }) if goes_into(content, chars) => Instead::Template,
        Some(WhenClosed::Template { .. } | WhenClosed::Review) | None => {
            Instead::End(Settlement::Failed { kind })
        }
    }
}

/// Templates may leave at any time.
fn needs_window(content: &Content) -> bool {
    !matches!(content, Content::Template { .. })
}

/// Whether its words say all of it, and are not too many.
fn goes_into(content: &Content, chars: usize) -> bool {
    let is_words = matches!(
        content,
        Content::Text { .. } | Content::Choices(_) | Content::Voice { .. }
    );
    is_words && content.as_prompt_text().chars().count() <= chars
}
