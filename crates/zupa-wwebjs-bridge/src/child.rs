//! The sidecar as a process: its own group, nothing of our environment, limits, and no way
//! for it or its browser to be there when it is over.
//!
//! The browser is in a group of its own, because that is how it is started; it is found by
//! an argument that only this session has. Mostly it needs no finding: its pipe to the
//! sidecar closes, and it ends.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::AbortHandle;
use zupa_core::Digest;

use crate::config::WwebjsConfig;

/// How much of what a sidecar says outside of the wire is kept.
const TAIL_BYTES: usize = 16 << 10;
/// Files that a sidecar and its browser may have open.
#[cfg(target_os = "linux")]
const OPEN_FILES: u64 = 4_096;

/// The folder of one phone. Held by one process at a time, as long as this lives.
#[derive(Debug)]
pub(crate) struct Session {
    folder: PathBuf,
    marker: String,
    _lock: File,
}

impl Session {
    /// Makes the folder, with nobody else allowed in, and takes it.
    ///
    /// *Errors*: [`io::ErrorKind::WouldBlock`] if another process has it.
    pub(crate) fn take(folder: &Path) -> io::Result<Self> {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};

        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        // The sidecar is not where we are, and its browser compares the path as it is.
        let folder = folder.canonicalize()?;
        let lock = File::options()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(folder.join("lock"))?;
        lock.try_lock().map_err(io::Error::from)?;
        for inner in ["media", "outgoing", "tmp"] {
            let inner = folder.join(inner);
            // What a request before us has not taken, nobody will.
            match fs::remove_dir_all(&inner) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => fs::create_dir(inner)?,
            }
        }
        let marker = Digest::of(folder.as_os_str().as_encoded_bytes()).to_hex();
        Ok(Self {
            marker: marker.chars().take(32).collect(),
            folder,
            _lock: lock,
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What only processes of this session have among their arguments.
    pub(crate) fn marker(&self) -> &str {
        &self.marker
    }

    /// Ends every process of this session, and takes the mark of a browser that was killed
    /// off its profile.
    pub(crate) fn sweep(&self) {
        for process in marked(&self.argument()) {
            // Fails for those that are no leaders of a group, and for those that have ended.
            let _ = kill_process_group(process, Signal::KILL);
            let _ = kill_process(process, Signal::KILL);
        }
        for mark in ["SingletonLock", "SingletonCookie", "SingletonSocket"] {
            let _ = fs::remove_file(self.folder.join("profile").join(mark));
        }
    }

    fn argument(&self) -> String {
        format!("--zupa-session={}", self.marker)
    }

    /// Starts the sidecar.
    pub(crate) fn start(&self, config: &WwebjsConfig) -> io::Result<Sidecar> {
        let mut child = Command::new(&config.node)
            .arg(config.sidecar_dir.join("main.mjs"))
            .arg(self.argument())
            .current_dir(&self.folder)
            .env_clear()
            .env("HOME", &self.folder)
            .env("TMPDIR", self.folder.join("tmp"))
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        limit(pid);
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("a pipe is missing"));
        };
        let words = self.folder.join("last-words");
        Ok(Sidecar {
            pipes: Some((stdin, stdout)),
            stderr: tokio::spawn(follow(stderr, words)).abort_handle(),
            child,
            pid,
        })
    }
}

/// A running sidecar. It is killed with its group when this is dropped.
pub(crate) struct Sidecar {
    child: Child,
    pid: Option<Pid>,
    pipes: Option<(ChildStdin, ChildStdout)>,
    stderr: AbortHandle,
}

impl Sidecar {
    /// Both ends of the wire, once.
    pub(crate) fn pipes(&mut self) -> Option<(ChildStdin, ChildStdout)> {
        self.pipes.take()
    }

    /// Waits for its end. Cancel safe.
    pub(crate) async fn ended(&mut self) {
        // It fails only for a child that is not ours to wait for any more.
        let _ = self.child.wait().await;
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            // It fails when there is nobody left, which is what is wanted.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        self.stderr.abort();
    }
}

/// No dumps of memory with people's messages in them, and so many open files. Both hold for
/// the browser as well, which is started later.
#[cfg(target_os = "linux")]
fn limit(pid: Option<Pid>) {
    use rustix::process::{Resource, Rlimit, prlimit};

    for (resource, most) in [(Resource::Core, 0), (Resource::Nofile, OPEN_FILES)] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        // A limit that is lower already stays.
        let _ = prlimit(pid, resource, limit);
    }
}

/// The limits of another process cannot be set here.
#[cfg(not(target_os = "linux"))]
fn limit(_: Option<Pid>) {}

/// Processes with this argument. None where there is no `/proc`.
fn marked(argument: &str) -> Vec<Pid> {
    let own = std::process::id();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let has = line
            .split(|byte| *byte == 0)
            .any(|one| one == argument.as_bytes());
        if has && id != own {
            found.extend(Pid::from_raw(id.cast_signed()));
        }
    }
    found
}

/// Reads to the end, whatever comes: a full pipe would stop the sidecar. The library says
/// on it what it likes, people's messages included, so it goes into the session's folder
/// and into no log.
async fn follow(mut stderr: ChildStderr, words: PathBuf) {
    let mut tail = VecDeque::new();
    let mut piece = [0; 1024];
    while let Ok(length @ 1..) = stderr.read(&mut piece).await {
        tail.extend(&piece[..length]);
        let excess = tail.len().saturating_sub(TAIL_BYTES);
        tail.drain(..excess);
    }
    let bytes: Vec<u8> = tail.into();
    // Without it there is less to read for whoever looks for a reason.
    let _ = fs::write(words, bytes);
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_session_is_one_processes_and_closed_to_others() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("phone");
        let session = Session::take(&folder).unwrap();
        let mode = fs::metadata(&folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let refused = Session::take(&folder).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        drop(session);
        Session::take(&folder).unwrap();
    }

    #[test]
    fn what_is_left_of_a_session_is_ended_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let session = Session::take(&home.path().join("one")).unwrap();
        let other = Session::take(&home.path().join("other")).unwrap();
        let linger = |session: &Session| {
            std::process::Command::new("sh")
                .args(["-c", "read line", "sh", &session.argument()])
                .stdin(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let (mut ours, mut theirs) = (linger(&session), linger(&other));
        session.sweep();
        assert!(!ours.wait().unwrap().success());
        assert_eq!(theirs.try_wait().unwrap(), None);
        other.sweep();
        theirs.wait().unwrap();
    }
}
