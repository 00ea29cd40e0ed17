//! A platform for the kill harness to look at. The web chat's commit is its
//! delivery, so nothing is ever on the wire; behind a sink each door sends, one
//! line of a file that all replicas share for each message that left. Only in
//! builds with the feature `faults`.

use std::fs::File;
use std::io::Write;
use std::process;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use zupa_core::{
    Acknowledges, Address, Capabilities, Channel, ChannelId, Clock, Deduplicates, DeliveryId,
    Error, ErrorKind, Hint, Media, Outcome, Outgoing, PlatformId, Result, SendReceipt, TenantId,
    Timestamp, Voice,
};
use zupa_runtime::SystemClock;

/// Where messages go, and whether whoever reads there drops repeats.
#[derive(Debug, Clone)]
pub struct Sink {
    /// Opened for appending.
    pub file: Arc<File>,
    /// Who drops a message that is sent twice.
    pub deduplicates: Deduplicates,
}

impl Sink {
    /// The same door, but what it says leaves through the sink.
    pub fn behind(&self, door: Arc<dyn Channel>) -> Arc<dyn Channel> {
        Arc::new(Door {
            door,
            sink: self.clone(),
        })
    }
}

#[derive(Debug)]
struct Door {
    door: Arc<dyn Channel>,
    sink: Sink,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Channel for Door {
    fn id(&self) -> &ChannelId {
        self.door.id()
    }

    fn tenant(&self) -> &TenantId {
        self.door.tenant()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Acknowledges::OnSend, self.sink.deduplicates)
    }

    /// One short append: it left or it did not, whenever the process dies.
    async fn send(&self, message: Outgoing) -> Result<SendReceipt> {
        let Outgoing {
            delivery, attempt, ..
        } = message;
        let at = SystemClock::default().wall().0;
        let line = format!("{delivery} {attempt} {} {at}\n", process::id());
        (&*self.sink.file)
            .write_all(line.as_bytes())
            .map_err(|source| {
                Error::new(ErrorKind::Unavailable, "the sink took nothing")
                    .with_outcome(Outcome::Unknown)
                    .with_source(source)
            })?;
        tokio::time::sleep(answers_after(delivery, attempt)).await;
        Ok(SendReceipt {
            platform_id: Some(PlatformId::parse(format!("sink-{delivery}"))?),
        })
    }

    /// It hears nothing of what it has taken.
    fn is_open(&self) -> bool {
        self.door.is_open()
    }

    fn caught_up_since(&self) -> Option<Timestamp> {
        None
    }

    fn voice(&self) -> Voice {
        self.door.voice()
    }

    async fn media(&self, handle: &str, max_bytes: u64, timeout: Duration) -> Result<Media> {
        self.door.media(handle, max_bytes, timeout).await
    }

    fn hint(&self, to: &Address, hint: Hint) {
        self.door.hint(to, hint);
    }
}

/// As long as a platform takes for its answer: some milliseconds, one time in
/// five 100 to 300. The ids of turns are random enough.
fn answers_after(delivery: DeliveryId, attempt: u32) -> Duration {
    let roll = (delivery.turn.0.as_u64_pair().1 ^ u64::from(attempt))
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        >> 32;
    Duration::from_millis(match roll % 5 {
        0 => 100 + roll % 200,
        _ => 1 + roll % 9,
    })
}
