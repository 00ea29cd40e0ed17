//! Stop 3, `turn`: results of effects on their way into `zupa.record`.

use uuid::Uuid;
use zupa_core::store::Record;
use zupa_core::{Error, Result};

use super::item::{integer, item};

item! {
    /// The result of an effect.
    RecordItem is "zupa.record_item" {
        turn: Uuid,
        conversation: Uuid,
        epoch: i64,
        run: i32,
        key: String,
        input: Vec<u8>,
        result: String,
    }
}

pub(super) fn record(item: &Record) -> Result<RecordItem> {
    serde_json::from_str::<serde::de::IgnoredAny>(&item.step.result)
        .map_err(|source| Error::invalid("a step's result is not JSON").with_source(source))?;
    Ok(RecordItem {
        turn: item.turn.0,
        conversation: item.conversation.0,
        epoch: item.epoch.0.cast_signed(),
        run: integer(item.run),
        key: item.step.key.clone(),
        input: item.step.input.0.to_vec(),
        result: item.step.result.clone(),
    })
}
