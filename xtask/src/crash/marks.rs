//! The marks of a faults build: which turn passed which phase, when. Written by
//! the server line by line, read by the nemesis while it lives and after it died.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use anyhow::Context as _;
use serde::Serialize;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    Accepted,
    Claimed,
    Model,
    Recorded,
    Committing,
    Committed,
    Ended,
}

impl Phase {
    /// Those in which a kill leaves something to recover, in order.
    pub const OPEN: [Self; 5] = [
        Self::Accepted,
        Self::Claimed,
        Self::Model,
        Self::Recorded,
        Self::Committing,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Claimed => "claimed",
            Self::Model => "model",
            Self::Recorded => "recorded",
            Self::Committing => "committing",
            Self::Committed => "committed",
            Self::Ended => "ended",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::OPEN
            .into_iter()
            .chain([Self::Committed, Self::Ended])
            .find(|phase| phase.name() == name)
    }
}

/// `<turn> <phase> <unix-micros>`; of `accepted` the first word is the event,
/// and `claimed` lists the events it took: `<turn> claimed <micros> <event>,<event>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub subject: String,
    pub phase: Phase,
    pub at: u64,
    pub events: Vec<String>,
    /// The incarnation that wrote it; the line itself does not tell.
    pub by: u64,
}

impl Mark {
    pub fn parse(line: &str) -> anyhow::Result<Self> {
        let read = || {
            let mut words = line.split_whitespace();
            let subject = words.next()?.to_owned();
            let phase = Phase::named(words.next()?)?;
            let at = words.next()?.parse().ok()?;
            let events = words
                .next()
                .map(|events| events.split(',').map(str::to_owned).collect());
            Some(Self {
                subject,
                phase,
                at,
                events: events.unwrap_or_default(),
                by: 0,
            })
        };
        read().with_context(|| format!("odd mark {line:?}"))
    }
}

/// Whether a run got as far as to have something to write, given its mark and
/// what was marked after that by all replicas. A claim or a call may be marked
/// late, by a process that was stopped or that waited for the store; such a run
/// looks at its claim and goes no further.
pub fn went_on(mark: &Mark, later: &[Mark]) -> bool {
    let own = later
        .iter()
        .filter(|next| next.subject == mark.subject && next.by == mark.by);
    let mut own = own.skip_while(|next| next.phase == Phase::Model);
    own.next().is_some_and(|next| {
        matches!(
            next.phase,
            Phase::Recorded | Phase::Committing | Phase::Committed
        )
    })
}

/// What one incarnation has under way, as far as its marks tell.
#[derive(Debug, Clone, Default)]
pub struct UnderWay {
    pub turns: BTreeMap<String, Phase>,
    /// Events accepted and not claimed yet.
    pub accepted: BTreeSet<String>,
    claimed: BTreeSet<String>,
}

impl UnderWay {
    pub fn apply(&mut self, mark: &Mark) {
        match mark.phase {
            // Two tasks write these marks: the claim's may overtake the acceptance's.
            Phase::Accepted if self.claimed.contains(&mark.subject) => {}
            Phase::Accepted => drop(self.accepted.insert(mark.subject.clone())),
            Phase::Committed | Phase::Ended => drop(self.turns.remove(&mark.subject)),
            phase => drop(self.turns.insert(mark.subject.clone(), phase)),
        }
        for event in &mark.events {
            self.accepted.remove(event);
            self.claimed.insert(event.clone());
        }
    }

    pub fn count(&self, phase: Phase) -> u64 {
        let turns = self.turns.values().filter(|at| **at == phase).count();
        let events = if phase == Phase::Accepted {
            self.accepted.len()
        } else {
            0
        };
        (turns + events) as u64
    }

    /// The only turn under way, if there is just one.
    pub fn alone(&self) -> Option<&str> {
        let mut turns = self.turns.keys();
        turns
            .next()
            .filter(|_| turns.next().is_none())
            .map(String::as_str)
    }
}

/// Reads what was appended since the last look.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    incarnation: u64,
    offset: u64,
    /// The start of a line whose end is still to come, or never will.
    rest: Vec<u8>,
}

impl Tail {
    pub fn new(path: PathBuf, incarnation: u64) -> Self {
        Self {
            path,
            incarnation,
            offset: 0,
            rest: Vec::new(),
        }
    }

    pub fn read(&mut self) -> anyhow::Result<Vec<Mark>> {
        let mut file = File::open(&self.path).context("cannot read the marks")?;
        file.seek(SeekFrom::Start(self.offset))?;
        self.offset += file.read_to_end(&mut self.rest)? as u64;
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return Ok(Vec::new());
        };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        String::from_utf8_lossy(&whole)
            .lines()
            .map(|line| {
                let mark = Mark::parse(line)?;
                Ok(Mark {
                    by: self.incarnation,
                    ..mark
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under_way(lines: &[&str]) -> anyhow::Result<UnderWay> {
        let mut under_way = UnderWay::default();
        for line in lines {
            under_way.apply(&Mark::parse(line)?);
        }
        Ok(under_way)
    }

    #[test]
    fn a_mark_is_read() -> anyhow::Result<()> {
        let mark = Mark::parse("t1 claimed 17 e1,e2")?;
        assert_eq!(
            (mark.subject.as_str(), mark.phase, mark.at),
            ("t1", Phase::Claimed, 17)
        );
        assert_eq!(mark.events, ["e1", "e2"]);
        Ok(())
    }

    #[test]
    fn odd_marks_are_errors() {
        for odd in ["", "t1", "t1 model", "t1 model x", "t1 sleeping 3"] {
            assert!(Mark::parse(odd).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn a_run_goes_on_when_it_has_something_to_write() -> anyhow::Result<()> {
        let went_on = |later: &[&str]| -> anyhow::Result<bool> {
            let later: Vec<Mark> = later
                .iter()
                .map(|line| Mark::parse(line))
                .collect::<Result<_, _>>()?;
            Ok(went_on(&Mark::parse("t1 claimed 1 e1")?, &later))
        };
        assert!(went_on(&["t2 model 2", "t1 model 2", "t1 recorded 3"])?);
        assert!(went_on(&["t1 committing 3"])?);
        assert!(!went_on(&["t1 model 2", "t2 committing 3"])?);
        assert!(!went_on(&["t1 model 2", "t1 claimed 3 e1", "t1 model 4"])?);
        Ok(())
    }

    #[test]
    fn each_turn_counts_in_its_last_phase() -> anyhow::Result<()> {
        let at_death = under_way(&[
            "e1 accepted 1",
            "e2 accepted 1",
            "e3 accepted 2",
            "e4 accepted 2",
            "t1 claimed 2 e1",
            "t2 claimed 2 e2,e3",
            "t3 claimed 2 e9",
            "t1 model 3",
            "t1 recorded 4",
            "t2 model 4",
            "t3 committing 5",
            "t3 committed 6",
        ])?;
        assert_eq!(
            Phase::OPEN.map(|phase| at_death.count(phase)),
            [1, 0, 1, 1, 0]
        );
        Ok(())
    }

    #[test]
    fn a_claim_may_be_marked_before_the_acceptance() -> anyhow::Result<()> {
        assert_eq!(
            under_way(&["t1 claimed 2 e1", "e1 accepted 2"])?.count(Phase::Accepted),
            0
        );
        Ok(())
    }

    #[test]
    fn alone_means_one_turn_whatever_was_only_accepted() -> anyhow::Result<()> {
        assert_eq!(
            under_way(&["e1 accepted 1", "t1 model 2"])?.alone(),
            Some("t1")
        );
        assert_eq!(under_way(&["t1 model 2", "t2 claimed 2 e1"])?.alone(), None);
        assert_eq!(under_way(&["t1 model 2", "t1 ended 3"])?.alone(), None);
        Ok(())
    }

    #[test]
    fn a_torn_line_waits_for_its_end() -> anyhow::Result<()> {
        let path = std::env::temp_dir().join(format!("marks-{}", std::process::id()));
        let mut tail = Tail::new(path.clone(), 3);
        std::fs::write(&path, "t1 claimed 2 e1\nt1 mod")?;
        assert_eq!(tail.read()?.len(), 1);
        assert_eq!(tail.read()?.len(), 0);
        std::fs::write(&path, "t1 claimed 2 e1\nt1 model 3\nt1 rec")?;
        let read = tail.read()?;
        std::fs::remove_file(&path)?;
        let mark = Mark::parse("t1 model 3")?;
        assert_eq!(read, [Mark { by: 3, ..mark }]);
        Ok(())
    }
}
