//! A process that is stopped in mid-step and goes on later, as by SIGSTOP: the
//! clock that it measures with has gone on, and it has not.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use zupa_core::{
    Address, Capabilities, Channel, ChannelId, Clock, Hint, Media, Outgoing, Result, SendReceipt,
    TenantId, Timestamp, Voice,
};
use zupa_testkit::{RecordingChannel, TokioClock};

/// How long a process was stopped, in all.
#[derive(Debug, Clone, Default)]
pub struct HeldUp(Arc<Mutex<Duration>>);

impl HeldUp {
    /// The process was stopped for so long, just now.
    pub fn stop(&self, time: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += time;
    }

    pub fn clock(&self, clock: TokioClock) -> impl Clock {
        Stoppable {
            clock,
            stopped: self.clone(),
        }
    }
}

#[derive(Debug)]
struct Stoppable {
    clock: TokioClock,
    stopped: HeldUp,
}

impl Clock for Stoppable {
    fn wall(&self) -> Timestamp {
        self.clock.wall()
    }

    fn monotonic(&self) -> Duration {
        let stopped = self.stopped.0.lock();
        self.clock.monotonic() + *stopped.unwrap_or_else(PoisonError::into_inner)
    }

    fn boot(&self) -> Duration {
        self.clock.boot()
    }
}

/// What a door is told at a moment of interest.
#[derive(Debug, Clone, Copy)]
pub enum Sign {
    /// The model is about to be asked.
    Typing,
    /// The end of the turn is written.
    End,
}

/// A door that stops the process once, at the first sign of this kind.
#[derive(Debug)]
pub struct Touchy {
    door: Arc<RecordingChannel>,
    at: Mutex<Option<(Sign, Duration)>>,
    process: HeldUp,
}

impl Touchy {
    pub fn new(
        door: &Arc<RecordingChannel>,
        process: &HeldUp,
        sign: Sign,
        time: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            door: door.clone(),
            at: Mutex::new(Some((sign, time))),
            process: process.clone(),
        })
    }
}

#[async_trait]
impl Channel for Touchy {
    fn id(&self) -> &ChannelId {
        self.door.id()
    }

    fn tenant(&self) -> &TenantId {
        self.door.tenant()
    }

    fn capabilities(&self) -> Capabilities {
        self.door.capabilities()
    }

    async fn send(&self, message: Outgoing) -> Result<SendReceipt> {
        self.door.send(message).await
    }

    fn is_open(&self) -> bool {
        self.door.is_open()
    }

    fn caught_up_since(&self) -> Option<Timestamp> {
        self.door.caught_up_since()
    }

    fn voice(&self) -> Voice {
        self.door.voice()
    }

    async fn media(&self, handle: &str, max_bytes: u64, timeout: Duration) -> Result<Media> {
        self.door.media(handle, max_bytes, timeout).await
    }

    fn hint(&self, to: &Address, hint: Hint) {
        let mut at = self.at.lock().unwrap_or_else(PoisonError::into_inner);
        match (&hint, *at) {
            (Hint::Typing, Some((Sign::Typing, time)))
            | (Hint::End { .. }, Some((Sign::End, time))) => {
                self.process.stop(time);
                *at = None;
            }
            _ => {}
        }
        self.door.hint(to, hint);
    }
}
