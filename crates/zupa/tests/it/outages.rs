//! What a serving process stands on is away for a while: the model's provider, or the
//! store. People are let in as long as there is room for what they say, and told to come
//! back when there is none; what was taken is answered, in order, once all is well.

use zupa_faultproxy::Proxy;

use crate::support::home::Home;
use crate::support::http::Answer;
use crate::support::model::{FakeModel, KEY, Mood};
use crate::support::{Server, Start, eventually, feed};

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

    fn down(&self) {
        self.alive.block_on(self.proxy.down());
    }

    fn up(&self) {
        self.alive.block_on(self.proxy.up()).unwrap();
    }
}

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
