//! `zupa breaker`: a model is held off by hand, people are told, and answered when it is
//! let through again.

use crate::support::home::{ECHO, Home};

#[test]
fn a_model_is_held_off_by_hand_and_people_are_told() {
    let home = Home::scripted(ECHO);
    home.run(&["breaker", "ls"]).refused(6, &["start one"]);
    let server = home
        .serve()
        .set("policy.model.base_ms", 50)
        .set("policy.model.cap_ms", 100)
        // Whoever was refused comes again after this.
        .set("policy.model.breaker.reset_ms", 500)
        .ready();
    let list = home.run(&["breaker", "ls", "--json"]).good().json();
    let names = list["breakers"].as_array().unwrap().iter();
    let mut names = names.map(|breaker| breaker["name"].as_str().unwrap());
    let model = names.find(|name| name.starts_with("model/")).unwrap();
    let opened = home.run(&["breaker", "open", model]).good().stdout;
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
    server.stop();
}
