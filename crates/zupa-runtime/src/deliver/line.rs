//! The line in front of a number: who may send next, and when.
//!
//! A number that has a pace is sent to with gaps between. A process begins with a gap, so
//! however often it dies, the gaps hold. Nothing of it is written: what waits here has no
//! attempt on record.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use zupa_core::store::OpenDoors;
use zupa_core::{Channel, ChannelId, Lane, Pace};

use crate::doors::Doors;
use crate::resilience::GuardedChannel;

const HOUR: Duration = Duration::from_secs(60 * 60);
/// Deliveries of a lane that may stand in a line; the others wait in the store.
const LINE: usize = 128;

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

    /// What is wanted of the doors that take a message now, and how much of that stands in
    /// their lines already.
    pub(super) fn wanted(&self, doors: &Doors) -> (OpenDoors, usize) {
        let (mut wanted, mut in_line) = (OpenDoors::default(), 0);
        for door in doors.open() {
            let standing = self.0.get(&door).map(Line::standing).unwrap_or_default();
            if standing.replies >= LINE {
                continue;
            }
            in_line += standing.replies;
            if standing.others >= LINE {
                wanted.replies.push(door);
            } else {
                in_line += standing.others;
                wanted.all.push(door);
            }
        }
        (wanted, in_line)
    }

    /// Waits until the door may be sent to; false if it takes no message any more. `random`
    /// spreads the gaps. Cancel safe.
    pub(super) async fn pass(&self, door: &GuardedChannel, lane: Lane, random: u64) -> bool {
        match self.0.get(door.id()) {
            Some(line) => line.pass(lane, random, || door.admits()).await,
            None => true,
        }
    }
}

/// The line of one number.
#[derive(Debug)]
struct Line {
    pace: Pace,
    /// One of each waits in front, and the others behind it in the order of their coming.
    replies: tokio::sync::Mutex<()>,
    others: tokio::sync::Mutex<()>,
    next: Mutex<Next>,
}

#[derive(Debug)]
struct Next {
    /// Nothing leaves before.
    at: Instant,
    /// When the messages of the last hour left; kept where they are counted.
    left: VecDeque<Instant>,
    standing: Standing,
}

/// How many stand in the line.
#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    replies: usize,
    others: usize,
}

impl Line {
    fn new(pace: Pace) -> Self {
        Self {
            pace,
            replies: tokio::sync::Mutex::default(),
            others: tokio::sync::Mutex::default(),
            next: Mutex::new(Next {
                at: Instant::now() + pace.gap,
                left: VecDeque::new(),
                standing: Standing::default(),
            }),
        }
    }

    fn standing(&self) -> Standing {
        self.lock().standing
    }

    /// Waits for its turn. No message that nobody has asked for leaves while a reply waits.
    /// False, and no place is taken, if the door is closed when its turn comes.
    ///
    /// *Cancel safety*: whoever goes away leaves the line.
    async fn pass(&self, lane: Lane, random: u64, is_open: impl Fn() -> bool) -> bool {
        let is_reply = lane == Lane::Reply;
        let _counted = Counted::new(self, is_reply);
        let _in_front = match is_reply {
            true => self.replies.lock().await,
            false => self.others.lock().await,
        };
        while is_open() {
            match self.take(is_reply, random) {
                Ok(()) => return true,
                Err(again) => tokio::time::sleep_until(again).await,
            }
        }
        false
    }

    /// Takes the next place, or says when to ask again.
    fn take(&self, is_reply: bool, random: u64) -> Result<(), Instant> {
        let now = Instant::now();
        let mut next = self.lock();
        if now < next.at {
            return Err(next.at);
        }
        if !is_reply && next.standing.replies > 0 {
            return Err(now + self.pace.gap);
        }
        next.at = now + self.gap(random);
        if let Some(most) = self.pace.per_hour {
            next.left.push_back(now);
            if next.left.len() >= usize::try_from(most).unwrap_or(usize::MAX) {
                let first = next.left.pop_front().unwrap_or(now);
                next.at = next.at.max(first + HOUR);
            }
        }
        Ok(())
    }

    /// The low bits are random in every kind of id.
    fn gap(&self, random: u64) -> Duration {
        let chance = f64::from(random as u32) / f64::from(u32::MAX);
        let longer = f64::from(self.pace.spread) / 100.0 * chance;
        self.pace.gap.mul_f64(1.0 + longer)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Next> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One that stands in the line.
struct Counted<'l> {
    line: &'l Line,
    is_reply: bool,
}

impl<'l> Counted<'l> {
    fn new(line: &'l Line, is_reply: bool) -> Self {
        *Self::count(&mut line.lock().standing, is_reply) += 1;
        Self { line, is_reply }
    }

    fn count(standing: &mut Standing, is_reply: bool) -> &mut usize {
        match is_reply {
            true => &mut standing.replies,
            false => &mut standing.others,
        }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        *Self::count(&mut self.line.lock().standing, self.is_reply) -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::mpsc;
    use zupa_core::Ids;

    use super::*;

    fn line(per_second: u32) -> Arc<Line> {
        Arc::new(Line::new(Pace::per_second(per_second)))
    }

    async fn pass(line: &Line, lane: Lane) -> bool {
        line.pass(lane, 0, || true).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_number_begins_without_credit_and_gathers_none() {
        let line = line(10);
        let began = Instant::now();
        let mut passed = Vec::new();
        for _ in 0..3 {
            assert!(pass(&line, Lane::Reply).await);
            passed.push(began.elapsed().as_millis());
        }
        assert_eq!(passed, [110, 220, 330]);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let began = Instant::now();
        assert!(pass(&line, Lane::Reply).await);
        assert!(pass(&line, Lane::Late).await);
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
                assert!(pass(&line, lane).await);
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
        let gone = tokio::time::timeout(Duration::from_millis(1), pass(&line, Lane::Reply)).await;
        assert!(gone.is_err());
        let began = Instant::now();
        assert!(pass(&line, Lane::Proactive).await);
        assert_eq!(began.elapsed().as_millis(), 109);
    }

    #[tokio::test(start_paused = true)]
    async fn an_hour_has_so_many_messages_and_not_one_more() {
        let line = Line::new(Pace {
            gap: Duration::from_secs(10),
            per_hour: Some(3),
            ..Pace::per_second(1)
        });
        let began = Instant::now();
        let mut passed = Vec::new();
        for _ in 0..7 {
            assert!(pass(&line, Lane::Reply).await);
            passed.push(began.elapsed().as_secs());
        }
        assert_eq!(passed, [10, 20, 30, 3_610, 3_620, 3_630, 7_210]);
    }

    #[tokio::test(start_paused = true)]
    async fn gaps_are_uneven_where_that_is_wanted_and_never_too_short() {
        let line = Line::new(Pace {
            gap: Duration::from_secs(2),
            spread: 80,
            ..Pace::per_second(1)
        });
        let ids = zupa_testkit::SeqIds::seeded(7);
        let mut gaps = Vec::new();
        let mut before = Instant::now();
        for _ in 0..30 {
            assert!(line.pass(Lane::Reply, ids.random(), || true).await);
            gaps.push(before.elapsed());
            before = Instant::now();
        }
        gaps.sort();
        assert!(gaps[0] >= Duration::from_secs(2) && gaps[29] <= Duration::from_millis(3_601));
        assert!(
            gaps[28].as_secs_f64() / gaps[1].as_secs_f64() >= 1.3,
            "{gaps:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_the_door_closed_takes_no_place() {
        let line = line(10);
        assert!(!line.pass(Lane::Reply, 0, || false).await);
        let began = Instant::now();
        assert!(pass(&line, Lane::Reply).await);
        assert_eq!(began.elapsed().as_millis(), 110);
    }
}
