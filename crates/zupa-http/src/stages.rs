//! The lives of turns on the simulated phone: a subscriber of the event bus. The path
//! knows nothing of it.
//!
//! *Arrives*: events about conversations.
//! *Leaves*: signs for the streams that watch them, lossy like the bus.
//! *If the process dies here*: nothing is lost but signs.

use std::sync::Arc;

use tracing::debug;
use zupa_core::bus::{Event, EventBus, Name, Subscription, names};
use zupa_core::{Channel, Desk, Hint, Result, Stage};

use crate::web_chat::WebChat;

/// Shows on these doors what is told on a bus from now on; the subscription is to be
/// spawned where people develop. Whoever watches no stream costs nothing but the events.
///
/// *Errors*: none that occurs; the pattern of the subscription is ours.
pub fn stages(bus: &EventBus, desk: Arc<dyn Desk>, chats: &[WebChat]) -> Result<Subscription> {
    let phones = Arc::new(Phones {
        desk,
        chats: chats.to_vec(),
    });
    bus.subscribe("*", move |event| {
        let phones = phones.clone();
        async move { phones.show(&event).await }
    })
}

struct Phones {
    desk: Arc<dyn Desk>,
    chats: Vec<WebChat>,
}

impl Phones {
    async fn show(&self, event: &Event) {
        let Some(stage) = stage(event.name) else {
            return;
        };
        let Some(conversation) = event.ids.conversation else {
            return;
        };
        // Events carry no address, which would name a person.
        if self.chats.iter().all(|chat| chat.hints().watched() == 0) {
            return;
        }
        let address = match self.desk.conversation(conversation).await {
            Ok(Some(view)) => view.address,
            Ok(None) => return,
            Err(error) => {
                debug!(%error, "a stage of a turn is not shown");
                return;
            }
        };
        let hint = Hint::Stage {
            turn: event.ids.turn,
            stage,
            at: event.timestamp,
            detail: detail(event),
        };
        if let Some(chat) = self
            .chats
            .iter()
            .find(|chat| *chat.channel() == address.channel)
        {
            chat.hint(&address, hint);
        }
    }
}

/// The stage that a turn has reached when this happens.
fn stage(name: Name) -> Option<Stage> {
    Some(match name {
        names::INBOUND_ACCEPTED => Stage::Accepted,
        names::TURN_CLAIMED => Stage::Claimed,
        names::MODEL_ASKED => Stage::Model,
        names::TURN_COMMITTED => Stage::Committed,
        names::DELIVERY_SENT => Stage::Sent,
        names::TURN_RETRIED | names::TURN_SPLIT => Stage::Retry,
        names::TURN_DEAD => Stage::Dead,
        _ => return None,
    })
}

/// Why it waits or gave up, or which run this is.
fn detail(event: &Event) -> Option<String> {
    match event.name {
        names::TURN_CLAIMED => {
            let runs = event.payload.number("runs").filter(|runs| *runs > 1);
            runs.map(|runs| format!("run {runs}"))
        }
        names::TURN_COMMITTED => {
            let outcome = event.payload.word("outcome");
            outcome
                .filter(|word| *word != "answered")
                .map(str::to_owned)
        }
        _ => event.payload.word("class").map(str::to_owned),
    }
}
