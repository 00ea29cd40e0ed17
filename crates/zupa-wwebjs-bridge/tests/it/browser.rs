//! The true library and a true Chromium, without a network: it cannot become ready, says
//! why, is not started in a storm, is idle, and leaves no browser behind. With
//! `ZUPA_BRIDGE_KILLS=50` and `ZUPA_BRIDGE_IDLE_SECONDS=120` that is the whole of it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;
use zupa_wwebjs_bridge::{Pulse, State, WwebjsConfig};

use crate::support::{Phone, Taken, eventually, has_node, variable};

/// Set where this binary is a supervisor of its own; to where its phone is.
const SWITCH: &str = "ZUPA_BRIDGE_SUPERVISOR";
/// How soon after a kill of its supervisor a sidecar and its browser have ended, as the
/// documentation says.
const GONE: Duration = Duration::from_secs(15);
/// The kernel's unit of processor time.
const TICKS_PER_SECOND: u64 = 100;

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

/// Processor time of each process of a session, in ticks, by its id and its start.
fn ticks(phone: &Phone) -> HashMap<(u32, u64), u64> {
    let session = phone.path("session");
    let profile = session.join("profile").display().to_string();
    let mut found = HashMap::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|id| id.parse().ok()) else {
            continue;
        };
        let here = fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == session);
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if !here && !String::from_utf8_lossy(&line).contains(&profile) {
            continue;
        }
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // Behind the name, which may have anything in it.
        let fields: Vec<u64> = stat
            .rsplit_once(')')
            .map(|(_, fields)| fields)
            .unwrap_or_default()
            .split_whitespace()
            .map(|field| field.parse().unwrap_or(0))
            .collect();
        if let [user, system] = fields.get(11..13).unwrap_or_default() {
            found.insert((id, fields[19]), user + system);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_network_it_is_idle() {
    let Some(library) = library("without_a_network_it_is_idle") else {
        return;
    };
    let seconds = variable("ZUPA_BRIDGE_IDLE_SECONDS").map_or(60, |count| count.parse().unwrap());
    let phone = Phone::new();
    let bridge = phone.bridge_with(config(&phone, &library), Taken::default());
    let began = Instant::now();
    let mut used = HashMap::new();
    while began.elapsed() < Duration::from_secs(seconds) {
        used.extend(ticks(&phone));
        // What a process has used after it was looked at last is not seen.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ticks: u64 = used.values().sum();
    let starts = bridge.bridge.status().borrow().starts;
    eprintln!(
        "{starts} starts, {} processes, {ticks} ticks in {seconds} s",
        used.len()
    );
    bridge.close().await;
    assert!(ticks > 0 && starts > 0);
    assert!(
        ticks * 100 < 5 * seconds * TICKS_PER_SECOND,
        "{ticks} ticks"
    );
}

/// A supervisor in a process of its own, over this phone.
fn supervisor(phone: &Phone) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "browser::supervise", "--nocapture"])
        .env(SWITCH, phone.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
#[ignore = "no test: the supervisor that another one kills"]
async fn supervise() {
    let Some(home) = variable(SWITCH) else {
        return;
    };
    let phone = Phone::of(home.into());
    let bridge = phone.bridge_with(config(&phone, Path::new(INSTALLED)), Taken::default());
    bridge.until("killed", |_| false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_browser_outlives_a_supervisor_that_is_killed() {
    if library("no_browser_outlives_a_supervisor_that_is_killed").is_none() {
        return;
    }
    let kills: u32 = variable("ZUPA_BRIDGE_KILLS").map_or(3, |count| count.parse().unwrap());
    let mut longest = Duration::ZERO;
    for kill in 0..kills {
        let phone = Phone::new();
        let mut first = supervisor(&phone);
        // Each time a little further in its start.
        let worked = u64::from(kill % 4) * 20;
        eventually("a browser runs", || {
            let ticks: u64 = ticks(&phone).values().sum();
            (ticks > worked && !browsers(&phone).is_empty()).then_some(())
        })
        .await;
        // A browser that hears nothing, and a sidecar that ends without seeing to it: only
        // the next start can.
        let is_deaf = kill % 2 == 1;
        let node = is_deaf.then(|| sidecar(&phone));
        node.iter().for_each(|id| signal("STOP", *id));
        let left = if is_deaf {
            browsers(&phone)
        } else {
            Vec::new()
        };
        left.iter().for_each(|id| signal("STOP", *id));
        first.kill().unwrap();
        node.iter().for_each(|id| signal("KILL", *id));
        first.wait().unwrap();
        let killed = Instant::now();
        if is_deaf {
            assert!(!left.is_empty(), "there was nothing to end");
            let mut second = supervisor(&phone);
            eventually("a browser of the next start runs", || {
                let now = browsers(&phone);
                (!now.is_empty() && now.iter().all(|id| !left.contains(id))).then_some(())
            })
            .await;
            second.kill().unwrap();
            second.wait().unwrap();
        }
        eventually("no browser is left", || {
            browsers(&phone).is_empty().then_some(())
        })
        .await;
        if kill % 2 == 0 {
            longest = longest.max(killed.elapsed());
        }
    }
    eprintln!("{kills} kills, no browser left; at the latest after {longest:?}");
    assert!(longest < GONE, "{longest:?}");
}

/// A process that has gone meanwhile is none to signal.
fn signal(name: &str, process: u32) {
    let done = format!("kill -{name} {process} 2>/dev/null || true");
    Command::new("sh").args(["-c", &done]).status().unwrap();
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
