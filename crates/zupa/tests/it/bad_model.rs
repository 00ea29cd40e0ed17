//! A model that fails, over the whole path: the message stays, somebody can see
//! why, and it is answered once when the model is well again. Neither the key
//! nor what people write reaches a log.

use serde_json::Value;

use crate::support::home::Home;
use crate::support::model::{FakeModel, KEY, Mood};
use crate::support::{Line, Server, eventually, feed, within};

const CANARY: &str = "canary of a customer";

/// Lets a message meet a model in a bad mood, and then a good one.
#[track_caller]
fn survives(mood: Mood, words: &[&str]) {
    let home = Home::new();
    let model = FakeModel::start(mood);
    let server = start(&home, &model);
    let stream = server.feed("c");
    assert_eq!(server.say("c", "m", CANARY).taken(), "accepted");

    // Open, counted, and no secret why.
    let why = eventually("the failure is known", || {
        let why = home.run(&["turn", "why", "m", "--json"]).good().json();
        (why["code"] == "retry").then_some(why)
    });
    let sentence = why["why"].as_str().unwrap();
    for word in words {
        assert!(sentence.contains(word), "no {word:?} in {sentence:?}");
    }
    let open = server.accounting();
    assert_eq!(open["accepted"], 1);
    assert_eq!(open["ended"]["answered"], 0);
    assert_eq!(open["ended"]["dead"], 0);
    assert_eq!(open["balanced"], true, "{open}");
    assert_eq!(server.say("c", "m", CANARY).taken(), "duplicate");

    // A provider's failure is not the message's: it may fail long.
    let asked = model.asked().len();
    model.wait_asked(asked + 3);
    model.mood(Mood::Well);
    server.all_answered(1);
    let said = stream.until_said(CANARY);
    assert_eq!(feed::lines(&said), lines());
    assert_eq!(feed::lines(&server.feed("c").until_said(CANARY)), lines());

    let shown = home.run(&["turn", "show", "m"]).good().stdout;
    let authorized = format!("Bearer {KEY}");
    for asked in model.asked() {
        assert_eq!(asked.authorization.as_deref(), Some(authorized.as_str()));
    }
    for text in [&server.log(), &shown, sentence] {
        assert!(!text.contains("canary"), "{text}");
        assert!(!text.contains(KEY), "{text}");
        assert!(!text.contains("panicked"), "{text}");
    }
    server.stop();
}

/// Short waits, so that each kind of silence is short.
fn start(home: &Home, model: &FakeModel) -> Server {
    model
        .behind(home.serve())
        .set("policy.model.first_byte_timeout_ms", 200)
        .set("policy.model.idle_timeout_ms", 200)
        .set("policy.model.timeout_ms", 1_000)
        .set("policy.model.base_ms", 40)
        .set("policy.model.cap_ms", 80)
        .set("policy.turn.base_ms", 40)
        .set("policy.turn.cap_ms", 80)
        // A page instead of an answer is held for as long as these last.
        .set("policy.turn.retries", 20)
        // The model is asked again soon, however often it has failed.
        .set("policy.model.breaker.enabled", false)
        .set("telemetry.log", "trace")
        .ready()
}

/// What the person sees: that there will be an answer, and the answer.
fn lines() -> Vec<Line> {
    let said = |number, text: &str| Line {
        number,
        from: "message".to_owned(),
        text: text.to_owned(),
    };
    vec![
        said(
            2,
            "I cannot answer right now. I will come back to you as soon as I can.",
        ),
        said(3, &format!("echo of {CANARY}")),
    ]
}

const QUOTING: &str =
    r#"{"error":{"message":"no: canary of a customer, the-key-of-the-provider"}}"#;

#[test]
fn a_key_that_is_refused_holds_the_message() {
    survives(Mood::Refuses(401, "", QUOTING), &["unauthorized"]);
}

#[test]
fn a_rate_limit_holds_the_message() {
    survives(Mood::Refuses(429, "", QUOTING), &["rate"]);
}

#[test]
fn a_provider_in_trouble_holds_the_message() {
    survives(Mood::Refuses(500, "", QUOTING), &["unavailable"]);
}

#[test]
fn a_page_instead_of_an_answer_holds_the_message() {
    survives(Mood::Html, &["protocol", "text/html"]);
}

#[test]
fn an_answer_that_breaks_off_holds_the_message() {
    survives(Mood::CutsOff, &["unavailable", "broke"]);
}

#[test]
fn an_answer_that_stalls_holds_the_message() {
    survives(Mood::Stalls("half of"), &["timeout"]);
}

#[test]
fn silence_holds_the_message() {
    survives(Mood::Silent, &["timeout"]);
}

#[test]
fn a_provider_that_is_not_there_holds_the_message() {
    let home = Home::new();
    let model = FakeModel::start(Mood::Well);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", nobody.local_addr().unwrap());
    drop(nobody);
    let server = model
        .behind(home.serve())
        .set("model.base_url", url)
        .ready();
    assert_eq!(server.say("c", "m", CANARY).taken(), "accepted");
    eventually("the failure is known", || {
        let why = home.run(&["turn", "why", "m", "--json"]).good().json();
        (why["code"] == "retry").then_some(())
    });
    server.stop();
    // Another start, another provider; the message was kept.
    let server = model.behind(home.serve()).ready();
    server.all_answered(1);
    assert_eq!(model.asked().len(), 1);
}

#[test]
fn retry_after_is_honoured() {
    let home = Home::new();
    let model = FakeModel::start(Mood::Refuses(429, "retry-after: 2\r\n", QUOTING));
    let server = start(&home, &model);
    assert_eq!(server.say("c", "m", CANARY).taken(), "accepted");
    let show = || home.run(&["turn", "show", "m", "--json"]).good().json();
    let view = eventually("the turn waits", || {
        let view = show();
        (view["turn"]["state"] == "retry").then_some(view)
    });
    // The model may not be asked before that, whatever our own delays say.
    let asked_again = within(std::time::Duration::from_millis(1_200), || {
        (model.asked().len() > 1).then_some(())
    });
    assert_eq!(asked_again, None);
    assert_ne!(view["turn"]["not_before"], Value::Null);
    model.mood(Mood::Well);
    server.all_answered(1);
    assert_eq!(model.asked().len(), 2);
}

#[test]
fn what_the_provider_refuses_for_good_is_given_up_with_a_word_to_the_person() {
    let home = Home::new();
    let model = FakeModel::start(Mood::Refuses(400, "", QUOTING));
    let server = start(&home, &model);
    let stream = server.feed("c");
    assert_eq!(server.say("c", "m", CANARY).taken(), "accepted");
    stream.until_said("Sorry");
    let why = home.run(&["turn", "why", "m", "--json"]).good().json();
    assert_eq!(why["code"], "dead", "{why}");
    assert!(!why.to_string().contains("canary"), "{why}");
    let ended = server.accounting();
    assert_eq!(
        (&ended["ended"]["dead"], &ended["balanced"]),
        (&1.into(), &true.into())
    );
    // The conversation goes on.
    model.mood(Mood::Well);
    assert_eq!(server.say("c", "n", "next").taken(), "accepted");
    stream.until_said("echo of next");
}

#[test]
fn another_provider_answers_where_the_first_cannot_and_gets_no_key_of_the_first() {
    let first = FakeModel::start(Mood::Refuses(503, "", "{}"));
    let second = FakeModel::start(Mood::Well);
    let home = Home::with(&format!(
        "[[model.fallback]]\nprovider = \"openai\"\nname = \"fake\"\nbase_url = \"{}\"\n",
        second.url()
    ));
    let server = start(&home, &first);
    assert_eq!(server.say("c", "m1", "hello").taken(), "accepted");
    server.feed("c").until_said("echo of hello");
    assert_eq!(second.asked().len(), 1);
    assert_eq!(second.asked()[0].authorization, None);
    let key = first.asked()[0].authorization.clone();
    assert_eq!(key, Some(format!("Bearer {KEY}")));
    let turn = home.run(&["turn", "show", "m1", "--json"]).good().json();
    assert_eq!(turn["turn"]["runs"], 1, "within one run: {turn}");
    // Figures are counted beside the path, a moment later.
    eventually("retries within the turn are counted", || {
        let figures = server.figures();
        let of = |name: &str| format!("zupa_{name}{{port=\"model\"");
        let counted = |name: &str| figures.lines().any(|line| line.starts_with(&of(name)));
        (counted("retries_total") && counted("retry_delay_seconds_count")).then_some(())
    });
    server.stop();
}
