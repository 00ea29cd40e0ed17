//! What a death and a start cost at the least.

use std::path::Path;

use super::super::cannot;
use super::super::child::mark;
use super::super::workload::Workload;
use super::writer::{self, Request};
use crate::cli::Failure;

/// Turns that one commit finishes after a death.
const GROUP: usize = 100;

/// Accepts messages, one in each conversation, and leaves them to a death.
pub(crate) fn pile(workload: &Workload, file: &Path, messages: u32) -> Result<(), Failure> {
    let connection =
        writer::open(file, workload.durability).map_err(cannot("open the floor's database"))?;
    let accepts: Vec<_> = (0..messages).map(|place| accept(workload, place)).collect();
    for batch in accepts.chunks(GROUP) {
        writer::commit(&connection, batch, workload.seed).map_err(cannot("write"))?;
    }
    std::process::abort();
}

/// Opens what a death left, finds what has no answer, and answers it.
pub(crate) fn recover(workload: &Workload, file: &Path) -> Result<(), Failure> {
    let connection =
        writer::open(file, workload.durability).map_err(cannot("open the floor's database"))?;
    let open: Vec<Request> = connection
        .prepare(
            "SELECT conversation, (number + 1) / 2 FROM messages m WHERE number % 2 = 1
             AND NOT EXISTS (SELECT 1 FROM messages a WHERE a.conversation = m.conversation
                             AND a.number = m.number + 1)",
        )
        .and_then(|mut list| {
            list.query_map([], |row| {
                Ok(Request::Finish {
                    conversation: row.get(0)?,
                    turn: row.get(1)?,
                })
            })?
            .collect()
        })
        .map_err(cannot("list what is open"))?;
    for (place, batch) in open.chunks(GROUP).enumerate() {
        writer::commit(&connection, batch, workload.seed).map_err(cannot("write"))?;
        if place == 0 {
            mark("first");
        }
    }
    mark("all");
    Ok(())
}

/// Opens an empty database and accepts one message.
pub(crate) fn accept_one(workload: &Workload, file: &Path) -> Result<(), Failure> {
    let connection =
        writer::open(file, workload.durability).map_err(cannot("open the floor's database"))?;
    writer::commit(&connection, &[accept(workload, 0)], workload.seed).map_err(cannot("write"))?;
    mark("acknowledged");
    Ok(())
}

fn accept(workload: &Workload, place: u32) -> Request {
    Request::Accept {
        conversation: place,
        turn: 1,
        sequence: u64::from(place),
        text: workload.text(u64::from(place)),
    }
}
