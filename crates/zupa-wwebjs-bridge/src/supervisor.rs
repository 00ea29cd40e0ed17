//! Keeps a sidecar running: start, handshake, signs of life, end, pause, and again.
//!
//! What arrives: frames of the sidecar. What is guaranteed on leaving: an event is
//! confirmed only when accept has made it durable, and nothing of an old life is left when
//! a new one starts. If the process dies here, the sidecar hears its input close, ends its
//! browser and itself; what lingers is ended at the next start.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};
use tracing::{info, warn};
use zupa_core::Intake;

use crate::accept;
use crate::channel::millis;
use crate::child::Session;
use crate::door::{Door, Line, WwebjsBridge};
use crate::event::Groups;
use crate::sidecar::{LIBRARY, lay_out};
use crate::status::{self, Pairing, State, word};
use crate::wire::{FromSidecar, PROTOCOL, Settings, ToSidecar, read};

/// How long Node may take to say its first word.
const HELLO: Duration = Duration::from_secs(30);
/// How long a sidecar may take to let its browser go.
const FAREWELL: Duration = Duration::from_secs(15);
/// Frames that are read and not yet looked at.
const UNREAD: usize = 256;
/// Events that may wait to be handed in; a sidecar sends no more before some are confirmed.
const UNCONFIRMED: usize = 256;

/// How a life of a sidecar ended.
struct End {
    state: State,
    was_ready: bool,
}

impl WwebjsBridge {
    /// Keeps a sidecar running and hands in what it hears, until [`Self::close`].
    ///
    /// *Cancel safety*: dropping it kills the sidecar and all that it has started.
    pub async fn run(&self, intake: Intake) {
        let mut closing = self.0.closing.subscribe();
        let mut deaths = 0_u32;
        while !*closing.borrow() {
            let began = self.0.clock.monotonic();
            let end = live(&self.0, &intake).await;
            if *closing.borrow() {
                break;
            }
            self.0.become_(end.state);
            deaths = if end.was_ready {
                1
            } else {
                deaths.saturating_add(1)
            };
            let took = self.0.clock.monotonic().saturating_sub(began);
            let pause = self.pause(&end, deaths, took);
            warn!(channel = %self.0.config.channel, state = end.state.as_str(),
                reason = end.state.reason(), ?pause, "the sidecar has ended");
            // Cancel safe, both.
            tokio::select! {
                () = sleep(pause) => {}
                _ = closing.wait_for(|closing| *closing) => {}
            }
        }
        self.0.become_(State::Degraded("stopped"));
    }

    /// A life that was good is followed by another at once; lives that never become ready
    /// do not follow each other faster than their pause.
    fn pause(&self, end: &End, deaths: u32, took: Duration) -> Duration {
        let pulse = &self.0.config.pulse;
        let chance = f64::from(self.0.ids.random() as u32) / f64::from(u32::MAX);
        let doubled = pulse.restart_base * 2_u32.saturating_pow(deaths.saturating_sub(1).min(16));
        let backoff = doubled.min(pulse.restart_cap).mul_f64(1.0 + chance / 2.0);
        let apart = match end.state {
            // However long it was good: it is not asked for again at once.
            State::Blocked(_) => pulse.blocked_pause,
            _ if end.was_ready => Duration::ZERO,
            _ => pulse.unready_pause.saturating_sub(took),
        };
        backoff.max(apart)
    }
}

/// One life, from its start to its end.
async fn live(door: &Arc<Door>, intake: &Intake) -> End {
    let mut life = Life {
        door,
        was_ready: false,
        is_leaving: false,
        last: None,
    };
    let why = life.run(intake).await;
    // A word of the sidecar's says more than that it has gone.
    let state = match life.last {
        Some(state @ (State::Blocked(_) | State::Degraded(_))) => state,
        _ => State::Degraded(why),
    };
    End {
        state,
        was_ready: life.was_ready,
    }
}

impl Door {
    fn become_(&self, state: State) {
        let is_new = self.standing() != state;
        self.status.send_if_modified(|status| {
            let had_pairing = status.pairing.take().is_some();
            if is_new {
                status.since = self.clock.wall();
                status.state = state;
            }
            is_new || had_pairing
        });
        if is_new {
            info!(channel = %self.config.channel, state = state.as_str(),
                reason = state.reason(), "the phone has changed");
        }
    }
}

struct Life<'a> {
    door: &'a Arc<Door>,
    was_ready: bool,
    is_leaving: bool,
    last: Option<State>,
}

impl Life<'_> {
    /// Returns why it is over.
    async fn run(&mut self, intake: &Intake) -> &'static str {
        let config = &self.door.config;
        let session = match Session::take(&config.session_dir) {
            Ok(session) => session,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return "session_in_use";
            }
            Err(error) => {
                warn!(channel = %config.channel, %error, "the folder of a phone cannot be used");
                return "session_dir";
            }
        };
        session.sweep();
        if let Err(error) = lay_out(&config.sidecar_dir) {
            warn!(channel = %config.channel, %error, "the sidecar cannot be laid out");
            return "session_dir";
        }
        let mut sidecar = match session.start(config) {
            Ok(sidecar) => sidecar,
            Err(error) => {
                warn!(channel = %config.channel, %error, "node cannot be started");
                return "no_node";
            }
        };
        self.door.status.send_modify(|status| status.starts += 1);
        self.door.become_(State::Starting);
        let Some((stdin, stdout)) = sidecar.pipes() else {
            return "no_node";
        };
        let why = self.talk(intake, &session, stdin, stdout).await;
        self.door.disconnect();
        if self.is_leaving {
            // Cancel safe: a sidecar that is not waited for is killed.
            let _ = timeout(FAREWELL, sidecar.ended()).await;
        }
        drop(sidecar);
        session.sweep();
        why
    }

    async fn talk(
        &mut self,
        intake: &Intake,
        session: &Session,
        stdin: ChildStdin,
        mut stdout: ChildStdout,
    ) -> &'static str {
        let pulse = self.door.config.pulse;
        // Dropped by its deadline only together with the sidecar.
        match timeout(HELLO.min(pulse.start), read(&mut stdout)).await {
            Ok(Ok(FromSidecar::Hello { protocol, library })) => {
                if protocol != PROTOCOL {
                    return "protocol";
                }
                match library.as_deref() {
                    Some(LIBRARY) => {}
                    Some(_) => return "library_version",
                    None => return "library_missing",
                }
            }
            Ok(Ok(_)) => return "bad_frame",
            Ok(Err(error)) => return broken(&error),
            Err(_) => return "no_hello",
        }
        let (line, outgoing) = Line::open();
        let (frames, heard) = mpsc::channel(UNREAD);
        let (events, unconfirmed) = mpsc::channel(UNCONFIRMED);
        // They end with this life.
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(stdout, frames));
        tasks.spawn(speak(stdin, outgoing));
        let accepting = accept::run(
            Arc::clone(self.door),
            intake.clone(),
            unconfirmed,
            line.clone(),
        );
        tasks.spawn(accepting);
        line.say(&self.hello(session));
        self.door.connect(line.clone());
        self.follow(heard, &events, &line).await
    }

    fn hello<'a>(&'a self, session: &'a Session) -> ToSidecar<'a> {
        let config = &self.door.config;
        let pulse = &config.pulse;
        ToSidecar::Hello {
            protocol: PROTOCOL,
            settings: Settings {
                folder: session.folder().to_str().unwrap_or_default(),
                chromium: config.chromium.to_str().unwrap_or_default(),
                sandbox: config.sandbox,
                marker: session.marker(),
                pair_with: config.pair_with.as_deref(),
                beat_ms: millis(pulse.beat),
                dead_ms: millis(pulse.dead),
                start_ms: millis(pulse.start),
                ready_ms: millis(pulse.ready),
                probe_ms: millis(pulse.probe),
                backlog_ms: millis(config.backlog),
                groups: match config.groups {
                    Groups::Ignore => "ignore",
                    Groups::Answer => "answer",
                },
                spool_events: pulse.spool_events,
                spool_bytes: pulse.spool_bytes,
            },
        }
    }

    async fn follow(
        &mut self,
        mut heard: mpsc::Receiver<io::Result<FromSidecar>>,
        events: &mpsc::Sender<accept::Numbered>,
        line: &Line,
    ) -> &'static str {
        let pulse = self.door.config.pulse;
        let mut closing = self.door.closing.subscribe();
        let mut beat = interval(pulse.beat);
        let mut alive = Instant::now();
        let mut next = None;
        loop {
            // Every arm is cancel safe: what is not taken now is taken the next time.
            tokio::select! {
                frame = heard.recv() => {
                    let frame = match frame {
                        Some(Ok(frame)) => frame,
                        Some(Err(error)) => return broken(&error),
                        None => return "died",
                    };
                    alive = Instant::now();
                    if let Some(why) = self.take(frame, events, &mut next) {
                        return why;
                    }
                }
                _ = beat.tick() => {
                    line.say(&ToSidecar::Beat);
                    if alive.elapsed() > pulse.dead {
                        return "silent";
                    }
                }
                _ = closing.wait_for(|closing| *closing), if !self.is_leaving => {
                    line.say(&ToSidecar::Stop);
                    self.is_leaving = true;
                }
            }
        }
    }

    /// Why it is over, if the frame ends it.
    fn take(
        &mut self,
        frame: FromSidecar,
        events: &mpsc::Sender<accept::Numbered>,
        next: &mut Option<u64>,
    ) -> Option<&'static str> {
        match frame {
            FromSidecar::Hello { .. } => return Some("bad_frame"),
            FromSidecar::Beat | FromSidecar::Unknown => {}
            FromSidecar::State { state, reason } => {
                let state = status::read(&state, reason.as_deref());
                self.was_ready |= state == State::Ready;
                self.last = Some(state);
                self.door.become_(state);
            }
            FromSidecar::Pairing { way, text } => {
                let pairing = match way.as_str() {
                    "code" => Pairing::Code(text),
                    _ => Pairing::Qr(text),
                };
                self.door
                    .status
                    .send_modify(|status| status.pairing = Some(pairing));
            }
            FromSidecar::Event { seq, event } => {
                // A gap would be a loss that is confirmed with what comes after it.
                if next.is_some_and(|next| next != seq) || events.try_send((seq, event)).is_err() {
                    return Some("bad_frame");
                }
                *next = Some(seq.saturating_add(1));
            }
            FromSidecar::Answer(answer) => self.door.answered(answer),
            FromSidecar::Media(answer) => {
                let file = answer.file.clone();
                if !self.door.media_answered(answer)
                    && let Some(path) = file.and_then(|file| self.door.media_file(&file).ok())
                {
                    // Nobody waits for it any more.
                    let _ = std::fs::remove_file(path);
                }
            }
            FromSidecar::Leaving { reason } => {
                self.is_leaving = true;
                return Some(word(&reason));
            }
        }
        None
    }
}

/// The sidecar has closed the wire, or said what is no frame.
fn broken(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::InvalidData => "bad_frame",
        _ => "died",
    }
}

/// Frames, one by one, up to the first that is none.
async fn listen(mut from: ChildStdout, frames: mpsc::Sender<io::Result<FromSidecar>>) {
    loop {
        let frame = read(&mut from).await;
        let is_last = frame.is_err();
        if frames.send(frame).await.is_err() || is_last {
            return;
        }
    }
}

async fn speak(mut to: ChildStdin, mut frames: mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = frames.recv().await {
        if to.write_all(&bytes).await.is_err() || to.flush().await.is_err() {
            // Its end is seen where it is listened to.
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use zupa_core::{ChannelId, TenantId, Timestamp};
    use zupa_testkit::{ManualClock, SeqIds};

    use super::*;
    use crate::config::WwebjsConfig;

    fn pauses(state: State, was_ready: bool) -> Vec<Duration> {
        let channel = ChannelId::parse("phone").unwrap();
        let config = WwebjsConfig::new(channel, TenantId::default_tenant(), "/s");
        let clock = Arc::new(ManualClock::at(Timestamp(0)));
        let bridge = WwebjsBridge::new(config, clock, Arc::new(SeqIds::seeded(7))).unwrap();
        let end = End { state, was_ready };
        let took = Duration::from_secs(7);
        (1..=20)
            .map(|deaths| bridge.pause(&end, deaths, took))
            .collect()
    }

    #[test]
    fn a_life_that_never_was_ready_is_followed_by_another_after_a_minute_at_least() {
        let pauses = pauses(State::Degraded("no_network"), false);
        let minute = Duration::from_secs(60);
        assert!(
            pauses
                .iter()
                .all(|pause| *pause + Duration::from_secs(7) >= minute)
        );
        assert!(
            pauses
                .iter()
                .all(|pause| *pause <= Duration::from_secs(450)),
            "not for ever"
        );
    }

    #[test]
    fn a_life_that_was_ready_is_followed_soon_and_later_each_time_and_never_alike() {
        let pauses = pauses(State::Degraded("died"), true);
        assert!(pauses[0] < Duration::from_secs(2));
        assert!(pauses[3] > pauses[0] * 4);
        assert_ne!(pauses[18], pauses[19]);
        let blocked = self::pauses(State::Blocked("tos_block"), true);
        assert!(blocked[0] > Duration::from_secs(800));
    }
}
