//! The server under load: in a folder of its own, its memory watched.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use hyper::StatusCode;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::crash::http;
use crate::crash::operator::Accounting;

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Server {
    pub door: SocketAddr,
    dir: PathBuf,
    child: Child,
    /// In KiB, since it was last asked for.
    peak: Arc<AtomicU64>,
    watching: JoinHandle<()>,
}

impl Server {
    /// Starts it with a scripted model that thinks for so long. The configuration says all
    /// but where it listens, which model it has, and where it keeps its store.
    pub async fn start(binary: &Path, configured: &str, thinks: Duration) -> anyhow::Result<Self> {
        let dir = std::env::temp_dir().join(format!("zupa-overload-{}", std::process::id()));
        fs::create_dir_all(&dir)?;
        let door = free_door()?;
        fs::write(dir.join("zupa.toml"), config(door, configured))?;
        let rule = format!(
            "[[rule]]\npattern = \"\"\nanswer = \"ok\"\ndelay_ms = {}\n",
            thinks.as_millis()
        );
        fs::write(dir.join("script.toml"), rule)?;
        let log = fs::File::create(dir.join("zupa.log"))?;
        let child = Command::new(binary)
            .arg("serve")
            .current_dir(&dir)
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let pid = child.id().context("the server has no process id")?;
        let peak = Arc::new(AtomicU64::new(0));
        let watching = tokio::spawn(watch(pid, peak.clone()));
        let server = Self {
            door,
            dir,
            child,
            peak,
            watching,
        };
        server.ready().await?;
        Ok(server)
    }

    async fn ready(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let answer = http::get(self.door, "/readyz", None, PATIENCE).await;
            if answer.is_ok_and(|answer| answer.status == StatusCode::OK) {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        bail!("the server is not ready: see {}", self.dir.display())
    }

    pub async fn accounting(&self) -> anyhow::Result<Accounting> {
        let token = fs::read_to_string(self.dir.join("zupa.db.token"))?;
        http::get_json(self.door, "/api/v1/accounting", token.trim(), PATIENCE).await
    }

    /// The most memory since the last time this was asked, in MiB.
    pub fn peak_rss(&self) -> u64 {
        self.peak.swap(0, Ordering::Relaxed) / 1_024
    }

    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let pid = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.try_into().ok()?));
        kill_process(pid.context("the server has ended")?, Signal::TERM)?;
        timeout(PATIENCE, self.child.wait()).await??;
        fs::remove_dir_all(&self.dir)?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

fn config(door: SocketAddr, configured: &str) -> String {
    format!(
        r#"[server]
listen = "{door}"

[store]
url = "sqlite://zupa.db"

[model]
provider = "scripted"
script = "script.toml"

[telemetry]
log = "warn"

{configured}"#
    )
}

fn free_door() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

async fn watch(pid: u32, peak: Arc<AtomicU64>) {
    loop {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let rss = status.lines().find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        });
        peak.fetch_max(rss.unwrap_or_default(), Ordering::Relaxed);
        sleep(Duration::from_millis(250)).await;
    }
}
