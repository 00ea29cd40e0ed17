//! Two binaries of different versions on one store, at once: the older leaves alone what it
//! cannot load, and the newer goes on with what the older has begun.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::home::ZUPA;
use crate::support::postgres::Database;
use crate::support::process;

/// How long nobody may be told anything.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process of one version.
struct Version {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Version {
    fn start(example: &str, database: &Database) -> Self {
        let path = Path::new(ZUPA).with_file_name("examples").join(example);
        let mut child = Command::new(path)
            .arg(database.url())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = child.stdin.take().unwrap();
        let from = BufReader::new(child.stdout.take().unwrap());
        let mut version = Self { child, to, from };
        assert_eq!(version.line(), "ready");
        version
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn asked(&mut self, line: &str) -> String {
        writeln!(self.to, "{line}").unwrap();
        self.line()
    }

    fn say(&mut self, who: &str, text: &str) {
        assert_eq!(self.asked(&format!("say {who} {text}")), "ack");
    }

    /// Waits until somebody has been told this, by whichever version.
    #[track_caller]
    fn told(&mut self, who: &str, expected: &str) {
        let begun = Instant::now();
        loop {
            let told = self.asked(&format!("show {who}"));
            if told == expected {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{who} was told: {told}");
        }
    }
}

impl Drop for Version {
    fn drop(&mut self) {
        process::kill(&mut self.child);
    }
}

#[test]
fn two_versions_serve_one_store_at_once() {
    let Some(database) = Database::make("two_versions_serve_one_store_at_once") else {
        return;
    };
    let mut old = Version::start("upgrade_old", &database);
    old.say("ana", "hello");
    old.told("ana", "old: hello, 1");
    old.say("carl", "order");
    old.told("carl", "sure?");

    // The newer one knows what was kept and what was parked.
    let mut new = Version::start("upgrade_new", &database);
    new.say("ana", "two");
    new.told("ana", "old: hello, 1 | new: two, firm, 2");
    new.say("carl", "yes");
    new.told("carl", "sure? | new: order, kind, 1");

    // Whatever the older one accepts for them now, the newer one answers.
    old.say("ana", "three");
    old.told(
        "ana",
        "old: hello, 1 | new: two, firm, 2 | new: three, firm, 3",
    );

    // Left alone it leaves them alone, counts no failure, and serves others.
    drop(new);
    old.say("ana", "four");
    let mut bob = String::new();
    for turn in 1..=20 {
        old.say("bob", "hi");
        bob = format!("{bob}{}old: hi, {turn}", if turn > 1 { " | " } else { "" });
        old.told("bob", &bob);
    }
    let states = "SELECT state, turn_id IS NULL FROM zupa.inbounds WHERE content LIKE '%four%'";
    assert_eq!(database.sql(states), "queued|t");
    old.told(
        "ana",
        "old: hello, 1 | new: two, firm, 2 | new: three, firm, 3",
    );

    let mut new = Version::start("upgrade_new", &database);
    new.told(
        "ana",
        "old: hello, 1 | new: two, firm, 2 | new: three, firm, 3 | new: four, firm, 4",
    );
    let failures = "SELECT coalesce(sum(failures), 0) FROM zupa.turns";
    assert_eq!(database.sql(failures), "0");
}
