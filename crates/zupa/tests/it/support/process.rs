//! Signals, and processes with the processes that they started.

use std::process::{Child, Command};

/// Sends a signal by its name. A process that has just ended is no mistake.
pub fn signal(name: &str, process: u32) {
    let _ = Command::new("sh")
        .args(["-c", &format!("kill -{name} {process} 2>/dev/null")])
        .status();
}

/// Kills a child with all that it started, and waits for its end.
pub fn kill(child: &mut Child) {
    for process in family(child.id()) {
        signal("KILL", process);
    }
    let _ = child.wait();
}

/// A process and its descendants, youngest first: a tracer that dies before
/// what it traces would let it run on.
pub fn family(process: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // `pid (name) state parent …`, and a name may hold anything.
        let parent = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        let own = stat.split(' ').next().and_then(|own| own.parse().ok());
        parents.extend(own.zip(parent));
    }
    let mut family = vec![process];
    let mut at = 0;
    while let Some(&parent) = family.get(at) {
        let children = parents
            .iter()
            .filter(|(_, of): &&(u32, u32)| *of == parent)
            .map(|(own, _)| *own);
        family.extend(children);
        at += 1;
    }
    family.reverse();
    family
}
