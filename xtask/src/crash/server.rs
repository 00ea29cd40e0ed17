//! The server under test as a process: started, watched, killed. Whatever
//! happens to the harness, the process group does not outlive this value.

use std::fs::{File, OpenOptions};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context as _, bail};
use hyper::StatusCode;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::http;
use super::place::Place;
use super::sink::{DOUBT_MS, TIMEOUT_MS};
use super::words::{ABORT, unix_micros};

/// How the faults build is asked to behave in one incarnation.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    pub bug: Option<String>,
    /// How many of the marks stall, so that a kill can hit them.
    pub stall_percent: u32,
    /// Where messages leave, if anywhere.
    pub sink: Option<String>,
    /// Whether the doors send anyway, so that a doubt must be short.
    pub sends: bool,
    /// Accept only.
    pub hold: bool,
}

#[derive(Debug)]
pub struct Server {
    pub place: Place,
    child: Child,
    group: Pid,
    /// None once the process was reaped: its number may belong to another one.
    alive: bool,
    pub spawned: Instant,
    pub spawned_at: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Startup {
    Ready(Duration),
    Exited(ExitStatus),
}

impl Server {
    pub fn start(place: &Place, faults: &Faults) -> anyhow::Result<Self> {
        // Truncated, so that the file tells of this incarnation alone.
        File::create(place.marks()).context("cannot empty the marks")?;
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(place.server_log())?;
        let mut command = program(place);
        command
            .args(["serve", "--config"])
            .arg(place.config())
            .current_dir(&place.dir)
            .env("ZUPA_CRASH_KEY", "crash-harness")
            // People of the harness write faster than people.
            .env("ZUPA__LIMITS__PER_USER_PER_MINUTE", "0")
            // All of them come from one address, behind cuts not from this machine.
            .env("ZUPA__SERVER__RATE_PER_MINUTE_PER_IP", "0")
            .env("ZUPA__SERVER__RATE_PER_MINUTE_PER_TOKEN", "0")
            .env("ZUPA_FAULTS_MARKS", place.marks())
            .env("ZUPA_FAULTS_STALL_MS", "50")
            .env(
                "ZUPA_FAULTS_STALL_PERCENT",
                faults.stall_percent.to_string(),
            )
            .env("ZUPA_FAULTS_ABORT_ON", ABORT)
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true);
        if faults.hold {
            command.env("ZUPA_FAULTS_HOLD", "1");
        }
        if let Some(sink) = &faults.sink {
            command.env("ZUPA_FAULTS_SINK", sink);
        }
        if faults.sends || faults.sink.is_some() {
            command
                .env("ZUPA_FAULTS_DOUBT_MS", DOUBT_MS.to_string())
                .env("ZUPA__POLICY__CHANNEL__TIMEOUT_MS", TIMEOUT_MS.to_string());
        }
        if let Some(bug) = &faults.bug {
            command.env("ZUPA_FAULTS_BUG", bug);
        }
        let (spawned, spawned_at) = (Instant::now(), unix_micros());
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", place.binary.display()))?;
        let group = child
            .id()
            .and_then(|id| Pid::from_raw(id.try_into().ok()?))
            .context("the server has no process id")?;
        Ok(Self {
            place: place.clone(),
            child,
            group,
            alive: true,
            spawned,
            spawned_at,
        })
    }

    /// Waits until `/readyz` answers 200.
    pub async fn ready(&mut self, deadline: Duration) -> anyhow::Result<Startup> {
        while self.spawned.elapsed() < deadline {
            if let Some(status) = self.exited()? {
                return Ok(Startup::Exited(status));
            }
            let answer = http::get(self.place.door, "/readyz", None, Duration::from_secs(2)).await;
            if answer.is_ok_and(|answer| answer.status == StatusCode::OK) {
                return Ok(Startup::Ready(self.spawned.elapsed()));
            }
            sleep(Duration::from_millis(2)).await;
        }
        bail!("the server is not ready after {deadline:?}")
    }

    pub fn id(&self) -> i32 {
        self.group.as_raw_nonzero().get()
    }

    pub fn exited(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let status = self.child.try_wait()?;
        self.alive &= status.is_none();
        Ok(status)
    }

    /// Kills the whole group and waits for the end.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.signal(Signal::KILL)?;
        self.child.wait().await?;
        self.alive = false;
        Ok(())
    }

    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        if self.alive {
            kill_process_group(self.group, signal).context("cannot signal the server")?;
        }
        Ok(())
    }

    /// Asks for a graceful end; again and again, if somebody is impatient. Nothing is
    /// returned if it did not come in time; then it was killed.
    pub async fn stop(
        mut self,
        again: Option<Duration>,
        deadline: Duration,
    ) -> anyhow::Result<Option<ExitStatus>> {
        let begin = Instant::now();
        while begin.elapsed() < deadline {
            self.signal(Signal::TERM)?;
            let left = deadline.saturating_sub(begin.elapsed());
            let pause = again.unwrap_or(left).min(left);
            if let Ok(status) = timeout(pause, self.child.wait()).await {
                self.alive = false;
                return Ok(Some(status?));
            }
        }
        self.kill().await?;
        Ok(None)
    }
}

/// The program itself: `ip netns exec` becomes it, so its number is the child's.
pub fn program(place: &Place) -> Command {
    let Some(namespace) = &place.namespace else {
        return Command::new(&place.binary);
    };
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", namespace])
        .arg(&place.binary);
    command
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.signal(Signal::KILL);
    }
}
