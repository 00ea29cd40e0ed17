//! R21: backups of a server under load, restored elsewhere and continued.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::eventually;
use crate::support::home::{ECHO, Home};
use crate::support::server::Server;

/// `ZUPA_TEST_BACKUPS` asks for more.
const BACKUPS: usize = 3;

/// People who talk at once.
const PEOPLE: usize = 4;

/// Messages around each backup: half of them before it begins.
const MESSAGES: usize = 100;

fn backups() -> usize {
    std::env::var("ZUPA_TEST_BACKUPS")
        .ok()
        .and_then(|wanted| wanted.parse().ok())
        .unwrap_or(BACKUPS)
}

/// What is said under an id: nobody repeats anybody, which would be a loop.
fn hi(id: &str) -> String {
    format!("hi, this is {id}")
}

/// What people say, and what of it was acknowledged, as (conversation, id).
#[derive(Debug, Default)]
struct Talk {
    next: AtomicUsize,
    /// They fall silent here until it is raised.
    until: AtomicUsize,
    acknowledged: Mutex<Vec<(String, String)>>,
    over: AtomicBool,
}

impl Talk {
    fn acknowledged(&self) -> Vec<(String, String)> {
        self.acknowledged.lock().unwrap().clone()
    }

    /// Lets people say so many more things.
    fn go_on(&self, messages: usize) {
        self.until.fetch_add(messages, Ordering::Relaxed);
    }

    #[track_caller]
    fn wait_for(&self, messages: usize) {
        eventually("people talk", || {
            (self.acknowledged.lock().unwrap().len() >= messages).then_some(())
        });
    }

    fn one_of_many(&self, server: &Server) {
        let mut connection = server.connect();
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            while number >= self.until.load(Ordering::Relaxed) {
                if self.over.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
            let (conversation, id) = (format!("c{}", number % 16), format!("m{number}"));
            let answer = connection.say(&conversation, &id, &hi(&id)).unwrap();
            assert_eq!(answer.taken(), "accepted");
            self.acknowledged.lock().unwrap().push((conversation, id));
        }
    }
}

/// Ends the talk however the test ends, or its people would wait for ever.
struct Over<'a>(&'a Talk);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

/// Restores a backup in a home of its own and goes on there.
fn continued(backup: &str, acknowledged: &[(String, String)]) {
    let home = Home::scripted(ECHO);
    home.run(&["db", "restore", "--from", backup]).good();
    let server = home.serve().ready();
    let mut connection = server.connect();
    for (conversation, id) in acknowledged {
        let word = connection.say(conversation, id, &hi(id)).unwrap().taken();
        assert_eq!(word, "duplicate", "{id} was lost");
    }
    assert_eq!(server.say("new", "new", "still there?").taken(), "accepted");
    let accounting = server.accounting();
    let accepted = accounting["accepted"].as_u64().unwrap() as usize;
    assert!(accepted > acknowledged.len());
    server.all_answered(accepted);
    server.stop();
    // Restored once more, the chains that went on hold as well.
    home.run(&["db", "backup", "--to", "again.db"]).good();
    home.run(&["db", "restore", "--drill", "--from", "again.db"])
        .good();
}

#[test]
fn a_backup_under_load_loses_nothing_that_was_acknowledged_before() {
    let home = Home::scripted(ECHO);
    let server = home.serve().ready();
    let talk = Talk::default();
    std::thread::scope(|scope| {
        let _over = Over(&talk);
        for _ in 0..PEOPLE {
            scope.spawn(|| talk.one_of_many(&server));
        }
        for number in 0..backups() {
            talk.go_on(MESSAGES);
            talk.wait_for(number * MESSAGES + MESSAGES / 2);
            let before = talk.acknowledged();
            let name = format!("backup-{number}.db");
            let taken = home
                .run(&["db", "backup", "--to", &name, "--json"])
                .good()
                .json();
            let inside = taken["backup"]["inbounds"].as_u64().unwrap() as usize;
            assert!(inside >= before.len());
            talk.wait_for((number + 1) * MESSAGES);
            let path = home.path().join(&name);
            continued(path.to_str().unwrap(), &before);
            eprintln!(
                "backup {number}: {} acknowledged before it, {inside} in it; took {} s",
                before.len(),
                taken["seconds"]
            );
        }
    });
    let said = talk.acknowledged().len();
    assert_eq!(said, backups() * MESSAGES);
    server.all_answered(said);
    server.stop();
}
