//! The breaker against a model of it that remembers everything and shares no code.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use zupa_core::{ErrorKind, Result};
use zupa_runtime::resilience::{Breaker, BreakerRules, BreakerState, Permit};
use zupa_testkit::ManualClock;

use crate::support::{error, secs};

const RULES: BreakerRules = BreakerRules {
    failure_percent: 40,
    minimum_calls: 3,
    window: Duration::from_secs(10),
    reset: Duration::from_secs(7),
    probes: 2,
};

#[derive(Debug, Clone)]
enum Command {
    Begin,
    /// Ends the n-th call that is out: well, badly, or not at all.
    End(usize, Option<bool>),
    Pass(u64),
    Open,
    Close,
}

fn commands() -> impl Strategy<Value = Vec<Command>> {
    let command = prop_oneof![
        6 => Just(Command::Begin),
        6 => (0..8_usize, prop_oneof![3 => Just(Some(false)), 3 => Just(Some(true)), 1 => Just(None)])
            .prop_map(|(which, end)| Command::End(which, end)),
        3 => (0..9_u64).prop_map(Command::Pass),
        1 => Just(Command::Open),
        1 => Just(Command::Close),
    ];
    proptest::collection::vec(command, 1..80)
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Closed,
    Open(Option<u64>),
    HalfOpen,
}

/// A call: when it began, in which stretch between two changes, and how it ended.
struct Call {
    stretch: usize,
    ended: Option<(u64, Option<bool>)>,
}

struct Model {
    now: u64,
    phase: Phase,
    stretch: usize,
    calls: Vec<Call>,
}

impl Model {
    fn change(&mut self, phase: Phase) {
        self.phase = phase;
        self.stretch += 1;
    }

    fn of_stretch(&self) -> impl Iterator<Item = &Call> {
        self.calls
            .iter()
            .filter(|call| call.stretch == self.stretch)
    }

    fn begin(&mut self) -> bool {
        if matches!(self.phase, Phase::Open(Some(until)) if until <= self.now) {
            self.change(Phase::HalfOpen);
        }
        let cancelled = |call: &&Call| matches!(call.ended, Some((_, None)));
        let admitted = match self.phase {
            Phase::Closed => true,
            Phase::Open(_) => false,
            Phase::HalfOpen => {
                let taken = self.of_stretch().count() - self.of_stretch().filter(cancelled).count();
                taken < RULES.probes as usize
            }
        };
        if admitted {
            let stretch = self.stretch;
            self.calls.push(Call {
                stretch,
                ended: None,
            });
        }
        admitted
    }

    fn end(&mut self, place: usize, end: Option<bool>) {
        self.calls[place].ended = Some((self.now, end));
        if self.calls[place].stretch != self.stretch {
            return;
        }
        match self.phase {
            Phase::Closed if end == Some(false) => {
                // The window moves by whole seconds, a tenth of it.
                let recent = self.of_stretch().filter_map(|call| match call.ended {
                    Some((at, Some(well))) if at + 10 > self.now => Some(well),
                    _ => None,
                });
                let recent: Vec<_> = recent.collect();
                let failed = recent.iter().filter(|well| !**well).count();
                if recent.len() >= 3 && failed * 10 >= recent.len() * 4 {
                    self.change(Phase::Open(Some(self.now + 7)));
                }
            }
            Phase::HalfOpen if end == Some(false) => self.change(Phase::Open(Some(self.now + 7))),
            Phase::HalfOpen => {
                let well = |call: &&Call| matches!(call.ended, Some((_, Some(true))));
                if self.of_stretch().filter(well).count() == RULES.probes as usize {
                    self.change(Phase::Closed);
                }
            }
            _ => {}
        }
    }

    fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open(_) => BreakerState::Open,
            Phase::HalfOpen => BreakerState::HalfOpen,
        }
    }
}

fn agree(commands: Vec<Command>) {
    let clock = ManualClock::default();
    let breaker = Breaker::builder("b").clock(Arc::new(clock.clone()));
    let breaker = breaker.rules(RULES).build().unwrap();
    let mut model = Model {
        now: 0,
        phase: Phase::Closed,
        stretch: 0,
        calls: Vec::new(),
    };
    let down: Result<()> = Err(error(ErrorKind::Unavailable));
    let mut out: Vec<(usize, Permit)> = Vec::new();
    for command in commands {
        match command {
            Command::Begin => {
                let permit = breaker.permit().ok();
                assert_eq!(permit.is_some(), model.begin(), "{:?}", model.phase);
                out.extend(permit.map(|permit| (model.calls.len() - 1, permit)));
            }
            Command::End(which, end) if !out.is_empty() => {
                let (place, permit) = out.remove(which % out.len());
                model.end(place, end);
                match end {
                    Some(true) => permit.answered(&Result::Ok(())),
                    Some(false) => permit.answered(&down),
                    None => drop(permit),
                }
            }
            Command::End(..) => {}
            Command::Pass(seconds) => {
                clock.advance(secs(seconds));
                model.now += seconds;
            }
            Command::Open => {
                breaker.open();
                model.change(Phase::Open(None));
            }
            Command::Close => {
                breaker.close();
                model.change(Phase::Closed);
            }
        }
        assert_eq!(breaker.metrics().state, model.state());
    }
}

/// Sequences: 10,000 with ZUPA_CASES=10000, a tenth without.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the tests says how long"
)]
fn cases() -> u32 {
    let wanted = std::env::var("ZUPA_CASES").ok();
    wanted.and_then(|cases| cases.parse().ok()).unwrap_or(1_000)
}

#[test]
fn it_does_as_its_model_does() {
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases())
    };
    proptest!(config, |(commands in commands())| agree(commands));
}
