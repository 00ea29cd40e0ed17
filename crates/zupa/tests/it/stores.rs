//! Stores by URL: which one is selected, which are refused, and where the
//! server of a store without a file is found.

use crate::support::home::{ECHO, Home, ZUPA, ran};

const MEMORY: &str = "sqlite::memory:";

#[test]
fn a_store_in_memory_serves_warns_and_leaves_nothing() {
    let home = Home::scripted(ECHO);
    let scratch = home.path().join("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let scratched = || std::fs::read_dir(&scratch).unwrap().count();
    let server = home
        .serve()
        .elsewhere(MEMORY, "memory")
        .variable("TMPDIR", scratch.to_str().unwrap())
        .ready();
    assert!(server.log().contains("everything is forgotten at the end"));
    assert_eq!(server.say("c", "m", "hi").taken(), "accepted");
    assert_eq!(server.say("c", "m", "hi").taken(), "duplicate");
    server.all_answered(1);
    assert_eq!(scratched(), 1);
    // Only the server has it; the commands ask the server.
    let set = "store.url=sqlite::memory:";
    let status = home
        .run(&["db", "status", "--json", "--set", set])
        .good()
        .json();
    assert_eq!(status["accounting"]["accepted"], 1);
    let why = home.run(&["turn", "why", "m", "--set", set]).good();
    assert!(why.stdout.starts_with("answered"), "{why:#?}");
    home.run(&["db", "backup", "--to", "b.db", "--set", set])
        .refused(1, &["memory", "why: ", "try: "]);
    server.stop();
    assert_eq!(scratched(), 0);
    home.run(&["db", "status", "--set", set])
        .refused(6, &["cannot be reached"]);

    let again = home.serve().elsewhere(MEMORY, "memory").ready();
    assert_eq!(again.say("c", "m", "hi").taken(), "accepted");
}

#[test]
fn a_store_in_memory_that_nobody_serves_is_unreachable() {
    Home::new()
        .run(&["db", "status", "--set", "store.url=sqlite::memory:"])
        .refused(6, &["memory", "why: ", "try: "]);
}

#[test]
fn prod_refuses_a_store_in_memory() {
    let home = Home::with("profile = \"prod\"\nchannel = []\n[store]\nurl = \"sqlite::memory:\"\n");
    let checked = home.run(&["config", "check"]);
    assert_eq!(checked.code, 78, "{checked:#?}");
    assert!(checked.stderr.contains("forgotten"), "{checked:#?}");
}

#[test]
fn redis_as_a_store_points_to_the_intake() {
    let home = Home::scripted(ECHO);
    home.run(&["serve", "--set", "store.url=redis://:canary@h"])
        .refused(78, &["Redis is not a store", "[intake]", "why: ", "try: "]);
}

#[cfg(not(feature = "postgres"))]
#[test]
fn a_store_that_is_not_compiled_in_is_refused_by_the_name_of_its_feature() {
    let home = Home::scripted(ECHO);
    for command in [
        &["serve"][..],
        &["dev"],
        &["turn", "why", "x"],
        &["db", "status"],
        &["db", "migrate"],
    ] {
        let set = ["--set", "store.url=postgres://u:canary@h/db"];
        let ran = home.run(&[command, &set].concat());
        ran.refused(
            78,
            &[
                "without the feature postgres",
                "why: ",
                "--features postgres",
            ],
        );
        assert!(!format!("{ran:?}").contains("canary"), "{ran:#?}");
    }
}

#[test]
fn a_password_that_is_not_in_its_place_or_in_the_wrong_one_is_not_shown() {
    let home = Home::scripted(ECHO);
    let variable = ran(home
        .command(ZUPA)
        .args(["config", "check", "--set", "store.password=canary"])
        .env(
            "ZUPA__STORE__URL",
            "postgres://u:canary@h/db?password=canary",
        ));
    assert_eq!(variable.code, 78, "{variable:#?}");
    assert!(!format!("{variable:?}").contains("canary"), "{variable:#?}");
    let usage = home.run(&["db", "status", "--set", "postgres://u:canary@h/db"]);
    assert_eq!(usage.code, 2, "{usage:#?}");
    assert!(!format!("{usage:?}").contains("canary"), "{usage:#?}");
}
