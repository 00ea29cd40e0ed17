//! Whether an ordinary phone can be reached from here: Node, Chromium, the library, and the
//! folder of its session.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use zupa::config::{Channel, ChannelKind, Config};

use super::finding::Finding;

/// The oldest Node that runs the sidecar.
const NODE: u32 = 20;
/// The library that the sidecar knows.
const LIBRARY: &str = "1.34.7";

/// Looks at each phone, and makes nothing.
pub fn examine(config: &Config) -> Vec<Finding> {
    config
        .channels
        .iter()
        .filter(|channel| channel.kind == ChannelKind::WwebjsBridge)
        .flat_map(phone)
        .collect()
}

fn phone(channel: &Channel) -> Vec<Finding> {
    // Loading the configuration has refused one without a folder.
    let session = PathBuf::from(channel.session_dir.clone().unwrap_or_default());
    let sidecar = match &channel.sidecar_dir {
        Some(folder) => folder.into(),
        None => session.join("sidecar"),
    };
    vec![
        node(channel),
        chromium(channel),
        library(channel, &sidecar),
        folder(channel, &session),
    ]
}

fn node(channel: &Channel) -> Finding {
    let path = &channel.node;
    let version = Command::new(path)
        .arg("--version")
        .env_clear()
        .output()
        .ok()
        .and_then(|ran| String::from_utf8(ran.stdout).ok());
    let major = version.as_deref().and_then(|version| {
        let (major, _) = version.trim().strip_prefix('v')?.split_once('.')?;
        major.parse::<u32>().ok()
    });
    match (major, version) {
        (Some(major), Some(version)) if major >= NODE => {
            Finding::ok("phone", format!("{}: node {}", channel.id, version.trim()))
        }
        (Some(major), _) => Finding::fail(
            "phone",
            format!("{}: node {major}", channel.id),
            format!("the sidecar needs {NODE} or later"),
            "install a later one, or name it in `node`",
        ),
        (None, _) => Finding::fail(
            "phone",
            format!("{}: {path} is no node that runs", channel.id),
            "without it the phone stays degraded (no_node)",
            "install it, or name its absolute path in `node`",
        ),
    }
}

fn chromium(channel: &Channel) -> Finding {
    let path = &channel.chromium;
    if Path::new(path).is_file() {
        return Finding::ok("phone", format!("{}: {path}", channel.id));
    }
    Finding::fail(
        "phone",
        format!("{}: there is no {path}", channel.id),
        "without it the phone stays degraded (no_browser)",
        "install it, or name its absolute path in `chromium`",
    )
}

fn library(channel: &Channel, sidecar: &Path) -> Finding {
    let package = sidecar.join("node_modules/whatsapp-web.js/package.json");
    let version = fs::read(package)
        .ok()
        .and_then(|text| serde_json::from_slice::<Value>(&text).ok())
        .and_then(|package| package["version"].as_str().map(str::to_owned));
    if version.as_deref() == Some(LIBRARY) {
        return Finding::ok(
            "phone",
            format!("{}: whatsapp-web.js {LIBRARY}", channel.id),
        );
    }
    Finding::fail(
        "phone",
        format!("{}: whatsapp-web.js {LIBRARY} is not installed", channel.id),
        "the sidecar runs with no other",
        format!(
            "start `zupa serve` once, then: cd {} && PUPPETEER_SKIP_DOWNLOAD=1 npm ci --ignore-scripts",
            sidecar.display()
        ),
    )
}

fn folder(channel: &Channel, session: &Path) -> Finding {
    use std::os::unix::fs::PermissionsExt;

    let Ok(found) = fs::metadata(session) else {
        return Finding::warn(
            "phone",
            format!("{}: there is no session yet", channel.id),
            "the phone is not linked",
            "`zupa serve` on a terminal shows a code to scan",
        );
    };
    if found.is_dir() && found.permissions().mode().trailing_zeros() >= 6 {
        return Finding::ok(
            "phone",
            format!("{}: its session is closed to others", channel.id),
        );
    }
    Finding::warn(
        "phone",
        format!("{}: others may read its session", channel.id),
        "whoever has its files is the linked device",
        format!("chmod 700 {}", session.display()),
    )
}
