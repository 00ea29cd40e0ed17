//! `zupa dev` needs nothing and answers within 10 seconds.

use std::time::Duration;

use crate::support::home::Home;

#[test]
fn dev_answers_within_10_seconds_in_an_empty_folder() {
    let home = Home::new();
    let server = home.dev().ready();
    let feed = server.feed("c");
    assert_eq!(server.say("c", "m", "hello").taken(), "accepted");
    feed.until_said("built-in script");
    let took = server.started().elapsed();
    eprintln!("start to first answer: {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let made: Vec<_> = std::fs::read_dir(home.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name != "server.log")
        .collect();
    assert_eq!(made, [".zupa"], "only the store's folder was made");
    server.stop();
}

#[test]
fn dev_says_where_it_is_and_that_it_is_a_script() {
    let home = Home::new();
    let server = home.dev().ready();
    let log = server.log();
    assert!(
        log.contains(&format!("http://{}/", server.address())),
        "{log}"
    );
    for words in ["built-in script", "OPENAI_API_KEY"] {
        assert!(log.contains(words), "{log}");
    }
    let info = server.get("/dev/info").json();
    assert!(info["model"].as_str().unwrap().contains("built-in script"));
    let feed = server.feed("c");
    server
        .say("c", "m", "How do I plug in a real model?")
        .taken();
    feed.until_said("OPENAI_API_KEY=… zupa dev");
}
