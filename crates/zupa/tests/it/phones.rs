//! An ordinary phone in `zupa serve`: the sidecar with a stand-in for the library, whose
//! phone is a folder, and the process killed in between.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::home::{Home, Rule};
use crate::support::{eventually, tools};

/// A folder with a phone in it, on which an agent says hello.
pub fn home() -> Home {
    let home = Home::with("");
    let at = |name: &str| home.path().join("phone").join(name);
    fs::create_dir_all(at("phone")).unwrap();
    let library = at("sidecar/node_modules/whatsapp-web.js");
    fs::create_dir_all(&library).unwrap();
    let fake = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../zupa-wwebjs-bridge/sidecar/test/fake/whatsapp-web.js");
    for file in ["package.json", "index.js"] {
        fs::copy(fake.join(file), library.join(file)).unwrap();
    }
    home.write(
        "zupa.toml",
        format!(
            "[model]\nprovider = \"scripted\"\nscript = \"script.toml\"\n\
             [[channel]]\nid = \"phone\"\nkind = \"wwebjs-bridge\"\nsend_gap_ms = 0\n\
             session_dir = {:?}\nsidecar_dir = {:?}\nnode = {:?}\n",
            at("session"),
            at("sidecar"),
            node()
        ),
    );
    home.script(&[Rule("hello", "Good day!", 0)]);
    home
}

/// How the stand-in for the library behaves from now on.
pub fn mood(home: &Home, mood: &Value) {
    home.write("phone/phone/mood.json", mood.to_string());
}

fn node() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path)
        .map(|folder| folder.join("node"))
        .find(|node| node.is_file())
        .unwrap()
}

/// What the phone shows.
fn chats(home: &Home) -> PathBuf {
    home.path().join("phone/phone/chats.ndjson")
}

fn said(home: &Home, id: &str, text: &str) {
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let line = json!({
        "id": id, "chat": "15550001111@c.us", "fromMe": false, "body": text, "t": now,
    });
    let mut file = fs::File::options()
        .create(true)
        .append(true)
        .open(chats(home))
        .unwrap();
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// What has left.
fn sent(home: &Home) -> Vec<String> {
    let text = fs::read_to_string(chats(home)).unwrap();
    text.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["fromMe"] == true)
        .map(|line| line["body"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_phone_is_answered_once_before_and_after_a_kill() {
    if !tools::has("node", "a_phone_is_answered_once_before_and_after_a_kill") {
        return;
    }
    let home = home();
    let server = home.serve().ready();
    said(&home, "A1", "hello");
    eventually("the first answer leaves", || {
        (sent(&home).len() == 1).then_some(())
    });
    server.all_answered(1);
    let log = server.log();
    for secret in ["15550001111", "hello"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    server.kill();

    said(&home, "A2", "hello again");
    let server = home.serve().ready();
    eventually("the second answer leaves", || {
        (sent(&home).len() == 2).then_some(())
    });
    server.all_answered(2);
    server.stop();
    assert_eq!(sent(&home), ["Good day!", "Good day!"]);
    let rows = tools::sqlite(&home.store(), "SELECT state FROM outbox ORDER BY number");
    assert_eq!(rows, "sent\nsent\n");
}

#[test]
fn the_doctor_names_what_a_phone_lacks() {
    if !tools::has("node", "the_doctor_names_what_a_phone_lacks") {
        return;
    }
    let home = home();
    home.write("chromium", "");
    let chromium = home.path().join("chromium");
    let whole = fs::read_to_string(home.path().join("zupa.toml")).unwrap();
    let with = format!("{whole}chromium = {chromium:?}\n");
    home.write("zupa.toml", &with);
    let checks = |home: &Home| {
        let json = home.run(&["doctor", "--json"]).json();
        let checks = json["checks"].as_array().unwrap().clone();
        let phone = checks.into_iter().filter(|check| check["check"] == "phone");
        phone
            .map(|check| check["level"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(checks(&home), ["ok", "ok", "ok", "warn"]);
    fs::create_dir(home.path().join("phone/session")).unwrap();
    fs::remove_dir_all(home.path().join("phone/sidecar")).unwrap();
    fs::remove_file(chromium).unwrap();
    home.write("zupa.toml", with.replace("/node\"", "/no-node\""));
    assert_eq!(checks(&home), ["fail", "fail", "fail", "warn"]);
}
