//! What a case does with the last stop: attempts, settlements, receipts.

use zupa_core::desk::DeliveryView;
use zupa_core::store::{
    Attempt, Attempted, Batch, ClaimedTurn, Delivery, OpenDoors, Settle, Settlement,
};
use zupa_core::{
    ConversationId, DeliveryState, Number, PlatformId, Receipt, ReceiptLevel, ReceiptNews,
    Timestamp,
};

use super::{EXPIRY, World, address};

/// One delivery, as a case speaks of it.
#[derive(Debug, Clone, Copy)]
pub(in crate::contract) struct Place {
    pub conversation: ConversationId,
    pub number: Number,
}

impl World<'_> {
    /// Hears a message and commits an answer with these rows.
    pub async fn talk(&self, alias: &str, rows: &[(&str, DeliveryState)]) -> Talk {
        let conversation = self.hear(alias, "hello").await;
        let turn = self.claim(conversation).await;
        let numbers = self.say(&turn, rows).await;
        Talk {
            rows: numbers
                .into_iter()
                .map(|number| Place {
                    conversation,
                    number,
                })
                .collect(),
            turn,
        }
    }

    pub fn attempt_of(&self, place: Place, attempt: u32) -> Attempt {
        Attempt {
            conversation: place.conversation,
            number: place.number,
            attempt,
            answer_by: self.now.plus(EXPIRY),
            pace: None,
            window: None,
        }
    }

    pub async fn attempt(&self, place: Place, attempt: u32) -> Attempted {
        let batch = Batch {
            attempt: vec![self.attempt_of(place, attempt)],
            ..self.batch()
        };
        self.write(batch).await.attempt.remove(0).unwrap()
    }

    pub async fn settle(&self, place: Place, attempt: u32, settlement: Settlement) {
        let batch = Batch {
            settle: vec![settle_of(place, attempt, settlement)],
            ..self.batch()
        };
        self.write(batch).await;
    }

    pub async fn hear_receipts(&self, receipts: Vec<Receipt>) {
        let batch = Batch {
            receipts,
            ..self.batch()
        };
        self.write(batch).await;
    }

    pub async fn hear_of(&self, about: &str, news: ReceiptNews) {
        self.hear_receipts(vec![receipt(about, news)]).await;
    }

    pub async fn delivery(&self, talk: &Talk, ordinal: usize) -> DeliveryView {
        let mut view = self.view(talk.turn.turn).await;
        view.deliveries.sort_by_key(|delivery| delivery.number);
        assert_eq!(view.deliveries.len(), talk.rows.len());
        view.deliveries.swap_remove(ordinal)
    }

    pub async fn states(&self, talk: &Talk) -> Vec<DeliveryState> {
        let mut deliveries = self.view(talk.turn.turn).await.deliveries;
        deliveries.sort_by_key(|delivery| delivery.number);
        deliveries
            .into_iter()
            .map(|delivery| delivery.state)
            .collect()
    }

    pub async fn due_deliveries(&self) -> Vec<Delivery> {
        self.due_by(self.now, 100).await
    }

    /// Of the one door that everybody here uses.
    pub async fn due_by(&self, now: Timestamp, limit: usize) -> Vec<Delivery> {
        let doors = OpenDoors {
            all: vec![address("ana").channel],
            replies: Vec::new(),
        };
        self.store.due_deliveries(now, &doors, limit).await.unwrap()
    }

    /// What is listed, by place and state.
    pub async fn listed(&self) -> Vec<(Number, DeliveryState)> {
        self.due_deliveries()
            .await
            .into_iter()
            .map(|delivery| (delivery.number, delivery.state))
            .collect()
    }
}

/// A turn and what it said.
pub(in crate::contract) struct Talk {
    pub turn: ClaimedTurn,
    pub rows: Vec<Place>,
}

pub(in crate::contract) fn settle_of(place: Place, attempt: u32, settlement: Settlement) -> Settle {
    Settle {
        conversation: place.conversation,
        number: place.number,
        attempt,
        settlement,
    }
}

/// The channel took it, under this id.
pub(in crate::contract) fn sent(id: &str) -> Settlement {
    Settlement::Sent {
        platform_id: Some(PlatformId::parse(id).unwrap()),
    }
}

/// News from the default tenant's one door.
pub(in crate::contract) fn receipt(about: &str, news: ReceiptNews) -> Receipt {
    let door = address("anybody");
    Receipt {
        tenant: door.tenant,
        channel: door.channel,
        about: PlatformId::parse(about).unwrap(),
        news,
        at: None,
    }
}

pub(in crate::contract) fn level(level: ReceiptLevel) -> ReceiptNews {
    ReceiptNews::Status { level, key: None }
}
