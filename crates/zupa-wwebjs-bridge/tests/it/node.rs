//! The sidecar's own tests, by Node's own runner.

use std::process::Command;

use crate::support::{has_node, node};

#[test]
fn the_tests_of_the_sidecar_pass() {
    if !has_node("the_tests_of_the_sidecar_pass") {
        return;
    }
    let sidecar = concat!(env!("CARGO_MANIFEST_DIR"), "/sidecar");
    let tests = std::fs::read_dir(format!("{sidecar}/test")).unwrap();
    let tests = tests
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(".test.mjs"));
    let ran = Command::new(node())
        .arg("--test")
        .args(tests)
        .current_dir(sidecar)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{said}");
    // A run that found no test is no run.
    assert!(!said.contains("# pass 0"), "{said}");
}
