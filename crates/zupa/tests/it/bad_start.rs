//! A server that cannot start says why and what to try, with the documented
//! code, and harms nothing.

use std::process::Command;

use crate::support::home::{ECHO, Home, ZUPA, ran};
use crate::support::tools;

#[test]
fn an_unknown_key_is_refused_with_a_suggestion() {
    let home = Home::with("[server]\nlisten = \"127.0.0.1:0\"\n[store]\ndurabilty = \"full\"\n");
    for command in [
        &["serve"][..],
        &["dev"],
        &["config", "check"],
        &["config", "show"],
    ] {
        let ran = home.run(command);
        assert_eq!(ran.code, 78, "{ran:#?}");
        for word in ["zupa.toml", "durabilty", "did you mean", "durability"] {
            assert!(ran.stderr.contains(word), "no {word} in {ran:#?}");
        }
    }
    assert!(!home.store().exists());
}

#[test]
fn unknown_variables_and_flags_are_refused_with_a_suggestion() {
    let home = Home::with("");
    let variable = ran(home
        .command(ZUPA)
        .args(["config", "check"])
        .env("ZUPA__SERVER__LISTN", "127.0.0.1:0"));
    assert_eq!(variable.code, 78, "{variable:#?}");
    assert!(
        variable.stderr.contains("ZUPA__SERVER__LISTN"),
        "{variable:#?}"
    );
    let flag = home.run(&["config", "check", "--set", "server.listn=127.0.0.1:0"]);
    assert_eq!(flag.code, 78, "{flag:#?}");
    assert!(flag.stderr.contains("server.listen"), "{flag:#?}");
}

#[test]
fn every_problem_is_reported_at_once() {
    let home =
        Home::with("[limits]\nbacklog = -1\n[model]\nprovider = \"opnai\"\n[stoer]\nurl = \"x\"\n");
    let check = home.run(&["config", "check", "--json"]);
    assert_eq!(check.code, 78, "{check:#?}");
    let report = check.json();
    assert_eq!(report["ok"], false);
    assert_eq!(
        report["problems"].as_array().unwrap().len(),
        3,
        "{report:#}"
    );
}

#[test]
fn a_configuration_that_is_not_there_is_refused() {
    Home::new()
        .run(&["serve", "--config", "nowhere.toml"])
        .refused(78, &["nowhere.toml"]);
}

#[test]
fn a_language_file_that_cannot_be_used_is_refused() {
    let home = Home::scripted(ECHO);
    let serve = |path: &str| {
        let set = format!("agent.language_file={path}");
        home.run(&["serve", "--listen", "127.0.0.1:0", "--set", &set])
    };
    serve("nowhere.toml").refused(78, &["nowhere.toml", "agent.language_file"]);
    home.write("half.toml", "fallback = \"Pardon?\"\n");
    serve("half.toml").refused(78, &["half.toml", "why: ", "missing field", "try: "]);
}

#[test]
fn serving_without_a_model_is_refused() {
    Home::new()
        .run(&["serve", "--listen", "127.0.0.1:0"])
        .refused(78, &["no model is configured", "try:"]);
}

#[test]
fn a_key_that_is_not_set_is_refused_by_name() {
    let home = Home::with(
        "[model]\nprovider = \"openai\"\nname = \"m\"\napi_key = \"env:NOT_SET_ANYWHERE\"\n",
    );
    let ran = home.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(ran.code, 78, "{ran:#?}");
    assert!(ran.stderr.contains("NOT_SET_ANYWHERE"), "{ran:#?}");
}

/// Root may write anywhere, so the path itself is impossible: below a file, in
/// a kernel's folder, at a folder.
#[test]
fn a_store_that_cannot_be_written_is_refused() {
    let home = Home::scripted(ECHO);
    home.write("file", "not a folder");
    std::fs::create_dir(home.path().join("folder.db")).unwrap();
    for (path, words) in [
        ("file/zupa.db", &["folder", "file"][..]),
        ("/proc/zupa/zupa.db", &["folder", "/proc/zupa"]),
        ("folder.db", &["opened", "folder.db"]),
    ] {
        let url = format!("store.url=sqlite://{path}");
        let ran = home.run(&["serve", "--listen", "127.0.0.1:0", "--set", &url]);
        ran.refused(7, words);
        ran.refused(
            7,
            &["path: ", "why: ", "try: see that this user may write there"],
        );
    }
}

#[test]
fn a_store_without_permission_exits_7() {
    let test = "a_store_without_permission_exits_7";
    // Root has every permission, so somebody else has to try.
    let home = Home::scripted(ECHO);
    std::fs::create_dir(home.path().join("theirs")).unwrap();
    let command =
        format!("exec {ZUPA} serve --listen 127.0.0.1:0 --set store.url=sqlite://theirs/zupa.db");
    let as_nobody = |command: &str| {
        let mut run = home.command("setpriv");
        run.args(["--reuid", "65534", "--clear-groups", "sh", "-c", command]);
        run
    };
    let open_to_all = Command::new("chmod")
        .arg("-R")
        .arg("a+rX")
        .arg(home.path())
        .status();
    assert!(open_to_all.unwrap().success());
    let reachable = format!("test -x {ZUPA}");
    if !as_nobody(&reachable)
        .status()
        .is_ok_and(|status| status.success())
    {
        // A build folder of root's own is no fault of CI.
        tools::say(test, "nobody cannot run the binary here");
        return;
    }
    ran(&mut as_nobody(&command))
        .refused(7, &["theirs", "try: see that this user may write there"]);
}

#[test]
fn a_second_process_on_the_same_store_exits_75() {
    let home = Home::scripted(ECHO);
    let server = home.serve().ready();
    home.run(&["serve", "--listen", "127.0.0.1:0"])
        .refused(75, &["another process is serving this store", "zupa.db"]);
    assert_eq!(server.say("c", "m", "hi").taken(), "accepted");
    server.all_answered(1);
}

#[test]
fn a_port_that_is_taken_exits_75() {
    let home = Home::scripted(ECHO);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    home.run(&["serve", "--listen", &address])
        .refused(75, &[&address, "--listen"]);
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_left_alone() {
    let test = "a_store_of_a_newer_version_is_refused_and_left_alone";
    if !tools::has("sqlite3", test) {
        return;
    }
    let home = Home::scripted(ECHO);
    home.serve().ready().stop();
    tools::sqlite(
        &home.store(),
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (999, 'from the future', 1, x'00', 0); UPDATE installation SET serves_from = 999; \
         PRAGMA wal_checkpoint(TRUNCATE);",
    );
    let before = std::fs::read(home.store()).unwrap();
    for command in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["db", "status"],
        &["db", "migrate"],
    ] {
        home.run(command).refused(
            1,
            &[
                "newer zupa",
                "999",
                "why: its schema",
                "try: run the newer zupa again",
                "zupa db restore",
            ],
        );
    }
    assert_eq!(std::fs::read(home.store()).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_exits_4_and_is_left_alone() {
    let home = Home::scripted(ECHO);
    std::fs::create_dir(home.path().join(".zupa")).unwrap();
    let text = "this was never a database\n".repeat(400);
    std::fs::write(home.store(), &text).unwrap();
    home.run(&["serve", "--listen", "127.0.0.1:0"])
        .refused(4, &["zupa.db", "restore a backup"]);
    assert_eq!(std::fs::read_to_string(home.store()).unwrap(), text);
}

#[test]
fn a_damaged_database_exits_4_or_serves_what_is_whole() {
    let test = "a_damaged_database_exits_4_or_serves_what_is_whole";
    if !tools::has("sqlite3", test) {
        return;
    }
    let home = Home::scripted(ECHO);
    let server = home.serve().ready();
    assert_eq!(server.say("c", "m", "hi").taken(), "accepted");
    server.all_answered(1);
    server.stop();
    tools::sqlite(&home.store(), "PRAGMA wal_checkpoint(TRUNCATE);");
    let whole = std::fs::read(home.store()).unwrap();
    for at in [100, 4_096, whole.len() / 2] {
        let mut damaged = whole.clone();
        let end = damaged.len().min(at + 4_096);
        damaged[at..end].fill(0x5a);
        std::fs::write(home.store(), &damaged).unwrap();
        let mut server = home.serve().spawn();
        match server.wait_ready() {
            // What the start reads is whole; the rest is for `db check`.
            Some(_) => server.kill(),
            None => {
                assert_eq!(server.exit(), 4, "damage at {at}: {}", server.log());
                assert!(!server.log().contains("panicked"), "{}", server.log());
            }
        }
    }
}
