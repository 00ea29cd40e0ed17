//! What can be wrong with one direction of a link.

use std::time::Duration;

/// One way along a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Requests,
    /// From the server to the client.
    Answers,
}

/// A fault of one direction. Several of them add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toxic {
    /// Each piece waits so long, and up to `jitter` longer.
    Latency {
        /// At least.
        delay: Duration,
        /// What a seeded draw adds at most.
        jitter: Duration,
    },
    /// Bytes a second; none at all is a [`Toxic::BlackHole`].
    Bandwidth(u64),
    /// Pieces of at most so many bytes, each in a write of its own.
    Slicer(usize),
    /// After so many bytes of a connection both of its sides see a reset.
    ResetAfter(u64),
    /// After so many bytes of a connection this direction ends in order, and the
    /// other one goes on.
    HalfCloseAfter(u64),
    /// Nothing moves, as if a cable were out, and nothing is closed: what was sent
    /// waits, and moves on when the toxic goes.
    BlackHole,
}

/// The faults of one direction, put together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Toxics(pub(crate) Vec<Toxic>);

impl Toxics {
    /// How many bytes may be moved in one piece, after `passed` ones.
    pub(crate) fn piece(&self, passed: u64) -> usize {
        /// Ten pieces a second are smooth enough.
        const PIECES: u64 = 10;
        let limits = self.0.iter().map(|toxic| match *toxic {
            Toxic::Slicer(bytes) => bytes as u64,
            Toxic::Bandwidth(bytes) => bytes / PIECES,
            // Up to the place where it happens, and not across it.
            Toxic::ResetAfter(at) | Toxic::HalfCloseAfter(at) if at > passed => at - passed,
            _ => u64::MAX,
        });
        let least = limits.min().unwrap_or(u64::MAX).max(1);
        usize::try_from(least).unwrap_or(usize::MAX)
    }

    /// How long a piece waits; `draw` is between 0 and 1.
    pub(crate) fn wait(&self, bytes: usize, draw: f64) -> Duration {
        let waits = self.0.iter().map(|toxic| match *toxic {
            Toxic::Latency { delay, jitter } => delay + jitter.mul_f64(draw),
            Toxic::Bandwidth(rate) => Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64),
            _ => Duration::ZERO,
        });
        waits.sum()
    }

    pub(crate) fn is_black_hole(&self) -> bool {
        self.0
            .iter()
            .any(|toxic| matches!(toxic, Toxic::BlackHole | Toxic::Bandwidth(0)))
    }

    /// What happens once `passed` bytes are through.
    pub(crate) fn ends(&self, passed: u64) -> Option<End> {
        self.0.iter().find_map(|toxic| match *toxic {
            Toxic::ResetAfter(at) if passed >= at => Some(End::Reset),
            Toxic::HalfCloseAfter(at) if passed >= at => Some(End::HalfClose),
            _ => None,
        })
    }
}

/// How a direction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// In order: the other direction goes on.
    HalfClose,
    /// Both directions at once, without a goodbye.
    Reset,
}
