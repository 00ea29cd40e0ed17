//! R5: a full disk. Nothing is acknowledged that is not kept, everybody is told
//! to come back, and all goes on by itself when there is room again.

use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::home::{Home, Rule};
use crate::support::http::Answer;
use crate::support::load::{self, Told, acknowledged, statuses};
use crate::support::{Server, Start, eventually, tools};

/// Gives a server a disk of 32 MiB that only it sees, some of it taken.
fn on_a_small_disk<'a>(home: &Home, disk: &Path, taken: &str, start: Start<'a>) -> Start<'a> {
    std::fs::create_dir(disk).unwrap();
    let mount = format!(
        "mount -t tmpfs -o size=32m zupa \"$0\" && \
         {{ head -c {taken} /dev/zero > \"$0/ballast\"; exec \"$@\"; }}"
    );
    let disk = disk.to_str().unwrap();
    assert!(disk.starts_with(home.path().to_str().unwrap()));
    start
        .apart()
        .store(format!("{disk}/zupa.db"))
        .under(&["unshare", "-rm", "sh", "-c", &mount, disk])
}

/// A refusal that says when to come back.
#[track_caller]
fn assert_sent_away(answer: &Answer) {
    assert_eq!(answer.problem().0, 503, "{}", answer.text());
    let after = answer.header("retry-after").unwrap();
    assert!(after.parse::<u64>().unwrap() >= 1);
}

/// Loads the server until it has refused a good number of messages.
fn fill(server: &Server, text: &str) -> Vec<Told> {
    let refused = AtomicUsize::new(0);
    let told = load::say(server.address(), 8, 5_000, "full", text, |told: &Told| {
        let now = usize::from(told.status() != Some(202));
        refused.fetch_add(now, Ordering::Relaxed) + now > 200
    });
    eprintln!("until it was full, by status: {:?}", statuses(&told));
    for told in told.iter().filter(|told| told.status() != Some(202)) {
        assert_sent_away(told.answer.as_ref().unwrap());
    }
    told
}

#[test]
fn a_full_disk_refuses_then_recovers_and_loses_nothing() {
    let test = "a_full_disk_refuses_then_recovers_and_loses_nothing";
    if !tools::has("unshare", test) || !tools::has_namespaces(test) {
        return;
    }
    let home = Home::scripted(&[Rule("", "ok", 0)]);
    let disk = home.path().join("disk");
    let mut server = on_a_small_disk(&home, &disk, "24m", home.serve().impatient()).ready();
    let text = "x".repeat(20_000);
    let told = fill(&server, &text);
    let kept = acknowledged(&told).len();
    assert!(kept > 20, "{kept}");

    // A word may still fit where a page of text does not, and a sign of life
    // where a word does not: so until nothing does.
    let words = Cell::new(0);
    let ready = eventually("it says that it is not ready", || {
        let id = format!("word-{}", words.get());
        let answer = server.say(&id, &id, "a word");
        if answer.status == 202 {
            words.set(words.get() + 1);
            return None;
        }
        assert_sent_away(&answer);
        let ready = server.get("/readyz");
        (ready.status != 200).then_some(ready)
    });
    assert_sent_away(&ready);
    assert_eq!(server.get("/livez").status, 200);
    assert_eq!(server.exited(), None);

    // Room again: the same process goes on.
    std::fs::remove_file(server.inside(&disk.join("ballast")).unwrap()).unwrap();
    eventually("it is ready again", || {
        (server.get("/readyz").status == 200).then_some(())
    });
    let mut connection = server.connect();
    let mut new = 0;
    for told in &told {
        let word = connection.say(&told.id, &told.id, &text).unwrap().taken();
        let was_kept = told.status() == Some(202);
        assert!(!was_kept || word == "duplicate", "{} was lost", told.id);
        new += usize::from(word == "accepted");
        if new == 20 {
            break;
        }
    }
    let accounting = eventually("everything is answered", || {
        let now = server.accounting();
        let open = ["queued", "claimed"].map(|state| now["open"][state].as_u64().unwrap());
        (open == [0, 0]).then_some(now)
    });
    assert_eq!(accounting["balanced"], true, "{accounting}");
    assert_eq!(
        accounting["accepted"], accounting["ended"]["answered"],
        "{accounting}"
    );
    for id in acknowledged(&told).iter().step_by(10) {
        assert_eq!(server.feed(id).until_said("ok").len(), 1, "{id}");
    }
    assert!(!server.log().contains("panicked"), "{}", server.log());
    server.signal("TERM");
    assert_eq!(server.exit(), 0, "{}", server.log());
}

#[test]
fn a_start_on_a_full_disk_exits_75() {
    let test = "a_start_on_a_full_disk_exits_75";
    if !tools::has("unshare", test) || !tools::has_namespaces(test) {
        return;
    }
    let home = Home::scripted(&[Rule("", "ok", 0)]);
    let disk = home.path().join("disk");
    let mut server = on_a_small_disk(&home, &disk, "40m", home.serve()).spawn();
    assert_eq!(server.exit(), 75, "{}", server.log());
    let log = server.log();
    assert!(log.contains("try: make room on the disk"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
}
