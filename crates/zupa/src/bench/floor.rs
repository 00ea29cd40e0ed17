//! The floor: the least program that keeps the path's promise on this disk.
//!
//! One thread owns the connection, commits whatever is queued, and acknowledges
//! afterwards ([`writer`]). A turn is two acknowledged requests: `accept` (the
//! dedupe key and the message) and `finish` (the answer, a checkpoint of 2 KiB,
//! an audit and an outbox row). No graph, no model and no door around it: this
//! client counts in memory and waits where the model would think.

mod recovery;
mod writer;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use super::clock;
use super::figures::Figures;
use super::file::{self, LogCount};
use super::meter::Meter;
use super::schedule::Ticks;
use super::workload::{Load, Workload};
use crate::cli::Failure;
pub(super) use recovery::{accept_one, pile, recover};
use writer::{Ack, Request, Writer};

/// How long the last answers are awaited.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest that the client sleeps, so that it sees the end come.
const NAP: Duration = Duration::from_millis(20);

/// Runs a workload.
pub(super) fn run(workload: &Workload, file: &Path) -> Result<Figures, Failure> {
    let writer = Writer::start(file, workload.durability, workload.seed)?;
    let log = workload
        .counts_log
        .then(|| LogCount::start(file))
        .transpose()?;
    let before = file::stored_bytes(file)?;
    let meter = Meter::new(workload, writer.writes());
    let unanswered = Client::new(workload, &writer, &meter).run()?;
    let figures = meter
        .figures(unanswered)
        .with_growth(before, file::stored_bytes(file)?)
        .with_log(log.map(|log| log.bytes()).transpose()?);
    writer.stop()?;
    Ok(figures)
}

/// Plays every conversation from one thread.
struct Client<'a> {
    workload: &'a Workload,
    writer: &'a Writer,
    meter: &'a Meter,
    ends: Instant,
    ticks: Option<Ticks>,
    /// Conversations that wait for nothing, longest first.
    free: VecDeque<u32>,
    /// For each conversation: turns begun, and when the last message was sent.
    begun: Vec<(u32, Instant)>,
    /// Answers that the model is thinking of, soonest first.
    thinking: VecDeque<(Instant, u32)>,
    in_flight: u64,
    sent: u64,
}

impl<'a> Client<'a> {
    fn new(workload: &'a Workload, writer: &'a Writer, meter: &'a Meter) -> Self {
        let now = clock::now();
        Self {
            workload,
            writer,
            meter,
            ends: meter.ends(workload),
            ticks: match workload.load {
                Load::Open { per_second } => Some(Ticks::starting(now, per_second)),
                Load::Closed { .. } => None,
            },
            free: (0..workload.conversations).collect(),
            begun: vec![(0, now); workload.conversations as usize],
            thinking: VecDeque::new(),
            in_flight: 0,
            sent: 0,
        }
    }

    /// Sends until the end and waits for the answers; tells how many never came.
    fn run(mut self) -> Result<u64, Failure> {
        loop {
            let now = clock::now();
            let all_sent = now >= self.ends || self.sent >= self.workload.most();
            if !all_sent {
                self.send(now);
            } else if now >= self.ends || self.in_flight == 0 {
                self.meter.close(now.min(self.ends));
            }
            let too_late = now > self.ends + self.workload.model() + PATIENCE;
            if all_sent && self.in_flight == 0 || too_late {
                return Ok(self.in_flight);
            }
            self.answer(now);
            match self.writer.acks.recv_timeout(self.nap(now)) {
                Ok(acks) => acks.into_iter().for_each(|ack| self.acknowledged(ack)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(self.writer.failure()),
            }
        }
    }

    fn send(&mut self, now: Instant) {
        match (self.workload.load, self.ticks.take()) {
            (Load::Open { .. }, Some(mut ticks)) => {
                while let Some((due, burst)) = ticks.take(now) {
                    (0..burst).for_each(|_| self.begin(due));
                }
                self.ticks = Some(ticks);
            }
            (Load::Closed { in_flight }, _) => {
                while self.in_flight < u64::from(in_flight) && self.sent < self.workload.most() {
                    self.begin(now);
                }
            }
            (Load::Open { .. }, None) => {}
        }
    }

    fn begin(&mut self, due: Instant) {
        let Some(conversation) = self.free.pop_front() else {
            self.meter.refused();
            return;
        };
        let (turns, since) = &mut self.begun[conversation as usize];
        (*turns, *since) = (*turns + 1, due);
        self.writer.request(Request::Accept {
            conversation,
            turn: *turns,
            sequence: self.sent,
            text: self.workload.text(self.sent),
        });
        self.sent += 1;
        self.in_flight += 1;
    }

    /// Finishes what the model has thought about long enough.
    fn answer(&mut self, now: Instant) {
        while let Some((_, conversation)) = self.thinking.pop_front_if(|(at, _)| *at <= now) {
            self.finish(conversation);
        }
    }

    fn finish(&self, conversation: u32) {
        let (turn, _) = self.begun[conversation as usize];
        self.writer.request(Request::Finish { conversation, turn });
    }

    fn acknowledged(&mut self, ack: Ack) {
        match ack {
            Ack::Accepted(conversation) if self.workload.model_ms == 0 => self.finish(conversation),
            Ack::Accepted(conversation) => {
                let at = clock::now() + self.workload.model();
                self.thinking.push_back((at, conversation));
            }
            Ack::Finished(conversation) => {
                let (_, since) = self.begun[conversation as usize];
                self.meter.answered(since, clock::now());
                self.in_flight -= 1;
                self.free.push_back(conversation);
            }
        }
    }

    fn nap(&self, now: Instant) -> Duration {
        let tick = self.ticks.as_ref().map(Ticks::next);
        let thought = self.thinking.front().map(|(at, _)| *at);
        [tick.filter(|_| now < self.ends), thought]
            .into_iter()
            .flatten()
            .map(|at| at.saturating_duration_since(now))
            .fold(NAP, Duration::min)
    }
}
