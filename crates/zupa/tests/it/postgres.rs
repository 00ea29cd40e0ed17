//! A store in Postgres, from the outside: every way not to get one is a clear
//! error with its code, none shows the password; and with one, commands read it
//! beside the server.

use crate::support::home::{ECHO, Home, Ran, ZUPA, ran};
use crate::support::postgres::{Database, Refuser};
use crate::support::tools;

/// What every message may hold but this.
const PASSWORD: &str = "canary";

/// The commands that make the store where there is none.
const MAKING: [&[&str]; 3] = [
    &["serve", "--listen", "127.0.0.1:0"],
    &["dev", "--listen", "127.0.0.1:0"],
    &["db", "migrate"],
];

/// The commands that only look into the store.
const LOOKING: [&[&str]; 2] = [&["turn", "why", "x"], &["db", "status"]];

/// Runs each of these commands on this URL.
fn each(commands: &[&[&str]], url: &str, check: impl Fn(&Ran)) {
    let home = Home::scripted(ECHO);
    for command in commands {
        let ran = ran(home
            .command(ZUPA)
            .args(*command)
            .env("ZUPA__STORE__URL", url)
            .env("ZUPA__POLICY__STORE__TIMEOUT_MS", "2000"));
        check(&ran);
        assert!(!format!("{ran:?}").contains(PASSWORD), "{ran:#?}");
    }
    assert!(!home.store().exists());
}

/// The whole form of a refusal, with these words in it.
fn refused(commands: &[&[&str]], url: &str, code: i32, words: &[&str]) {
    each(commands, url, |ran| {
        ran_refused(ran, code, &[&["why: ", "try: "], words].concat());
    });
}

fn refused_everywhere(url: &str, code: i32, words: &[&str]) {
    refused(&MAKING, url, code, words);
    refused(&LOOKING, url, code, words);
}

/// Whoever only looks finds nothing, whatever hinders the making.
fn nothing_to_look_into(url: &str) {
    each(&LOOKING, url, |ran| {
        ran_refused(
            ran,
            5,
            &["there is no store", "try: make one with `zupa db migrate`"],
        );
    });
}

fn ran_refused(ran: &Ran, code: i32, words: &[&str]) {
    // What was logged before it is no part of the refusal.
    let from = ran.stderr.find("error: ").unwrap_or_default();
    let refusal = Ran {
        code: ran.code,
        stdout: String::new(),
        stderr: ran.stderr[from..].to_owned(),
    };
    refusal.refused(code, words);
}

#[test]
fn a_wrong_url_exits_78() {
    for url in [
        "postgres://u:canary@h:port/db",
        "postgres://u:can/ary@h/db",
        "postgres://u:canary@h/db?sslmode=perhaps",
        "postgres:///db",
    ] {
        refused_everywhere(url, 78, &["store.url", "postgres://"]);
    }
}

#[test]
fn a_closed_port_exits_6() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let url = format!("postgres://u:canary@{address}/db");
    refused_everywhere(&url, 6, &[&address.to_string(), "refused"]);
}

#[test]
fn a_host_that_is_none_exits_6() {
    refused_everywhere(
        "postgres://u:canary@nowhere.invalid/db",
        6,
        &["nowhere.invalid", "lookup"],
    );
}

#[test]
fn a_server_that_does_not_answer_exits_6() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let ran = ran(Home::scripted(ECHO)
        .command(ZUPA)
        .args(["db", "status"])
        .env(
            "ZUPA__STORE__URL",
            format!("postgres://u:canary@{address}/db"),
        )
        .env("ZUPA__POLICY__STORE__TIMEOUT_MS", "300"));
    ran.refused(6, &["does not answer", "try: "]);
    assert!(!format!("{ran:?}").contains(PASSWORD), "{ran:#?}");
}

#[test]
fn a_wrong_password_exits_7() {
    let server = Refuser::start("28P01", "password authentication failed for user \"zupa\"");
    refused_everywhere(
        &format!("postgres://zupa:canary@{}/db", server.address),
        7,
        &["password authentication failed", "store.password"],
    );
    let given = server.given();
    assert!(given.len() >= 5 && given.iter().all(|given| given == PASSWORD));
}

#[test]
fn a_password_by_reference_reaches_the_server_as_it_is() {
    let server = Refuser::start("28P01", "no");
    let url = format!("store.url=postgres://zupa@{}/db", server.address);
    let home = Home::scripted(ECHO);
    let password = "c@n:a/r y?#%é";
    let ran = ran(home
        .command(ZUPA)
        .args(["db", "status", "--set", &url])
        .args(["--set", "store.password=env:DB_PASSWORD"])
        .env("DB_PASSWORD", password));
    assert_eq!(ran.code, 7, "{ran:#?}");
    assert_eq!(server.given(), [password]);
    assert!(!format!("{ran:?}").contains("c@n"), "{ran:#?}");
    let missing = home.run(&[
        "db",
        "status",
        "--set",
        &url,
        "--set",
        "store.password=env:NOT_SET_ANYWHERE",
    ]);
    missing.refused(78, &["store.password", "NOT_SET_ANYWHERE", "try: "]);
}

#[test]
fn full_connection_slots_exit_75() {
    let server = Refuser::start("53300", "sorry, too many clients already");
    let url = format!("postgres://zupa:canary@{}/db", server.address);
    refused_everywhere(&url, 75, &["too many clients", "max_connections"]);

    let test = "full_connection_slots_exit_75";
    let Some(database) = Database::make(test) else {
        return;
    };
    let role = database.role("CONNECTION LIMIT 0");
    database.give(&role);
    refused_everywhere(&database.url_as(&role), 75, &["too many connections"]);
}

#[test]
fn a_server_that_starts_exits_75() {
    let server = Refuser::start("57P03", "the database system is starting up");
    let url = format!("postgres://zupa:canary@{}/db", server.address);
    refused_everywhere(&url, 75, &["starting up"]);
}

#[test]
fn a_database_that_is_not_there_exits_5() {
    let test = "a_database_that_is_not_there_exits_5";
    let Some(database) = Database::make(test) else {
        return;
    };
    refused_everywhere(&database.url_of("nobody_made_this"), 5, &["createdb"]);
}

#[test]
fn a_role_that_is_not_there_exits_7() {
    let test = "a_role_that_is_not_there_exits_7";
    let Some(database) = Database::make(test) else {
        return;
    };
    refused_everywhere(&database.url_as("nobody_here"), 7, &["pg_hba.conf"]);
}

#[test]
fn a_role_that_may_not_make_the_schema_exits_7() {
    let test = "a_role_that_may_not_make_the_schema_exits_7";
    let Some(database) = Database::make(test) else {
        return;
    };
    let role = database.role("");
    let url = database.url_as(&role);
    refused(
        &MAKING,
        &url,
        7,
        &["permission denied", "GRANT CREATE ON DATABASE"],
    );
    nothing_to_look_into(&url);
    database.sql(&format!("CREATE SCHEMA zupa AUTHORIZATION {role}"));
    everywhere_good(&url);
}

fn everywhere_good(url: &str) {
    let set = format!("store.url={url}");
    let home = Home::scripted(ECHO);
    home.run(&["db", "migrate", "--set", &set]).good();
    home.run(&["db", "status", "--set", &set]).good();
}

#[test]
fn a_server_that_takes_no_writes_exits_7() {
    let test = "a_server_that_takes_no_writes_exits_7";
    let Some(database) = Database::make(test) else {
        return;
    };
    let role = database.role("");
    database.give(&role);
    database.sql(&format!(
        "ALTER ROLE {role} SET default_transaction_read_only = on"
    ));
    let url = database.url_as(&role);
    each(&MAKING, &url, |ran| {
        ran_refused(ran, 7, &["takes no writes", "try: name the primary"]);
    });
    nothing_to_look_into(&url);
    database.sql(&format!(
        "ALTER ROLE {role} RESET default_transaction_read_only"
    ));
    everywhere_good(&url);
}

#[test]
fn a_newer_schema_exits_1_unless_it_lets_this_build_serve() {
    let test = "a_newer_schema_exits_1_unless_it_lets_this_build_serve";
    let Some(database) = Database::make(test) else {
        return;
    };
    let url = database.url();
    everywhere_good(&url);
    database.sql(
        "INSERT INTO zupa.migrations (version, description, success, checksum, execution_time)
         VALUES (99, 'from the future', true, '', 0)",
    );
    everywhere_good(&url);
    database.sql("UPDATE zupa.installation SET serves_from = 99");
    refused_everywhere(&url, 1, &["newer", "99", "run the newer zupa again"]);
}

/// Somebody upgrades a replica to a version that this one cannot live with.
#[test]
fn a_server_ends_when_a_newer_version_takes_the_schema() {
    let test = "a_server_ends_when_a_newer_version_takes_the_schema";
    let Some(database) = Database::make(test) else {
        return;
    };
    let home = Home::scripted(ECHO);
    let mut server = home
        .serve()
        .elsewhere(&database.url(), "postgres")
        .impatient()
        .ready();
    assert_eq!(server.say("c", "m", "hi").taken(), "accepted");
    server.all_answered(1);
    database.sql("UPDATE zupa.installation SET serves_from = 99");
    assert_eq!(server.exit(), 1, "{}", server.log());
    let log = server.log();
    for word in ["a newer zupa has changed the store", "error: ", "try: "] {
        assert!(log.contains(word), "no {word} in {log}");
    }
}

#[test]
fn commands_read_the_database_beside_the_server() {
    let test = "commands_read_the_database_beside_the_server";
    let Some(database) = Database::make(test) else {
        return;
    };
    let home = Home::scripted(ECHO);
    let server = home.serve().elsewhere(&database.url(), "postgres").ready();
    assert_eq!(server.say("c", "m", "hi").taken(), "accepted");
    server.all_answered(1);
    let set = format!("store.url={}", database.url());
    let ask = |command: &[&str]| home.run(&[command, &["--set", &set]].concat());
    let status = ask(&["db", "status", "--json"]).good().json();
    assert_eq!(status["accounting"]["ended"]["answered"], 1);
    let processes = status["store"]["processes"].as_array().unwrap().clone();
    assert_eq!(processes.len(), 1, "{status:#}");
    assert_eq!(processes[0]["state"], "alive");
    let printed = ask(&["db", "status"]).good();
    assert!(printed.stdout.contains("alive, started"), "{printed:#?}");
    let why = ask(&["turn", "why", "m"]).good();
    assert!(why.stdout.starts_with("answered"), "{why:#?}");
    for (command, tool) in [
        (&["db", "backup", "--to", "x"][..], "pg_dump"),
        (&["db", "restore", "--from", "x"], "pg_restore"),
        (&["db", "restore", "--drill", "--from", "x"], "pg_restore"),
    ] {
        ask(command).refused(1, &[tool, "why: ", "docs/operating.md"]);
    }
    server.stop();
    let ended = ask(&["db", "status", "--json"]).good().json();
    assert_eq!(ended["store"]["processes"][0]["state"], "ended");
    assert!(!home.store().exists());
}

/// The way of docs/operating.md: dump under load, restore into a new database,
/// `zupa db status` says that it holds, and a server goes on there.
#[test]
fn a_dump_that_was_taken_under_load_is_restored_and_continued() {
    let test = "a_dump_that_was_taken_under_load_is_restored_and_continued";
    if !tools::has("pg_dump", test) || !tools::has("pg_restore", test) {
        return;
    }
    let (Some(database), Some(other)) = (Database::make(test), Database::make(test)) else {
        return;
    };
    let home = Home::scripted(ECHO);
    let server = home.serve().elsewhere(&database.url(), "postgres");
    // Nobody writes so much, and nobody repeats himself so fast.
    let server = server.set("limits.per_user_per_minute", 0).ready();
    let before: Vec<_> = (0..40).map(|number| format!("before-{number}")).collect();
    for id in &before {
        assert_eq!(server.say("c", id, id).taken(), "accepted");
    }
    let dump = home.path().join("zupa.dump");
    let dumped = std::thread::scope(|scope| {
        let talking = scope.spawn(|| {
            for number in 0..100 {
                let id = format!("meanwhile-{number}");
                assert_eq!(server.say("d", &id, &id).taken(), "accepted");
            }
        });
        let dumped = ran(home
            .command("pg_dump")
            .args(["--format=custom", "--schema=zupa", "--file"])
            .arg(&dump)
            .arg(database.url()));
        talking.join().unwrap();
        dumped
    });
    assert_eq!(dumped.code, 0, "{dumped:#?}");
    server.all_answered(140);
    server.stop();
    let restored = ran(home
        .command("pg_restore")
        .args(["--no-owner", "--exit-on-error", "--dbname", &other.url()])
        .arg(&dump));
    assert_eq!(restored.code, 0, "{restored:#?}");
    let set = format!("store.url={}", other.url());
    let status = home
        .run(&["db", "status", "--json", "--set", &set])
        .good()
        .json();
    assert_eq!(status["balanced"], true);
    assert_eq!(
        status["store"]["schema_version"],
        status["store"]["schema_wanted"]
    );
    let server = home
        .serve()
        .elsewhere(&other.url(), "postgres")
        .impatient()
        .ready();
    for id in &before {
        assert_eq!(server.say("c", id, id).taken(), "duplicate", "{id}");
    }
    assert_eq!(server.say("c", "after", "hi").taken(), "accepted");
    let accepted = server.accounting()["accepted"].as_u64().unwrap() as usize;
    server.all_answered(accepted);
    server.stop();
}
