//! `zupa channels` and its page: a phone that waits is linked by either, with the sidecar
//! over a stand-in for the library.

use serde_json::{Value, json};

use crate::phones::{home, mood};
use crate::support::chrome::{Chrome, Screen};
use crate::support::home::{ECHO, Home};
use crate::support::{Server, eventually, tools};

fn state(home: &Home, id: &str) -> (String, Value) {
    let shown = home.run(&["channels", "show", id, "--json"]).good().json();
    let state = shown["channel"]["state"].as_str().unwrap().to_owned();
    (state, shown)
}

fn until_state(home: &Home, wanted: &str) {
    eventually(wanted, || (state(home, "phone").0 == wanted).then_some(()));
}

/// What is in the audit of the installation, oldest first.
fn audit(home: &Home) -> Vec<String> {
    let audit = home.run(&["audit", "ls", "--json"]).good().json();
    let entries = audit["entries"].as_array().unwrap().iter().rev();
    entries
        .map(|entry| format!("{} {} {}", entry["actor"], entry["action"], entry["reason"]))
        .map(|line| line.replace('"', ""))
        .collect()
}

#[test]
fn channels_are_listed_with_how_they_stand() {
    let home = Home::scripted(ECHO);
    home.run(&["channels", "ls"]).refused(6, &["start one"]);
    let server = home.serve().ready();
    let listed = home.run(&["channels", "ls", "--json"]).good().json();
    assert_eq!(listed["channels"][0]["kind"], "web-chat");
    assert_eq!(listed["channels"][0]["state"], "ready");
    let line = home.run(&["channels", "ls"]).good().stdout;
    assert!(line.contains("  web-chat  ready  since 20"), "{line}");
    home.run(&["channels", "show", "other"])
        .refused(5, &["other", "zupa channels ls"]);
    server.stop();
}

#[test]
fn a_phone_that_waits_is_linked_from_a_terminal() {
    if !tools::has("node", "a_phone_that_waits_is_linked_from_a_terminal") {
        return;
    }
    let home = home();
    mood(&home, &json!({ "start": "qr" }));
    let server = home.serve().ready();
    eventually("the phone waits", || {
        let (_, shown) = state(&home, "phone");
        (shown["channel"]["pairing"] == "qr").then_some(())
    });
    let (state_now, shown) = state(&home, "phone");
    assert_eq!(state_now, "starting");
    assert_eq!(shown["pairing"]["text"], "2@fake-code");
    let drawn = home.run(&["channels", "show", "phone"]).good().stdout;
    let lines: Vec<_> = drawn.lines().collect();
    assert!(lines[0].contains("waits to be linked"), "{drawn}");
    assert!(
        lines[1..16].iter().all(|line| line.chars().count() == 29),
        "{drawn}"
    );
    assert!(lines.last().unwrap().contains("scan this"), "{drawn}");
    let once = ["operator pairing.shown phone"];
    assert_eq!(audit(&home), once, "one code, however often it is read");
    let figures = server.figures();
    let is_starting = "zupa_channel_state{channel=\"phone\",kind=\"wwebjs-bridge\"} 2";
    assert!(figures.lines().any(|line| line == is_starting), "{figures}");

    mood(&home, &json!({}));
    until_state(&home, "ready");
    assert_eq!(state(&home, "phone").1["pairing"], Value::Null);
    mood(&home, &json!({ "state": "TOS_BLOCK" }));
    until_state(&home, "blocked");
    eventually("the block is on record", || {
        (audit(&home).last()? == "runtime channel.blocked phone: tos_block").then_some(())
    });
    let line = home.run(&["channels", "ls"]).good().stdout;
    assert!(line.contains("blocked (tos_block)"), "{line}");
    let log = server.log();
    assert!(!log.contains("fake-code"), "{log}");
    server.stop();
}

fn token(server: &Server) -> String {
    std::fs::read_to_string(server.kept("token").unwrap()).unwrap()
}

/// The squares that the page has drawn, as `x y` pairs, and how many a row has.
const SQUARES: &str =
    "[...document.querySelector('.qr path').getAttribute('d').matchAll(/M(\\d+) (\\d+)/g)]
    .map(([, x, y]) => [Number(x), Number(y)])";

#[test]
fn a_phone_that_waits_is_linked_from_the_page() {
    let test = "a_phone_that_waits_is_linked_from_the_page";
    let there = |tool| tools::has(tool, test);
    if !(there("node") && there("chromium") && there("chromedriver")) {
        return;
    }
    let home = home();
    mood(&home, &json!({ "start": "qr" }));
    let server = home.serve().ready();
    let chrome = Chrome::open(
        Screen::Desktop,
        &format!("http://{}/channels", server.address()),
    );
    chrome.run(
        "window.violations = [];
        addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective));",
    );
    chrome.type_into("#token", "not the token\u{e007}");
    chrome.until("document.querySelector('#wrong').textContent.includes('not the token')");
    chrome.type_into("#token", &format!("{}\u{e007}", token(&server)));
    chrome.until("document.querySelector('.channel .link button') !== null");
    chrome.until("document.querySelector('.channel .chip').textContent === 'starting'");
    assert_eq!(chrome.js("document.querySelector('.qr')"), Value::Null);
    assert!(audit(&home).is_empty(), "nobody has asked for the code");
    chrome.picture("channels-waiting");

    chrome.click(".channel .link button");
    chrome.until("document.querySelector('.qr') !== null");
    let of = |text: &str| {
        let (_, shown) = state(&home, "phone");
        assert_eq!(shown["pairing"]["text"], text);
        let rows = shown["pairing"]["rows"].as_array().unwrap().clone();
        let mut squares = Vec::new();
        for (y, row) in rows.iter().enumerate() {
            let dark = row.as_str().unwrap().char_indices();
            let dark = dark.filter(|(_, square)| *square == '1');
            squares.extend(dark.map(|(x, _)| json!([x, y])));
        }
        Value::Array(squares)
    };
    assert_eq!(chrome.js(SQUARES), of("2@fake-code"));
    chrome.picture("channels-code");
    mood(&home, &json!({ "start": "qr", "code": "2@the-next-one" }));
    eventually("the next code is drawn", || {
        let (_, shown) = state(&home, "phone");
        let is_next = shown["pairing"]["text"] == "2@the-next-one";
        (is_next && chrome.js(SQUARES) == of("2@the-next-one")).then_some(())
    });

    mood(&home, &json!({}));
    chrome.until("document.querySelector('.channel').dataset.state === 'ready'");
    chrome.until("document.querySelector('.qr') === null");
    chrome.picture("channels-ready");
    let twice = ["operator pairing.shown phone"; 2];
    assert_eq!(audit(&home), twice, "two codes");
    assert_eq!(chrome.js("window.violations"), json!([]));
    let foreign = "performance.getEntriesByType('resource').map((entry) => entry.name)
        .filter((name) => new URL(name).origin !== location.origin)";
    assert_eq!(chrome.js(foreign), json!([]));
    server.stop();
}

#[test]
fn the_page_fits_a_phone() {
    let test = "the_page_of_channels_fits_a_phone";
    let there = |tool| tools::has(tool, test);
    if !(there("chromium") && there("chromedriver")) {
        return;
    }
    let home = Home::scripted(ECHO);
    let server = home.serve().ready();
    let page = format!("http://{}/channels", server.address());
    let chrome = Chrome::open(Screen::Phone, &page);
    chrome.type_into("#token", &format!("{}\u{e007}", token(&server)));
    chrome.until("document.querySelector('.channel .chip')?.textContent === 'ready'");
    assert_eq!(
        chrome.js("document.documentElement.scrollWidth <= innerWidth"),
        true
    );
    chrome.picture("channels-phone");
    server.stop();
}
