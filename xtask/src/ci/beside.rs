//! Steps in a process of their own, beside those that follow. They wait for servers and
//! disks for half of their time, in which the others build.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command};

use anyhow::{Context, Result, ensure};

use super::command::{cargo, root, target_folder};

/// The process, until it has ended or this is dropped.
pub struct Beside {
    child: Child,
    /// What it says, to be shown as a whole when it has ended.
    log: PathBuf,
    is_over: bool,
}

impl Beside {
    /// Runs these steps, in this order, by the xtask that the step `build` has left.
    pub fn start(names: &[&str]) -> Result<Self> {
        let target = target_folder()?;
        let mut command = Command::new(target.join("debug/xtask"));
        command.arg("ci").current_dir(root());
        for name in names {
            command.args(["--only", name]);
        }
        // As cargo would have started it.
        command.env("CARGO", cargo().get_program());
        Self::spawn(command, target.join("ci-beside.log"))
    }

    fn spawn(mut command: Command, log: PathBuf) -> Result<Self> {
        let file = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let child = command
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .context("start xtask beside")?;
        Ok(Self {
            child,
            log,
            is_over: false,
        })
    }

    /// Waits for the end, shows what was said, and fails as the steps did.
    pub fn finish(mut self) -> Result<()> {
        let status = self.child.wait().context("wait for the steps beside")?;
        self.is_over = true;
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        eprintln!("==> what ran beside said:\n{}", said.trim_end());
        ensure!(status.success(), "a step that ran beside failed: {status}");
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        // As a person at a terminal would end it: its servers end with it.
        let _ = Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(name: &str, script: &str) -> Beside {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let name = format!("zupa-beside-{}-{name}", std::process::id());
        Beside::spawn(command, std::env::temp_dir().join(name)).unwrap()
    }

    #[test]
    fn a_failure_beside_is_one_of_the_run() {
        shell("fine", "echo fine").finish().unwrap();
        let error = shell("boom", "echo boom; exit 3").finish().unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
    }

    #[test]
    fn who_is_not_waited_for_is_interrupted() {
        drop(shell("sleep", "exec sleep 600"));
    }
}
