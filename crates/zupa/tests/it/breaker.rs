//! `zupa breaker`: a model is held off by hand, people are told, and answered when it is
//! let through again.

use crate::support::home::{ECHO, Home};
use crate::support::tools;

#[test]
fn a_model_is_held_off_by_hand_and_people_are_told() {
    let home = Home::scripted(ECHO);
    home.run(&["breaker", "ls"]).refused(6, &["start one"]);
    let server = home
        .serve()
        .set("policy.turn.base_ms", 50)
        .set("policy.turn.cap_ms", 100)
        // Whoever was refused comes again after this.
        .set("policy.model.breaker.reset_ms", 500)
        .ready();
    let list = home.run(&["breaker", "ls", "--json"]).good().json();
    let names = list["breakers"].as_array().unwrap().iter();
    let mut names = names.map(|breaker| breaker["name"].as_str().unwrap());
    let model = names.find(|name| name.starts_with("model/")).unwrap();
    let why = ["--reason", "it stumbles", "--by", "bea"];
    let open = [&["breaker", "open", model][..], &why].concat();
    let opened = home.run(&open).good().stdout;
    assert!(
        opened.contains("open") && opened.contains("by hand"),
        "{opened}"
    );

    assert_eq!(server.say("c", "m1", "hello").taken(), "accepted");
    let feed = server.feed("c");
    feed.until_said("I cannot answer right now. I will come back to you as soon as I can.");
    let closed = home.run(&["breaker", "close", model]).good().stdout;
    assert!(closed.contains("closed"), "{closed}");
    feed.until_said("echo of hello");
    home.run(&["breaker", "open", "model/other"])
        .refused(5, &["model/other", "zupa breaker ls"]);
    let figures = server.figures();
    let of = |name: &str| format!("zupa_breaker_{name}{{breaker=\"{model}\"");
    let state = format!("{}}} 0", of("state"));
    let refused = format!("{},result=\"refused\"}} ", of("calls_total"));
    let refused = figures.lines().find_map(|line| line.strip_prefix(&refused));
    assert!(
        figures.lines().any(|line| line.starts_with(&state)),
        "{figures}"
    );
    assert!(refused.unwrap().parse::<u64>().unwrap() > 0, "{figures}");
    let audit = || home.run(&["audit", "ls", "--json"]).good().json();
    let served = audit();
    let newest = &served["entries"][0];
    let of_newest = ["number", "actor", "action", "reason"].map(|key| &newest[key]);
    let wanted = serde_json::json!([2, "operator", "breaker.closed", model]);
    assert_eq!(serde_json::json!(of_newest), wanted);
    let older = home.run(&["audit", "ls", "--before", "2", "--json"]);
    let older = older.good().json();
    let numbers: Vec<_> = older["entries"].as_array().unwrap().iter().collect();
    assert_eq!((numbers.len(), &numbers[0]["number"]), (1, &1.into()));
    server.stop();

    assert_eq!(audit(), served, "the store says what the server says");
    let page = home.run(&["audit", "ls", "--limit", "1"]).good();
    assert!(page.stdout.contains("  breaker.closed  "), "{page:#?}");
    assert!(page.stderr.contains("--before 2"), "{page:#?}");
    let page = home.run(&["audit", "ls", "--before", "2"]).good().stdout;
    let lines: Vec<_> = page.lines().collect();
    assert!(
        lines.len() == 1 && page.contains("it stumbles, by bea"),
        "{page}"
    );
    let acts = tools::sqlite(
        &home.store(),
        "SELECT actor, action, reason FROM audit WHERE stream = zeroblob(16) ORDER BY number",
    );
    let acts: Vec<_> = acts.lines().collect();
    assert_eq!(
        acts,
        [
            format!("operator|breaker.opened|{model}: it stumbles, by bea"),
            format!("operator|breaker.closed|{model}")
        ]
    );
    // A copy is whole with them.
    home.run(&["db", "backup", "--to", "copy.db"]).good();
}
