//! The line in front of a number: who may send next, and when.
//!
//! A number that has a pace is sent to with gaps between. A process begins with a gap, so
//! however often it dies, the gaps hold. Nothing of it is written: what waits here has no
//! attempt on record.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zupa_core::store::OpenDoors;
use zupa_core::{Channel, ChannelId, Clock, Lane, Pace, Timestamp};

use crate::doors::Doors;
use crate::resilience::GuardedChannel;

const HOUR: Duration = Duration::from_secs(60 * 60);
/// The longest that anything stands in a line: what waits for longer waits in the store, and
/// is read anew when its time has come.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most deliveries of a lane that stand in one.
const LINE: usize = 128;

/// The lines of this process's doors.
#[derive(Debug)]
pub(crate) struct Lines {
    lines: HashMap<ChannelId, Line>,
    end: LineEnd,
}

/// How lines end with their process.
#[derive(Debug, Clone, Default)]
pub(crate) struct LineEnd {
    /// From here on nothing leaves that nobody has asked for.
    pub news: CancellationToken,
    /// From here on nothing is begun.
    pub all: CancellationToken,
}

impl Lines {
    pub(crate) fn of(doors: &Doors, end: LineEnd) -> Self {
        let paced = doors.all().filter_map(|door| {
            let pace = door.capabilities().pace?;
            Some((door.id().clone(), Line::new(pace)))
        });
        Self {
            lines: paced.collect(),
            end,
        }
    }

    /// What is wanted `now` of the doors that take a message, and how much of that stands in
    /// their lines already.
    pub(super) fn wanted(&self, doors: &Doors, now: Timestamp) -> (OpenDoors, usize) {
        let (mut wanted, mut in_line) = (OpenDoors::default(), 0);
        for door in doors.open().filter(|_| !self.end.all.is_cancelled()) {
            let line = self.lines.get(door.id());
            let room = line.map_or_else(Room::whole, Line::room);
            let Some(replies) = room.replies else {
                continue;
            };
            in_line += replies;
            match room.others {
                Some(others) if !door.is_quiet(now) && !self.end.news.is_cancelled() => {
                    in_line += others;
                    wanted.all.push(door.id().clone());
                }
                _ => wanted.replies.push(door.id().clone()),
            }
        }
        (wanted, in_line)
    }

    /// Waits until the door may be sent to; false if it takes no such message soon, and then
    /// no place is taken. `random` spreads the gaps. Cancel safe.
    pub(super) async fn pass(
        &self,
        door: &GuardedChannel,
        lane: Lane,
        clock: &dyn Clock,
        random: u64,
    ) -> bool {
        let (end, is_reply) = (&self.end, lane == Lane::Reply);
        let stop = if is_reply { &end.all } else { &end.news };
        let is_quiet = || !is_reply && door.is_quiet(clock.wall());
        let takes_it = || door.admits() && !is_quiet() && !stop.is_cancelled();
        let Some(line) = self.lines.get(door.id()) else {
            return takes_it();
        };
        // Cancel safe, both.
        tokio::select! {
            passed = line.pass(is_reply, random, takes_it) => passed,
            () = stop.cancelled() => false,
        }
    }

    /// A place was taken, and certainly nothing has left.
    pub(super) fn give_back(&self, door: &ChannelId) {
        if let Some(line) = self.lines.get(door) {
            line.lock().left.pop_back();
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
    after: Instant,
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

/// How many stand in the line, where there is room for one more.
#[derive(Debug, Clone, Copy)]
struct Room {
    replies: Option<usize>,
    others: Option<usize>,
}

impl Room {
    fn whole() -> Self {
        Self {
            replies: Some(0),
            others: Some(0),
        }
    }
}

impl Line {
    fn new(pace: Pace) -> Self {
        Self {
            pace,
            replies: tokio::sync::Mutex::default(),
            others: tokio::sync::Mutex::default(),
            next: Mutex::new(Next {
                after: Instant::now() + pace.gap,
                left: VecDeque::new(),
                standing: Standing::default(),
            }),
        }
    }

    /// As many as leave before anybody loses patience.
    fn most(&self) -> usize {
        let in_time = PATIENCE.as_nanos() / self.pace.gap.as_nanos().max(1);
        usize::try_from(in_time).unwrap_or(LINE).clamp(1, LINE)
    }

    fn room(&self) -> Room {
        let most = self.most();
        let soon = Instant::now() + PATIENCE;
        let mut next = self.lock();
        let standing = next.standing;
        let mut has_room =
            |is_reply, count| count < most && self.opens(&mut next, is_reply) <= soon;
        Room {
            replies: has_room(true, standing.replies).then_some(standing.replies),
            others: has_room(false, standing.others).then_some(standing.others),
        }
    }

    /// Waits for its turn. No message that nobody has asked for leaves while a reply waits.
    /// False, and no place is taken, if there is no room, the door is closed when its turn
    /// comes, or the turn does not come soon.
    ///
    /// *Cancel safety*: whoever goes away leaves the line.
    async fn pass(&self, is_reply: bool, random: u64, is_open: impl Fn() -> bool) -> bool {
        let Some(_counted) = Counted::enter(self, is_reply) else {
            return false;
        };
        let _in_front = match is_reply {
            true => self.replies.lock().await,
            false => self.others.lock().await,
        };
        while is_open() {
            match self.take(is_reply, random) {
                Ok(()) => return true,
                Err(again) if again > Instant::now() + PATIENCE => return false,
                Err(again) => tokio::time::sleep_until(again).await,
            }
        }
        false
    }

    /// Takes the next place, or says when to ask again.
    fn take(&self, is_reply: bool, random: u64) -> Result<(), Instant> {
        let now = Instant::now();
        let mut next = self.lock();
        let opens = self.opens(&mut next, is_reply);
        if now < opens {
            return Err(opens);
        }
        if !is_reply && next.standing.replies > 0 {
            return Err(now + self.pace.gap.max(Duration::from_millis(1)));
        }
        next.after = now + self.gap(random);
        if self.pace.per_hour.is_some() {
            next.left.push_back(now);
        }
        Ok(())
    }

    /// When the next may leave. Half of an hour's messages are kept for replies.
    fn opens(&self, next: &mut Next, is_reply: bool) -> Instant {
        let Some(most) = self.pace.per_hour else {
            return next.after;
        };
        let now = Instant::now();
        while next.left.front().is_some_and(|left| *left + HOUR <= now) {
            next.left.pop_front();
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let most = if is_reply { most } else { most.div_ceil(2) };
        let full = next.left.len().checked_sub(most.max(1));
        let first = full.and_then(|place| next.left.get(place));
        first.map_or(next.after, |first| next.after.max(*first + HOUR))
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
    /// None where there is no room.
    fn enter(line: &'l Line, is_reply: bool) -> Option<Self> {
        let most = line.most();
        let mut next = line.lock();
        let count = Self::count(&mut next.standing, is_reply);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Self { line, is_reply })
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
        line.pass(lane == Lane::Reply, 0, || true).await
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
    async fn an_hour_has_so_many_messages_and_keeps_half_for_replies() {
        let line = Line::new(Pace {
            gap: Duration::from_secs(10),
            per_hour: Some(4),
            ..Pace::per_second(1)
        });
        let began = Instant::now();
        let mut passed = Vec::new();
        for lane in [Lane::Proactive, Lane::Late, Lane::Reply, Lane::Reply] {
            assert!(pass(&line, lane).await);
            passed.push(began.elapsed().as_secs());
        }
        assert_eq!(passed, [10, 20, 30, 40]);
        // Whoever would stand for an hour does not stand.
        for (lane, at) in [
            (Lane::Reply, 3_590),
            (Lane::Proactive, 3_590),
            (Lane::Reply, 3_590),
            (Lane::Proactive, 3_600),
        ] {
            tokio::time::sleep_until(began + Duration::from_secs(at)).await;
            passed.push(u64::from(pass(&line, lane).await));
        }
        assert_eq!(passed[4..], [0, 0, 0, 0]);
        tokio::time::sleep_until(began + Duration::from_secs(3_605)).await;
        assert!(pass(&line, Lane::Reply).await);
        assert_eq!(began.elapsed().as_secs(), 3_610);
        assert!(line.room().replies.is_some() && line.room().others.is_none());
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
            assert!(line.pass(true, ids.random(), || true).await);
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
        assert!(!line.pass(true, 0, || false).await);
        let began = Instant::now();
        assert!(pass(&line, Lane::Reply).await);
        assert_eq!(began.elapsed().as_millis(), 110);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_stand_in_a_line_than_leave_before_they_lose_patience() {
        let line = Arc::new(Line::new(Pace {
            gap: Duration::from_secs(2),
            ..Pace::per_second(1)
        }));
        let (passed, mut passing) = mpsc::unbounded_channel();
        for _ in 0..50 {
            let (line, passed) = (line.clone(), passed.clone());
            tokio::spawn(async move {
                let began = Instant::now();
                let is_through = pass(&line, Lane::Reply).await;
                passed
                    .send((is_through, began.elapsed().as_secs()))
                    .unwrap();
            });
        }
        let mut ends = Vec::new();
        for _ in 0..50 {
            ends.push(passing.recv().await.unwrap());
        }
        let through = |seconds| (true, seconds);
        assert_eq!(ends[..45], [(false, 0); 45]);
        assert_eq!(ends[45..], [2, 4, 6, 8, 10].map(through));
    }
}
