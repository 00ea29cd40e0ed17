//! A shell that does nothing until we are gone, then stops the server and
//! removes its folder. Our own end may be a Ctrl-C or a SIGKILL, so it cannot be
//! left to a destructor; the destructor only wakes the shell and waits for it.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// `read` ends when the other end of its input does: with us. The number in the
/// file may be that of a dead server and somebody else's by now, so its working
/// directory is compared where the system tells it. A server that was paused
/// cannot hear; fast first, then at once, then not asking.
const SCRIPT: &str = r#"
read -r _
data=$1/data
pid=$(head -n 1 "$data/postmaster.pid")
alive() {
    kill -0 "$pid" && { ! [ -e /proc/self/cwd ] || [ "$(readlink "/proc/$pid/cwd")" = "$data" ]; }
}
if [ -n "$pid" ]; then
    for signal in INT QUIT KILL; do
        alive || break
        kill -"$signal" "$pid"
        kill -CONT "$pid"
        for _ in $(seq 100); do alive && sleep 0.1 || break; done
    done
fi
rm -rf "$1"
"#;

/// Cleans up when it is dropped, or when this process ends.
#[derive(Debug)]
pub struct Keeper {
    shell: Child,
}

impl Keeper {
    /// From now on the folder, and the server in its `data`, end with us.
    pub fn watch(folder: &Path) -> Result<Self> {
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C is for us alone.
            .process_group(0)
            .spawn()
            .context("start the shell that cleans up")?;
        Ok(Self { shell })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
