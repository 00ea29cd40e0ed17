//! Where a server lives: a fresh folder that whoever runs it can reach, and a
//! port that nobody else uses.

use std::env;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, id};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};

use super::tools::{Tools, User};
use crate::ci::target_folder;

/// A folder below `target/`, or below the system's folder for temporary files
/// when the user who runs the server cannot get into `target/`.
pub fn folder(tools: &Tools) -> Result<PathBuf> {
    let target = target_folder()?.join("services");
    let folder = make(&target, tools.user())?;
    let Some(user) = tools.user().filter(|user| !reaches(*user, &folder)) else {
        return Ok(folder);
    };
    fs::remove_dir(&folder)?;
    let temporary = env::temp_dir();
    eprintln!(
        "user {} cannot get into {}: PostgreSQL is kept in {}",
        user.id,
        target.display(),
        temporary.display()
    );
    let folder = make(&temporary, Some(user))?;
    ensure!(
        reaches(user, &folder),
        "user {} cannot get into {} either",
        user.id,
        temporary.display()
    );
    Ok(folder)
}

fn make(parent: &Path, user: Option<User>) -> Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = parent.join(format!("zupa-postgres-{}-{next}", id()));
    // A process with our number that was ended by a power cut.
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    let made = || -> std::io::Result<PathBuf> {
        fs::create_dir_all(parent)?;
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        if let Some(user) = user {
            chown(&folder, Some(user.id), Some(user.group))?;
        }
        folder.canonicalize()
    };
    made().with_context(|| format!("make {}", folder.display()))
}

/// Asks the kernel, in the user's name.
fn reaches(user: User, folder: &Path) -> bool {
    let status = Command::new("sh")
        .args(["-c", "test -w \"$1\" && test -x \"$1\"", "sh"])
        .arg(folder)
        .current_dir("/")
        .uid(user.id)
        .gid(user.group)
        .status();
    status.is_ok_and(|status| status.success())
}

/// Below the ephemeral range: while the server is down, a client that connects
/// to an ephemeral port of its own machine may end up connected to itself.
const PORTS: Range<u16> = 18_000..30_000;

/// A free port, another one each time.
pub fn port() -> Result<u16> {
    let random = RandomState::new().hash_one(id());
    let skipped = random % u64::from(PORTS.end - PORTS.start);
    let ports = PORTS.cycle().skip(usize::try_from(skipped)?).take(100);
    let mut last = None;
    for port in ports {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("no port was tried")?).context("find a free port")
}
