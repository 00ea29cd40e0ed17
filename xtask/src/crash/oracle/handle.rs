//! The nemesis's end of the oracle process.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc::{self, error::TryRecvError};
use tokio::time::timeout;

use super::Brief;
use super::log::{self, Line};
use crate::crash::script::Script;
use crate::crash::wire::{Order, Report};

#[derive(Debug)]
pub struct Oracle {
    pub model: SocketAddr,
    /// `graph_url` of the numbers, where people write to numbers.
    pub graph: Option<String>,
    orders: ChildStdin,
    reports: mpsc::UnboundedReceiver<Report>,
    log: PathBuf,
    child: Child,
}

impl Oracle {
    pub async fn start(script: Script, log: PathBuf, model: IpAddr) -> anyhow::Result<Self> {
        let brief = serde_json::to_string(&Brief {
            script,
            log: log.clone(),
            model,
        })?;
        // The running program itself: a build in between may have replaced the
        // file that it was started from.
        let mut child = Command::new("/proc/self/exe")
            .args(["crash", "--oracle", &brief])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the oracle")?;
        let orders = child.stdin.take().context("the oracle has no input")?;
        let output = child.stdout.take().context("the oracle has no output")?;
        let (sender, mut reports) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                match serde_json::from_str(&line) {
                    // An error means that the run is over and nobody listens.
                    Ok(report) => drop(sender.send(report)),
                    Err(error) => {
                        eprintln!("crash: cannot read the oracle's report {line}: {error}")
                    }
                }
            }
        });
        let first = timeout(Duration::from_secs(10), reports.recv()).await;
        let Ok(Some(Report::Listening { port, graph })) = first else {
            bail!("the oracle did not start")
        };
        Ok(Self {
            model: SocketAddr::from((model, port)),
            graph,
            orders,
            reports,
            log,
            child,
        })
    }

    pub async fn tell(&mut self, order: &Order) -> anyhow::Result<()> {
        let line = format!("{}\n", serde_json::to_string(order)?);
        self.orders
            .write_all(line.as_bytes())
            .await
            .context("the oracle is gone")
    }

    /// The next report, if there is one already.
    pub fn heard(&mut self) -> anyhow::Result<Option<Report>> {
        match self.reports.try_recv() {
            Ok(report) => Ok(Some(report)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => bail!("the oracle is gone"),
        }
    }

    /// Ends the oracle and returns what it knows.
    pub async fn end(mut self) -> anyhow::Result<Vec<Line>> {
        drop(self.orders);
        timeout(Duration::from_secs(10), self.child.wait())
            .await
            .context("the oracle does not end")??;
        log::read(&self.log)
    }
}
