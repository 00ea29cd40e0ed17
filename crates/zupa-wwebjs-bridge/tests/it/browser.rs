//! The true library and a true Chromium, without a network: it cannot become ready, says
//! why, is not started in a storm, and leaves no browser behind. `ZUPA_BRIDGE_KILLS=50` is
//! the whole of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use zupa_wwebjs_bridge::{Pulse, State, WwebjsConfig};

use crate::support::{Phone, Taken, eventually, has_node, variable};

/// A binary's folder of its own below `target`.
const INSTALLED: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/sidecar-library");

/// The folder with the library in it; none is said aloud.
fn library(test: &str) -> Option<PathBuf> {
    if !has_node(test) {
        return None;
    }
    let chromium = Path::new("/usr/bin/chromium").exists();
    let installed = chromium.then(install).flatten();
    if installed.is_none() {
        let missing = "chromium or npm is missing, or the registry is out of reach";
        assert!(
            variable("CI").as_deref() != Some("true"),
            "{test}: {missing}"
        );
        eprintln!("SKIPPED {test}: {missing}");
    }
    installed
}

fn install() -> Option<PathBuf> {
    fs::create_dir_all(INSTALLED).unwrap();
    // Each test may be a process of its own, and all of them install.
    let lock = fs::File::create(Path::new(INSTALLED).join("lock")).unwrap();
    lock.lock().unwrap();
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/sidecar");
    let wanted = fs::read_to_string(format!("{here}/package-lock.json")).unwrap();
    let mark = Path::new(INSTALLED).join("installed-from");
    if fs::read_to_string(&mark).is_ok_and(|from| from == wanted) {
        return Some(INSTALLED.into());
    }
    for file in ["package.json", "package-lock.json"] {
        fs::copy(format!("{here}/{file}"), format!("{INSTALLED}/{file}")).unwrap();
    }
    let done = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .env("PUPPETEER_SKIP_DOWNLOAD", "1")
        .current_dir(INSTALLED)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    done.is_ok_and(|status| status.success()).then(|| {
        fs::write(&mark, wanted).unwrap();
        INSTALLED.into()
    })
}

/// A node that sees no network, where this machine lets anybody have such a thing.
fn cut_off(phone: &Phone) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;

    let wrapper = phone.path("node");
    let node = crate::support::node();
    let text = format!("#!/bin/sh\nexec unshare -rn {} \"$@\"\n", node.display());
    fs::write(&wrapper, text).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let works = Command::new(&wrapper)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match works {
        Ok(status) if status.success() => wrapper,
        _ => node,
    }
}

fn config(phone: &Phone, library: &Path) -> WwebjsConfig {
    WwebjsConfig {
        node: cut_off(phone),
        sidecar_dir: library.to_owned(),
        sandbox: false,
        pulse: Pulse {
            start: Duration::from_secs(25),
            ..Pulse::default()
        },
        ..phone.config()
    }
}

/// Processes of this session's browser.
fn browsers(phone: &Phone) -> Vec<u32> {
    let profile = phone.path("session/profile").display().to_string();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let id: Option<u32> = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        if line.contains(&profile) {
            found.extend(id);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_network_it_says_so_and_is_not_started_in_a_storm() {
    let test = "without_a_network_it_says_so_and_is_not_started_in_a_storm";
    let Some(library) = library(test) else {
        return;
    };
    let phone = Phone::new();
    let bridge = phone.bridge_with(config(&phone, &library), Taken::default());
    eventually("a browser runs", || {
        (!browsers(&phone).is_empty()).then_some(())
    })
    .await;
    let status = bridge
        .until("not ready, with a reason", |status| {
            matches!(status.state, State::Degraded(_)) && status.starts > 0
        })
        .await;
    let reason = status.state.reason().unwrap();
    assert!(["no_network", "not_loaded"].contains(&reason), "{reason}");
    eventually("no browser is left", || {
        browsers(&phone).is_empty().then_some(())
    })
    .await;
    // The next start is a minute after the first.
    assert_eq!(bridge.bridge.status().borrow().starts, 1);
    bridge.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_browser_outlives_a_sidecar_that_is_killed() {
    let Some(library) = library("no_browser_outlives_a_sidecar_that_is_killed") else {
        return;
    };
    let kills = variable("ZUPA_BRIDGE_KILLS").map_or(3, |count| count.parse().unwrap());
    let phone = Phone::new();
    for kill in 0..kills {
        let bridge = phone.bridge_with(config(&phone, &library), Taken::default());
        let first = eventually("a browser runs", || browsers(&phone).first().copied()).await;
        match kill % 3 {
            // The supervisor and all that it holds.
            0 => bridge.kill().await,
            // In order.
            1 => bridge.close().await,
            // The sidecar alone; the browser is asked to be deaf to it.
            _ => {
                let stop = format!(
                    "kill -STOP {first} 2>/dev/null; kill -9 {}",
                    sidecar(&phone)
                );
                Command::new("sh").args(["-c", &stop]).status().unwrap();
                bridge
                    .until("dead", |status| status.state.reason().is_some())
                    .await;
                bridge.close().await;
            }
        }
        eventually("no browser is left", || {
            browsers(&phone).is_empty().then_some(())
        })
        .await;
    }
    eprintln!("{kills} ends, no browser left");
}

/// The Node of this session.
fn sidecar(phone: &Phone) -> u32 {
    let main = "main.mjs";
    let session = phone.path("session").canonicalize().unwrap();
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .find_map(|entry| {
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let here = fs::read_link(entry.path().join("cwd")).ok()?;
            let is_it = here == session && String::from_utf8_lossy(&line).contains(main);
            is_it.then(|| entry.file_name().to_str()?.parse().ok())?
        })
        .unwrap()
}
