//! The commands: exit codes, and output for programs.

use crate::support::home::{ECHO, Home, ZUPA, ran};

#[test]
fn a_typing_error_is_a_usage_error() {
    let home = Home::new();
    for arguments in [
        &["serv"][..],
        &["serve", "--listn", "x"],
        &["turn", "why"],
        &["config", "check", "--set", "no_value"],
        &[],
    ] {
        let ran = home.run(arguments);
        assert_eq!(ran.code, 2, "{ran:#?}");
        assert!(!ran.stderr.is_empty());
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let home = Home::new();
    assert!(home.run(&["--help"]).good().stdout.contains("zupa dev"));
    assert!(home.run(&["--version"]).good().stdout.starts_with("zupa "));
}

#[test]
fn an_unknown_id_exits_5_from_the_server_and_from_the_file() {
    let home = Home::scripted(ECHO);
    let server = home.serve().ready();
    for command in ["why", "show"] {
        home.run(&["turn", command, "nobody/knows?it"])
            .refused(5, &["nobody/knows?it"]);
    }
    server.stop();
    home.run(&["turn", "why", "nobody"]).refused(5, &["nobody"]);
}

#[test]
fn a_store_that_is_not_there_exits_5() {
    let home = Home::new();
    home.run(&["turn", "why", "x"]).refused(5, &["no store"]);
    home.run(&["db", "status"]).refused(5, &["no store"]);
    assert!(!home.store().exists());
}

#[test]
fn a_server_that_does_not_answer_exits_6() {
    let home = Home::scripted(ECHO);
    let server = home.serve().ready();
    // Somebody holds the store, and nobody listens at the address it left.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    std::fs::write(format!("{}.address", home.store().display()), address).unwrap();
    home.run(&["db", "status"])
        .refused(6, &["cannot be reached"]);
    drop(server);
}

#[test]
fn a_token_that_is_refused_exits_7() {
    let home = Home::scripted(ECHO);
    let _server = home.serve().ready();
    std::fs::write(format!("{}.token", home.store().display()), "stale").unwrap();
    home.run(&["db", "status"]).refused(7, &["token"]);
}

#[test]
fn the_token_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::scripted(ECHO);
    let path = format!("{}.token", home.store().display());
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    let server = home.serve().ready();
    assert_eq!(mode(), 0o600);
    let first = std::fs::read_to_string(&path).unwrap();
    assert!(!server.log().contains(&first));
    server.stop();
    // Also where an older file lies open.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let server = home.serve().ready();
    assert_eq!(mode(), 0o600);
    assert_ne!(std::fs::read_to_string(&path).unwrap(), first);
    server.stop();
}

#[test]
fn the_server_and_the_file_tell_the_same_story() {
    let home = Home::scripted(ECHO);
    let server = home.serve().ready();
    assert_eq!(server.say("c", "m", "hi").taken(), "accepted");
    server.all_answered(1);
    let ask = |command: &[&str]| home.run(command).good().json();
    let live = [
        ask(&["turn", "show", "m", "--json"]),
        ask(&["turn", "why", "m", "--json"]),
        ask(&["db", "status", "--json"])["accounting"].clone(),
    ];
    server.stop();
    let file = [
        ask(&["turn", "show", "m", "--json"]),
        ask(&["turn", "why", "m", "--json"]),
        ask(&["db", "status", "--json"])["accounting"].clone(),
    ];
    assert_eq!(live, file);
    assert_eq!(live[1]["code"], "answered");
}

#[test]
fn json_outputs_are_json_with_a_version() {
    let home = Home::scripted(ECHO);
    let server = home.serve().ready();
    assert_eq!(server.say("c", "m", "hi").taken(), "accepted");
    server.all_answered(1);
    for command in [
        &["config", "check", "--json"][..],
        &["config", "show", "--json"],
        &["turn", "show", "m", "--json"],
        &["turn", "why", "m", "--json"],
        &["reviews", "ls", "--json"],
        &["db", "status", "--json"],
        &["db", "backup", "--to", "b.db", "--json"],
        &["db", "restore", "--drill", "--from", "b.db", "--json"],
        &["version", "--json"],
    ] {
        let json = home.run(command).good().json();
        assert_eq!(json["version"], 1, "{command:?}: {json:#}");
    }
    assert!(home.run(&["config", "schema"]).good().json()["properties"].is_object());
    let unknown = home.run(&["turn", "why", "unknown", "--json"]);
    let error: serde_json::Value = serde_json::from_str(&unknown.stderr).unwrap();
    assert_eq!((unknown.code, &error["error"]["code"]), (5, &5.into()));
    assert!(unknown.stdout.is_empty());
}

#[test]
fn a_secret_is_never_shown() {
    const SECRET: &str = "canary-of-a-secret";
    let home = Home::with(&format!(
        "[model]\nprovider = \"openai\"\nname = \"m\"\napi_key = \"{SECRET}\"\n"
    ));
    for command in [
        &["config", "show"][..],
        &["config", "show", "--json"],
        &["config", "check"],
        &["config", "check", "--json"],
    ] {
        let ran = home.run(command).good();
        assert!(!format!("{ran:?}").contains(SECRET), "{ran:#?}");
    }
    // By whatever way it came in, and also where something is wrong.
    let ran = ran(home
        .command(ZUPA)
        .args([
            "config",
            "show",
            "--set",
            &format!("web_chat.session_secret={SECRET}"),
        ])
        .env("ZUPA__MODEL__API_KEY", SECRET)
        .env("ZUPA__PROFILE", "prod"));
    assert_eq!(ran.code, 78);
    assert!(!format!("{ran:?}").contains(SECRET), "{ran:#?}");
}
