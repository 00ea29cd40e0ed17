//! One direction of one connection: read a piece, let it suffer, write it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::toxic::{End, Toxics};

/// Bytes of one read.
const BUFFER: usize = 16 * 1024;

/// What one direction needs.
pub(crate) struct Flow {
    pub toxics: watch::Receiver<Toxics>,
    /// Of all connections, for the one who counts.
    pub bytes: Arc<AtomicU64>,
    pub seed: u64,
}

impl Flow {
    /// Moves bytes until one side ends or a toxic ends it.
    pub(crate) async fn run(
        mut self,
        mut from: ReadHalf<'_>,
        mut to: WriteHalf<'_>,
    ) -> io::Result<End> {
        let mut draws = SmallRng::seed_from_u64(self.seed);
        let mut buffer = vec![0; BUFFER];
        let mut passed = 0;
        loop {
            // A toxic may end a direction in which nobody speaks.
            if let Some(end) = self.passable().await?.ends(passed) {
                return end_with(end, &mut to).await;
            }
            // Cancel safe: a read that is dropped has taken nothing.
            let read = tokio::select! {
                _ = self.toxics.changed() => continue,
                read = from.read(&mut buffer) => read?,
            };
            if read == 0 {
                self.passable().await?;
                return end_with(End::HalfClose, &mut to).await;
            }
            let mut rest = &buffer[..read];
            while !rest.is_empty() {
                // Anew for each piece: toxics change in the middle.
                let now = self.passable().await?;
                if let Some(end) = now.ends(passed) {
                    return end_with(end, &mut to).await;
                }
                let (piece, later) = rest.split_at(now.piece(passed).min(rest.len()));
                sleep(now.wait(piece.len(), draws.random())).await;
                to.write_all(piece).await?;
                passed += piece.len() as u64;
                self.bytes.fetch_add(piece.len() as u64, Ordering::SeqCst);
                rest = later;
            }
        }
    }

    /// The toxics of now, once they let anything through.
    async fn passable(&mut self) -> io::Result<Toxics> {
        let now = self.toxics.wait_for(|now| !now.is_black_hole()).await;
        now.map(|now| now.clone()).map_err(io::Error::other)
    }
}

async fn end_with(end: End, to: &mut WriteHalf<'_>) -> io::Result<End> {
    if end == End::HalfClose {
        to.shutdown().await?;
    }
    Ok(end)
}
