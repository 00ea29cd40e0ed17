//! The binaries of PostgreSQL: where they are, and who runs them. `initdb` and
//! `postgres` refuse root, so root hands them to somebody else.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Where Debian keeps one folder for each version, none of them on the PATH.
const DEBIAN: &str = "/usr/lib/postgresql";
const NEEDED: &[&str] = &["initdb", "pg_ctl", "postgres", "psql"];
/// Whom root asks, in this order.
const UNPRIVILEGED: &[&str] = &["postgres", "nobody"];

/// The folder of the newest version, or the one that `pg_config` names.
pub fn find() -> Option<PathBuf> {
    let complete = |folder: &PathBuf| NEEDED.iter().all(|name| folder.join(name).is_file());
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .filter(|(_, folder)| complete(folder))
        .max();
    newest.map(|(_, folder)| folder).or_else(|| {
        let output = Command::new("pg_config").arg("--bindir").output().ok()?;
        let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
        Some(folder).filter(complete)
    })
}

/// The binaries and who runs them.
#[derive(Debug)]
pub struct Tools {
    folder: PathBuf,
    /// `None`: ourselves.
    user: Option<User>,
}

/// Somebody who is not root.
#[derive(Debug, Clone, Copy)]
pub struct User {
    pub id: u32,
    pub group: u32,
}

impl Tools {
    pub fn new(folder: PathBuf) -> Result<Self> {
        let user = match rustix::process::geteuid().is_root() {
            true => Some(unprivileged()?),
            false => None,
        };
        Ok(Self { folder, user })
    }

    pub fn user(&self) -> Option<User> {
        self.user
    }

    /// A command that runs in a folder, untouched by what the caller's
    /// environment says about other servers and by its language.
    pub fn command(&self, folder: &Path, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command
            .env("LC_ALL", "C")
            .env("PGCLIENTENCODING", "UTF8")
            .env("HOME", folder)
            .current_dir(folder)
            .stdin(Stdio::null());
        if let Some(user) = self.user {
            command.uid(user.id).gid(user.group);
        }
        command
    }

    /// Runs it to its end and returns what it printed.
    pub fn run<A: AsRef<OsStr>>(
        &self,
        folder: &Path,
        program: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<String> {
        finish(self.command(folder, program).args(arguments))
    }
}

/// Runs a command to its end; what it complained about is the error.
pub fn finish(command: &mut Command) -> Result<String> {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    let name = name.to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("start {name}"))?;
    ensure!(
        output.status.success(),
        "{name} ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8(output.stdout).with_context(|| format!("read what {name} printed"))
}

fn unprivileged() -> Result<User> {
    for name in UNPRIVILEGED {
        if let (Some(id), Some(group)) = (number("-u", name), number("-g", name)) {
            return Ok(User { id, group });
        }
    }
    bail!("PostgreSQL does not run as root, and there is no user {UNPRIVILEGED:?} to run it as")
}

fn number(which: &str, user: &str) -> Option<u32> {
    let output = Command::new("id").args([which, user]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
