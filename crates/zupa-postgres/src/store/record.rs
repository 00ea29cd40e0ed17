//! Stop 3, `turn`: intents and results of effects on their way into `zupa.record`.

use uuid::Uuid;
use zupa_core::Result;
use zupa_core::store::Record;

use super::finish::{self, OutboundItem};
use super::item::{integer, item, packed};

item! {
    /// An effect that is about to start, or its result.
    RecordItem is "zupa.record_item" {
        turn: Uuid,
        conversation: Uuid,
        epoch: i64,
        run: i32,
        key: String,
        ordinal: i32,
        input: Vec<u8>,
        class: &'static str,
        result: Option<String>,
        say: Vec<OutboundItem>,
    }
}

pub(super) fn record(item: &Record) -> Result<RecordItem> {
    let step = &item.step;
    let result = step.result.as_deref();
    Ok(RecordItem {
        turn: item.turn.0,
        conversation: item.conversation.0,
        epoch: item.epoch.0.cast_signed(),
        run: integer(item.run),
        key: step.key.clone(),
        ordinal: integer(step.ordinal),
        input: step.input.0.to_vec(),
        class: step.class.as_str(),
        result: result
            .map(|result| packed(result, "a step's result"))
            .transpose()?,
        say: item.say.iter().map(finish::row).collect::<Result<_>>()?,
    })
}
