//! Programs that some tests need: without them a test says its name and why it
//! did not run, and under `CI=true` it fails.

use std::io::Write;
use std::process::{Command, Stdio};

/// True when the program is there; else says who is skipped.
#[track_caller]
pub fn has(program: &str, test: &str) -> bool {
    let there = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    there || skip(test, &format!("{program} is not installed"))
}

/// True when this process may make a mount namespace with a disk of its own.
/// Where it may not, not even CI can do anything about it.
pub fn has_namespaces(test: &str) -> bool {
    let made = Command::new("unshare")
        .args(["-rm", "sh", "-c", "mount -t tmpfs -o size=1m zupa /tmp"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    made || say(test, "no mount namespaces here")
}

/// True when this process may trace another.
#[track_caller]
pub fn can_trace(test: &str) -> bool {
    if !has("strace", test) {
        return false;
    }
    let traced = Command::new("strace")
        .args(["-f", "--seccomp-bpf", "-o", "/dev/null", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    traced || say(test, "nobody may trace here")
}

/// Where a Postgres server is whose role may make databases and roles; else says
/// who is skipped.
#[cfg(feature = "postgres")]
#[track_caller]
pub fn postgres(test: &str) -> Option<String> {
    let url = std::env::var("ZUPA_TEST_POSTGRES_URL").ok();
    if url.is_none() {
        skip(test, "ZUPA_TEST_POSTGRES_URL is not set");
    }
    url.filter(|_| has("psql", test))
}

/// Says who is skipped; under CI that is a failure.
#[track_caller]
fn skip(test: &str, why: &str) -> bool {
    say(test, why);
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!ci, "{test} may not be skipped in CI: {why}");
    false
}

/// Says it past the harness, which keeps what a passing test prints.
pub fn say(test: &str, why: &str) -> bool {
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
    false
}

/// Runs SQL on a store that nobody serves, with the command line tool.
#[track_caller]
pub fn sqlite(store: &std::path::Path, sql: &str) -> String {
    let output = Command::new("sqlite3")
        .arg(store)
        .arg(sql)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
