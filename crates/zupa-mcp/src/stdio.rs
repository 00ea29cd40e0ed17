//! A server as a child process: its own process group, nothing of our
//! environment, and no way to outlive us but by a crash of ours.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::RoleClient;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::ExposeSecret;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::config::Reach;

/// How much of a server's standard error is kept.
const TAIL_BYTES: usize = 4 << 10;
/// How long a server may take to leave when its input is closed.
const LEAVE_WAIT: Duration = Duration::from_secs(1);
/// How long the rest of what a server said is read after its end.
const REST_WAIT: Duration = Duration::from_millis(200);

/// The wire to a child process.
pub(crate) struct ChildWire {
    wire: AsyncRwTransport<RoleClient, ChildStdout, ChildStdin>,
    group: Group,
}

impl ChildWire {
    /// Starts the program. `None` if it is not to be reached this way.
    pub(crate) fn start(
        reach: &Reach,
        message_limit: usize,
        tail: Arc<Tail>,
    ) -> Option<io::Result<Self>> {
        let Reach::Stdio {
            command,
            args,
            env,
            directory,
        } = reach
        else {
            return None;
        };
        let mut program = Command::new(command);
        program
            .args(args)
            .env_clear()
            .envs(
                env.iter()
                    .map(|(name, value)| (name, value.expose_secret())),
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(directory) = directory {
            program.current_dir(directory);
        }
        Some(Self::spawn(program, message_limit, tail))
    }

    fn spawn(mut program: Command, message_limit: usize, tail: Arc<Tail>) -> io::Result<Self> {
        let mut child = program.spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("a pipe is missing"));
        };
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let stderr = tokio::spawn(tail.follow(stderr)).abort_handle();
        Ok(Self {
            wire: AsyncRwTransport::new(stdout, stdin).with_max_line_length(message_limit),
            group: Group { child, pid, stderr },
        })
    }
}

impl Transport<RoleClient> for ChildWire {
    type Error = io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.wire.send(item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        tokio::select! {
            biased;
            // Cancel safe: a half-read line stays in the wire.
            message = self.wire.receive() => return message,
            // Cancel safe: waits again. A process that the server left behind
            // may hold the pipe open, so its end alone does not tell.
            _ = self.group.child.wait() => {}
        }
        self.group.kill();
        timeout(REST_WAIT, self.wire.receive()).await.ok().flatten()
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        // A server that reads nothing blocks its own farewell, hence the limit
        // around all of it.
        let leaving = async {
            let _ = self.wire.close().await;
            while self.wire.receive().await.is_some() {}
        };
        let _ = timeout(LEAVE_WAIT, leaving).await;
        self.group.kill();
        Ok(())
    }
}

/// The process and all that it started and did not send away.
struct Group {
    child: Child,
    pid: Option<Pid>,
    stderr: AbortHandle,
}

impl Group {
    fn kill(&self) {
        if let Some(pid) = self.pid {
            // It fails when there is nobody left, which is what is wanted.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        self.stderr.abort();
    }
}

/// The end of what a server wrote to its standard error.
#[derive(Debug, Default)]
pub(crate) struct Tail(Mutex<VecDeque<u8>>);

impl Tail {
    /// Reads to the end, whatever comes: a full pipe would stop the server.
    async fn follow(self: Arc<Self>, mut stderr: ChildStderr) {
        let mut piece = [0; 1024];
        while let Ok(length @ 1..) = stderr.read(&mut piece).await {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.extend(&piece[..length]);
            let excess = kept.len().saturating_sub(TAIL_BYTES);
            kept.drain(..excess);
        }
    }

    pub(crate) fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = kept.iter().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
