//! The server under strace: watched, or with some of its calls failing.

use std::path::PathBuf;

use super::home::{Home, Ran, ZUPA, ran};
use super::server::{Server, Start};

/// The calls that put bytes on disk and on sockets, and those that open files.
const WATCHED: &str = "trace=openat,pwrite64,fdatasync,fsync,write,writev,sendto,sendmsg";

/// A trace that is being written.
#[derive(Debug)]
pub struct Traced {
    pub server: Server,
    file: PathBuf,
}

impl Traced {
    /// Starts a server and watches it from its first call on.
    pub fn spawn(home: &Home, start: Start<'_>, inject: Option<&str>) -> Self {
        let file = home.path().join("trace");
        let mut around = vec!["strace", "-f", "-yy", "-ttt", "-s", "4200", "-o"];
        let path = file.to_str().unwrap().to_owned();
        around.extend([path.as_str(), "--seccomp-bpf", "-e", WATCHED]);
        let fault = inject.map(|fault| format!("inject={fault}"));
        if let Some(fault) = &fault {
            around.extend(["-e", fault]);
        }
        Self {
            server: start.under(&around).spawn(),
            file,
        }
    }

    /// What was seen so far; all of it once the server has ended.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.file).unwrap()).into_owned()
    }
}

/// Runs the binary and kills it at the n-th such call of a thread; the code is
/// -1 then. Without `--seccomp-bpf`, with which strace sends no signal.
pub fn killed_at(home: &Home, call: &str, number: usize, arguments: &[&str]) -> Ran {
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:signal=KILL:when={number}");
    ran(home
        .command("strace")
        .args(["-f", "-qq", "-o", "/dev/null"])
        .args(["-e", &trace, "-e", &inject, ZUPA])
        .args(arguments))
}
