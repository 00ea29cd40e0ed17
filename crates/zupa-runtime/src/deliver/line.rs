//! The line in front of a number: who may send next, and when.
//!
//! A number that has a limit a second is sent to at even intervals. A process begins without
//! any credit, so however often it dies, the limit holds. Nothing of it is written: what
//! waits here has no attempt on record.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use zupa_core::{Channel, ChannelId, Lane, Pace};

use crate::doors::Doors;

/// What is kept back for messages that overtake each other on their way, in percent.
const KEPT_BACK: u32 = 10;

/// The lines of this process's doors.
#[derive(Debug)]
pub(crate) struct Lines(HashMap<ChannelId, Line>);

impl Lines {
    pub(crate) fn of(doors: &Doors) -> Self {
        let paced = doors.all().filter_map(|door| {
            let pace = door.capabilities().pace?;
            Some((door.id().clone(), Line::new(pace)))
        });
        Self(paced.collect())
    }

    /// Waits until the door may be sent to. Cancel safe.
    pub(super) async fn pass(&self, door: &ChannelId, lane: Lane) {
        if let Some(line) = self.0.get(door) {
            line.pass(lane).await;
        }
    }
}

/// The line of one number.
#[derive(Debug)]
struct Line {
    gap: Duration,
    /// One of each waits in front, and the others behind it in the order of their coming.
    replies: tokio::sync::Mutex<()>,
    others: tokio::sync::Mutex<()>,
    next: Mutex<Next>,
}

#[derive(Debug)]
struct Next {
    /// Nothing leaves before.
    at: Instant,
    /// Replies in the line.
    replies: usize,
}

impl Line {
    fn new(pace: Pace) -> Self {
        let gap = Duration::from_secs(1) / pace.per_second.max(1);
        let gap = gap * (100 + KEPT_BACK) / 100;
        let next = Next {
            at: Instant::now() + gap,
            replies: 0,
        };
        Self {
            gap,
            replies: tokio::sync::Mutex::default(),
            others: tokio::sync::Mutex::default(),
            next: Mutex::new(next),
        }
    }

    /// Waits for its turn. No message that nobody has asked for leaves while a reply waits.
    ///
    /// *Cancel safety*: whoever goes away leaves the line.
    async fn pass(&self, lane: Lane) {
        let is_reply = lane == Lane::Reply;
        let _counted = is_reply.then(|| Counted::new(self));
        let _in_front = match is_reply {
            true => self.replies.lock().await,
            false => self.others.lock().await,
        };
        while let Err(again) = self.take(is_reply) {
            tokio::time::sleep_until(again).await;
        }
    }

    /// Takes the next place, or says when to ask again.
    fn take(&self, is_reply: bool) -> Result<(), Instant> {
        let now = Instant::now();
        let mut next = self.lock();
        if now < next.at {
            return Err(next.at);
        }
        if !is_reply && next.replies > 0 {
            return Err(now + self.gap);
        }
        next.at = now + self.gap;
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Next> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reply in the line.
struct Counted<'l>(&'l Line);

impl<'l> Counted<'l> {
    fn new(line: &'l Line) -> Self {
        line.lock().replies += 1;
        Self(line)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.lock().replies -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::mpsc;
    use zupa_core::PairPace;

    use super::*;

    fn line(per_second: u32) -> Arc<Line> {
        let pair = PairPace {
            every: Duration::ZERO,
            burst: 1,
            slack: Duration::ZERO,
        };
        Arc::new(Line::new(Pace { per_second, pair }))
    }

    #[tokio::test(start_paused = true)]
    async fn a_number_begins_without_credit_and_gathers_none() {
        let line = line(10);
        let began = Instant::now();
        let mut passed = Vec::new();
        for _ in 0..3 {
            line.pass(Lane::Reply).await;
            passed.push(began.elapsed().as_millis());
        }
        assert_eq!(passed, [110, 220, 330]);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let began = Instant::now();
        line.pass(Lane::Reply).await;
        line.pass(Lane::Late).await;
        assert_eq!(began.elapsed().as_millis(), 110);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_overtakes_everything_that_nobody_has_asked_for() {
        let line = line(10);
        let (passed, mut passing) = mpsc::unbounded_channel();
        let join = |lane, at: u64| {
            let (line, passed) = (line.clone(), passed.clone());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(at)).await;
                line.pass(lane).await;
                passed.send((lane, at)).unwrap();
            });
        };
        for at in 0..4 {
            join(Lane::Proactive, at);
        }
        for at in [200, 201, 202] {
            join(Lane::Reply, at);
        }
        let mut order = Vec::new();
        for _ in 0..7 {
            order.push(passing.recv().await.unwrap());
        }
        let proactive = |at| (Lane::Proactive, at);
        let reply = |at| (Lane::Reply, at);
        let expected = [
            proactive(0),
            reply(200),
            reply(201),
            reply(202),
            proactive(1),
            proactive(2),
            proactive(3),
        ];
        assert_eq!(order, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_holds_nobody_up() {
        let line = line(10);
        let gone = tokio::time::timeout(Duration::from_millis(1), line.pass(Lane::Reply)).await;
        assert!(gone.is_err());
        let began = Instant::now();
        line.pass(Lane::Proactive).await;
        assert_eq!(began.elapsed().as_millis(), 109);
    }
}
