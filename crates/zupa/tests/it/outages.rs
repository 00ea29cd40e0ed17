//! What a serving process stands on is away for a while, or at the end of a bad line: the
//! model's provider, the store, or the people themselves. People are let in as long as
//! there is room for what they say, and told to come back when there is none; what was
//! taken is answered, in order, once all is well.

use std::time::Duration;

use zupa_faultproxy::{Direction, Proxy, Toxic};

use crate::support::home::Home;
use crate::support::http::{Answer, Connection};
use crate::support::model::{FakeModel, KEY, Mood};
use crate::support::{Feed, Server, Start, eventually, feed};

/// A link that a test breaks and mends.
struct Link {
    proxy: Proxy,
    alive: tokio::runtime::Runtime,
}

impl Link {
    fn to(upstream: &str) -> Self {
        let alive = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let proxy = alive.block_on(Proxy::start(upstream)).unwrap();
        Self { proxy, alive }
    }

    fn address(&self) -> String {
        self.proxy.address().to_string()
    }

    fn suffers<const N: usize>(&self, toxics: [Toxic; N]) {
        self.proxy.set(Direction::Answers, toxics);
    }

    fn down(&self) {
        self.alive.block_on(self.proxy.down());
    }

    fn up(&self) {
        self.alive.block_on(self.proxy.up()).unwrap();
    }
}

const SLOW: Toxic = Toxic::Latency {
    delay: Duration::from_millis(5),
    jitter: Duration::from_millis(10),
};

/// A refusal that says when to come again.
#[track_caller]
fn sent_away(answer: &Answer) {
    let (status, _) = answer.problem();
    assert!([429, 503].contains(&status), "{status}");
    assert!(answer.header("retry-after").is_some());
}

fn behind<'a>(start: Start<'a>, model: &Link) -> Start<'a> {
    start
        .set("model.provider", "openai")
        .set("model.name", "fake")
        .set("model.base_url", format!("http://{}/v1", model.address()))
        .set("model.api_key", "env:FAKE_KEY")
        .variable("FAKE_KEY", KEY)
        .set("policy.model.base_ms", 40)
        .set("policy.model.cap_ms", 80)
        .set("policy.model.breaker.reset_ms", 200)
        .set("limits.per_user_per_minute", 0)
}

/// The numbers of the messages that a conversation's answers speak of, as the model
/// echoes the last message of each turn.
fn answered(server: &Server, conversation: &str, last: u32) -> Vec<u32> {
    let seen = server
        .feed(conversation)
        .until_said(&format!("echo of {conversation} {last}."));
    let lines = feed::lines(&seen);
    let echoes = lines.iter().filter_map(|line| {
        let said = line
            .text
            .strip_prefix(&format!("echo of {conversation} "))?;
        said.trim_end_matches('.').parse().ok()
    });
    echoes.collect()
}

#[test]
fn a_model_that_is_away_holds_what_fits_and_answers_it_in_order() {
    const EACH: u32 = 8;
    const PEOPLE: [&str; 3] = ["ana", "bea", "carl"];
    let home = Home::new();
    let model = FakeModel::start(Mood::Well);
    let link = Link::to(model.address());
    let room = PEOPLE.len() * EACH as usize;
    let server = behind(home.serve(), &link)
        .set("limits.backlog", room)
        .ready();
    link.down();
    for number in 1..=EACH {
        for person in PEOPLE {
            let text = format!("{person} {number}.");
            assert_eq!(server.say(person, &text, &text).taken(), "accepted");
        }
    }
    // The breaker opens; nobody is turned away for that.
    eventually("the breaker opens", || {
        let list = home.run(&["breaker", "ls", "--json"]).good().json();
        let breakers = list["breakers"].as_array().unwrap().clone();
        breakers
            .iter()
            .any(|breaker| breaker["state"] == "open")
            .then_some(())
    });
    assert_eq!(server.get("/readyz").status, 200);
    sent_away(&server.say("dora", "too many", "hello"));
    let waiting = server.accounting();
    assert_eq!(waiting["accepted"], room);
    assert_eq!(waiting["ended"]["answered"], 0);
    assert!(model.asked().is_empty());

    link.up();
    server.all_answered(room);
    for person in PEOPLE {
        let answered = answered(&server, person, EACH);
        assert!(
            answered.is_sorted_by(|one, next| one < next),
            "{answered:?}"
        );
    }
    // All of it went to the model, in the order in which it was said.
    for person in PEOPLE {
        let asked = model.asked();
        let own = asked.iter().rev().find_map(|asked| {
            let messages = asked.body["messages"].as_array()?;
            let said = messages.iter().filter(|message| message["role"] == "user");
            let said: Vec<_> = said
                .filter_map(|message| message["content"].as_str())
                .collect();
            said.last()?.starts_with(person).then(|| said.join(" "))
        });
        let wanted: Vec<_> = (1..=EACH)
            .map(|number| format!("{person} {number}."))
            .collect();
        assert_eq!(own.unwrap(), wanted.join(" "));
    }
    assert_eq!(server.say("dora", "too many", "hello").taken(), "accepted");
    server.all_answered(room + 1);
    server.stop();
}

#[test]
fn a_line_to_the_model_that_is_thin_or_breaks_costs_time_and_no_answer() {
    let home = Home::new();
    let model = FakeModel::start(Mood::Well);
    let link = Link::to(model.address());
    let server = behind(home.serve(), &link).ready();
    // Not too slow for any limit: the answer comes whole, at the first try.
    link.suffers([SLOW, Toxic::Bandwidth(600)]);
    assert_eq!(server.say("ana", "1", "ana 1.").taken(), "accepted");
    server.all_answered(1);
    assert_eq!(model.asked().len(), 1);
    // Begun, and reset in the middle, time and again.
    link.suffers([Toxic::ResetAfter(150)]);
    assert_eq!(server.say("ana", "2", "ana 2.").taken(), "accepted");
    model.wait_asked(4);
    assert_eq!(server.accounting()["ended"]["answered"], 1);
    link.suffers([]);
    server.all_answered(2);
    assert_eq!(answered(&server, "ana", 2), [1, 2]);
    server.stop();
}

#[test]
fn people_on_a_line_that_breaks_are_heard_once_and_miss_nothing() {
    const LAST: u32 = 6;
    let home = Home::new();
    let model = FakeModel::start(Mood::Well);
    let server = model
        .behind(home.serve())
        .set("limits.per_user_per_minute", 0)
        .ready();
    let line = Link::to(&server.address().to_string());
    let door = line.address().parse().unwrap();
    let say = |number: u32| {
        let text = format!("ana {number}.");
        Connection::open(door)?.say("ana", &text, &text)
    };
    for number in 1..=LAST {
        // Taken, but the line breaks before that is known.
        line.suffers([Toxic::ResetAfter(40)]);
        assert!(say(number).is_err());
        line.suffers([SLOW]);
        assert_eq!(say(number).unwrap().taken(), "duplicate");
        server.all_answered(number as usize);
    }
    let whole = server.feed("ana");
    let whole = feed::lines(&whole.until_said(&format!("echo of ana {LAST}.")));
    line.suffers([SLOW, Toxic::Slicer(90), Toxic::ResetAfter(1_200)]);
    let opened = line.proxy.counts().connections;
    let mut seen: Vec<feed::Line> = Vec::new();
    eventually("all was seen", || {
        let after = seen.last().map_or(0, |line| line.number);
        let feed = Feed::open(door, "ana", after);
        let events = std::iter::from_fn(|| feed.next(Duration::from_secs(1)));
        seen.extend(feed::lines(&events.collect::<Vec<_>>()));
        (seen.len() >= whole.len()).then_some(())
    });
    assert_eq!(seen, whole);
    assert!(line.proxy.counts().connections > opened + 1);
    server.stop();
}

#[cfg(feature = "postgres")]
#[test]
fn a_line_to_the_store_that_is_slow_and_breaks_loses_nothing() {
    use crate::support::postgres::Database;

    const EACH: u32 = 8;
    let test = "a_line_to_the_store_that_is_slow_and_breaks_loses_nothing";
    let Some(database) = Database::make(test) else {
        return;
    };
    let home = Home::new();
    let model = FakeModel::start(Mood::Well);
    let to_model = Link::to(model.address());
    let to_store = Link::to(&database.address());
    let server = behind(home.serve(), &to_model)
        .elsewhere(&database.url_at(&to_store.address()), "postgres")
        .impatient()
        .ready();
    let say = |number: u32| {
        let text = format!("ana {number}.");
        eventually("the message is taken", || {
            let answer = server.say("ana", &text, &text);
            (answer.status == 202).then_some(())
        });
    };
    to_store.suffers([SLOW, Toxic::Bandwidth(200_000)]);
    (1..=EACH).for_each(say);
    // Each connection lives for some questions.
    let opened = to_store.proxy.counts().connections;
    to_store.suffers([SLOW, Toxic::ResetAfter(24_000)]);
    let mut last = EACH;
    while to_store.proxy.counts().connections <= opened + 2 {
        last += 1;
        assert!(last < 200, "no connection broke");
        say(last);
    }
    to_store.suffers([]);
    server.all_answered(last as usize);
    let answered = answered(&server, "ana", last);
    assert!(
        answered.is_sorted_by(|one, next| one < next),
        "{answered:?}"
    );
    server.stop();
}

#[cfg(feature = "postgres")]
#[test]
fn a_store_that_is_away_sends_people_away_and_loses_nothing() {
    use crate::support::postgres::Database;

    let test = "a_store_that_is_away_sends_people_away_and_loses_nothing";
    let Some(database) = Database::make(test) else {
        return;
    };
    let home = Home::new();
    let model = FakeModel::start(Mood::Well);
    let to_model = Link::to(model.address());
    let to_store = Link::to(&database.address());
    let server = behind(home.serve(), &to_model)
        .elsewhere(&database.url_at(&to_store.address()), "postgres")
        .set("policy.store.timeout_ms", 500)
        .impatient()
        .ready();
    let mut told = 0;
    for round in 0..3 {
        let say = |number: u32| {
            let text = format!("ana {number}.");
            server.say("ana", &text, &text)
        };
        let first = 1 + round * 4;
        assert_eq!(say(first).taken(), "accepted");
        assert_eq!(say(first + 1).taken(), "accepted");
        // Some of the answers to those are still to be written.
        to_store.down();
        sent_away(&say(first + 2));
        sent_away(&say(first + 3));
        eventually("it is known that nothing can be taken", || {
            (server.get("/readyz").status == 503).then_some(())
        });
        to_store.up();
        eventually("it is ready again", || {
            (server.get("/readyz").status == 200).then_some(())
        });
        // Whoever was sent away comes again. What looked refused may have been taken.
        for number in first..first + 4 {
            let answer = eventually("the message is taken", || {
                let answer = say(number);
                (answer.status == 202).then_some(answer)
            });
            let known = answer.taken() == "duplicate";
            assert!(known || number >= first + 2, "{number} was lost");
        }
        told += 4;
        server.all_answered(told);
    }
    let answered = answered(&server, "ana", told as u32);
    assert!(
        answered.is_sorted_by(|one, next| one < next),
        "{answered:?}"
    );
    server.stop();
}
