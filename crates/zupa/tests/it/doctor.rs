//! `zupa doctor`: the defaults hold, what does not is named, and a sum that does not
//! hold is an error of its own.

use serde_json::Value;

use crate::support::home::{ECHO, Home, Ran};

/// How a check stands: `ok`, `warn` or `fail`.
#[track_caller]
fn level(ran: &Ran, check: &str) -> String {
    let json = ran.json();
    let found = json["checks"].as_array().unwrap().iter();
    let found = found.filter(|finding| finding["check"] == check);
    let worst = ["fail", "warn", "ok"];
    let levels: Vec<&Value> = found.map(|finding| &finding["level"]).collect();
    let worst = worst.iter().find(|level| levels.iter().any(|l| l == level));
    (*worst.unwrap_or_else(|| panic!("no {check} in {json:#}"))).to_owned()
}

fn doctor(home: &Home, set: &[&str]) -> Ran {
    let mut arguments = vec!["doctor", "--json"];
    arguments.extend(set.iter().flat_map(|pair| ["--set", pair]));
    home.run(&arguments)
}

/// Takes a message away behind the store's back.
fn lose_a_message(home: &Home) {
    let connection = rusqlite::Connection::open(home.store()).unwrap();
    let gone = connection
        .execute(
            "DELETE FROM inbounds WHERE rowid = (SELECT min(rowid) FROM inbounds)",
            [],
        )
        .unwrap();
    assert_eq!(gone, 1);
}

#[test]
fn the_defaults_hold_with_an_empty_configuration() {
    let home = Home::new();
    let ran = doctor(&home, &[]);
    assert_eq!(ran.code, 0, "{ran:#?}");
    for check in [
        "config",
        "profile",
        "listen",
        "token",
        "web chat",
        "store",
        "durability",
        "tools",
        "telemetry",
    ] {
        assert_eq!(level(&ran, check), "ok", "{check}");
    }
    assert_eq!(level(&ran, "model"), "warn");
    assert!(!home.store().exists(), "looking makes nothing");
    let text = home.run(&["doctor"]).good().stdout;
    assert!(text.contains("ok    listen"), "{text}");
    assert!(text.contains("warn  model"), "{text}");
}

#[test]
fn what_does_not_hold_is_named() {
    let home = Home::scripted(ECHO);
    for (set, check, wanted, code) in [
        (&["server.listen=0.0.0.0:7700"][..], "listen", "warn", 1),
        (&["server.listen=0.0.0.0:7700"], "web chat", "fail", 1),
        (&["profile=staging"], "web chat", "warn", 0),
        (&["store.durability=normal"], "durability", "warn", 0),
        (&["telemetry.log=info,hyper=trace"], "telemetry", "warn", 0),
        (&["model.script=nowhere.toml"], "model", "fail", 1),
        (&["server.listen=nonsense"], "config", "fail", 1),
        (&["store.url=sqlite:///dev/null/zupa.db"], "store", "ok", 0),
    ] {
        let ran = doctor(&home, set);
        assert_eq!(
            (ran.code, level(&ran, check).as_str()),
            (code, wanted),
            "{set:?}"
        );
        if wanted != "ok" {
            let json = ran.json();
            let all = json["checks"].as_array().unwrap();
            let named = all
                .iter()
                .find(|finding| finding["check"] == check)
                .unwrap();
            assert!(
                named["why"].is_string() && named["try"].is_string(),
                "{named}"
            );
        }
    }
}

#[test]
fn where_the_process_listens_counts_and_not_what_the_configuration_says() {
    let home = Home::scripted(ECHO);
    let server = home.serve().at("0.0.0.0:0".parse().unwrap()).ready();
    let ran = doctor(&home, &[]);
    for (check, wanted) in [("listen", "warn"), ("web chat", "fail"), ("token", "ok")] {
        assert_eq!(level(&ran, check), wanted, "{check} of {ran:#?}");
    }
    assert_eq!(ran.code, 1);
    server.stop();
    let ran = doctor(&home, &[]);
    assert_eq!((ran.code, level(&ran, "listen").as_str()), (0, "ok"));
}

#[test]
fn a_token_that_others_can_read_fails() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::scripted(ECHO);
    let server = home.serve().ready();
    assert_eq!(level(&doctor(&home, &[]), "token"), "ok");
    let path = format!("{}.token", home.store().display());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let ran = doctor(&home, &[]);
    assert_eq!((ran.code, level(&ran, "token").as_str()), (1, "fail"));
    server.stop();
}

#[test]
fn a_message_that_is_gone_exits_4_from_the_file_and_from_the_server() {
    let home = Home::scripted(ECHO);
    let server = home.serve().ready();
    for id in ["m1", "m2", "m3"] {
        assert_eq!(server.say("c", id, "hi").taken(), "accepted");
    }
    server.all_answered(3);
    let sum = home.run(&["doctor", "--accounting"]).good().stdout;
    assert!(sum.contains("3 accepted = 3 ended + 0 open"), "{sum}");
    assert_eq!(level(&doctor(&home, &[]), "accounting"), "ok");
    server.stop();

    lose_a_message(&home);
    let drifts = || {
        let ran = home.run(&["doctor", "--accounting", "--json"]);
        let json = ran.json();
        assert_eq!((ran.code, &json["difference"]), (4, &1.into()), "{json:#}");
        assert_eq!(json["balanced"], false);
        let ran = doctor(&home, &[]);
        assert_eq!((ran.code, level(&ran, "accounting").as_str()), (4, "fail"));
    };
    drifts();
    let server = home.serve().ready();
    drifts();
    server.stop();
}
