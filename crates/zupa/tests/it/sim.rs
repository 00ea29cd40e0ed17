//! `zupa sim whatsapp-cloud` beside `zupa serve`: what somebody has without an account.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Stdio};

use serde_json::json;

use crate::support::chrome::{Chrome, Screen};
use crate::support::home::{Home, Rule, ZUPA};
use crate::support::{eventually, process, tools};

/// A running simulator. Ends when dropped.
struct Sim {
    child: Child,
    /// The configuration that it prints.
    config: String,
    page: String,
}

impl Sim {
    fn start(home: &Home, webhook: &str) -> Self {
        let mut child = home
            .command(ZUPA)
            .args(["sim", "whatsapp-cloud", "--listen", "127.0.0.1:0"])
            .args(["--webhook", webhook])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut config = String::new();
        while !config.contains("verify_token") {
            assert!(said.read_line(&mut config).unwrap() > 0, "{config}");
        }
        let graph = config.split("graph_url = \"").nth(1).unwrap();
        let page = graph.split("v23.0").next().unwrap().to_owned();
        Self {
            child,
            config,
            page,
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        process::kill(&mut self.child);
    }
}

/// Where a server will listen.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Each line of the open chat: who, what, which ticks.
const LINES: &str = "[...document.querySelectorAll('#lines .line:not(.typing)')].map((line) => [
    line.classList.contains('person') ? 'person' : 'business',
    line.querySelector('.text').textContent,
    line.querySelector('.ticks').dataset.ticks])";

#[test]
fn what_is_printed_is_all_that_a_server_needs_to_answer_on_the_page() {
    let test = "what_is_printed_is_all_that_a_server_needs_to_answer_on_the_page";
    if !(tools::has("chromium", test) && tools::has("chromedriver", test)) {
        return;
    }
    let (home, address) = (Home::new(), free_address());
    let sim = Sim::start(&home, &format!("http://{address}/webhooks/wa"));
    home.write("zupa.toml", &sim.config);
    home.script(&[Rule("hello", "Good <b>day</b>!", 0)]);
    let server = home.serve().at(address).set("model.script", "script.toml");
    let server = server.ready();

    let chrome = Chrome::open(Screen::Desktop, &sim.page);
    chrome.run(
        "window.violations = [];
         addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective));",
    );
    chrome.until("document.querySelector('#state').dataset.state === 'online'");
    assert_eq!(
        chrome.js("document.querySelector('#name').textContent"),
        "Ana"
    );
    // What the page allows holds for what goes wrong, too: each webhook comes twice.
    chrome.click("input[name=duplicate]");
    chrome.until("document.querySelector('input[name=duplicate]').checked");
    chrome.type_into("#text", "hello");
    chrome.click("#send");
    let wanted = json!([
        ["person", "hello", "read"],
        ["business", "Good <b>day</b>!", "read"],
    ]);
    eventually("the answer has its ticks", || {
        (chrome.js(LINES) == wanted).then_some(())
    });
    chrome.until("Number(document.querySelector('#twice').textContent) >= 4");
    assert_eq!(chrome.js(LINES), wanted, "answered once");
    assert_eq!(chrome.js("violations"), json!([]));
    assert_eq!(
        chrome.js("document.querySelector('#beyond').textContent"),
        "0"
    );
    chrome.picture("sim-whatsapp");
    server.all_answered(1);
    server.stop();
}

#[test]
fn a_group_is_made_on_the_page_and_answered_in_it() {
    let test = "a_group_is_made_on_the_page_and_answered_in_it";
    if !(tools::has("chromium", test) && tools::has("chromedriver", test)) {
        return;
    }
    let (home, address) = (Home::new(), free_address());
    let sim = Sim::start(&home, &format!("http://{address}/webhooks/wa"));
    home.write("zupa.toml", &sim.config);
    home.script(&[Rule("hello", "Good day!", 0)]);
    let server = home.serve().at(address).set("model.script", "script.toml");
    let server = server.ready();
    let chrome = Chrome::open(Screen::Desktop, &sim.page);
    chrome.until("document.querySelector('#state').dataset.state === 'online'");
    chrome.until("document.querySelector('#speaker').hidden");
    chrome.type_into("#members", "15550001111, 15550002222");
    chrome.click("#found button");
    chrome.until("[...document.querySelectorAll('.contact')].some((one) => one.textContent.startsWith('Group of 2'))");
    chrome.run("[...document.querySelectorAll('.contact')].find((one) => one.textContent.startsWith('Group of 2')).click()");
    chrome.until("document.querySelectorAll('#speaker option').length === 2");
    chrome.run("document.querySelector('#speaker').value = '15550002222'");
    chrome.type_into("#text", "hello");
    chrome.click("#send");
    chrome.until("document.querySelectorAll('#lines .line.business .ticks.read').length === 1");
    let speaker = chrome.js("document.querySelector('#lines .speaker').textContent");
    assert_eq!(speaker, "Bruno");
    chrome.picture("sim-group");
    server.all_answered(1);
    server.stop();
}

#[test]
fn a_simulator_ends_when_asked_and_says_what_it_cannot_do() {
    let home = Home::new();
    let mut sim = Sim::start(&home, "http://127.0.0.1:9/webhooks/wa");
    let taken = sim.page.trim_start_matches("http://").trim_end_matches('/');
    let refused = |arguments: &[&str], code: i32, parts: &[&str]| {
        let all = [&["sim", "whatsapp-cloud"], arguments].concat();
        home.run(&all).refused(code, parts);
    };
    refused(&["--listen", taken], 75, &["cannot listen on", "--listen"]);
    refused(
        &["--listen", "0.0.0.0:0"],
        2,
        &["does not listen", "password"],
    );
    refused(
        &["--webhook", "https://a.test/"],
        2,
        &["https://a.test/", "--webhook"],
    );
    refused(&["--config", "wa.toml"], 2, &["reads no configuration"]);
    process::signal("TERM", sim.child.id());
    assert_eq!(sim.child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_doctor_asks_the_graph_api_for_each_number() {
    let home = Home::new();
    let sim = Sim::start(&home, "http://127.0.0.1:9/webhooks/wa");
    home.write("zupa.toml", &sim.config);
    let found = |set: &[&str], level: &str, parts: &[&str]| {
        let mut arguments = vec!["doctor", "--json"];
        arguments.extend(set.iter().flat_map(|pair| ["--set", pair]));
        let json = home.run(&arguments).json();
        let checks = json["checks"].as_array().unwrap();
        let mut numbers = checks.iter().filter(|it| it["check"] == "number");
        let number = numbers.find(|it| it["level"] == level);
        let number = number.unwrap_or_else(|| panic!("no {level} number in {json:#}"));
        for part in parts {
            assert!(number.to_string().contains(part), "{part} in {number}");
        }
        assert!(!json.to_string().contains("that-sends"), "{json}");
    };
    found(&[], "ok", &["wa: the Graph API knows it"]);
    let text = &sim.config;
    for (from, to, level, parts) in [
        (
            "the-token-that-sends",
            "guessed",
            "fail",
            ["access token", "system user"],
        ),
        (
            "100000000000001",
            "100000000000009",
            "fail",
            ["wa: it cannot send", "phone number id"],
        ),
        (
            "the-token-that-sends",
            "env:NOWHERE",
            "fail",
            ["access_token", "NOWHERE"],
        ),
        (
            "verify_token",
            "# verify_token",
            "warn",
            ["verify_token", "Meta asks"],
        ),
    ] {
        home.write("zupa.toml", text.replacen(from, to, 1));
        found(&[], level, &parts);
    }
    home.write("zupa.toml", text);
    drop(sim);
    found(&[], "fail", &["cannot be reached", "graph_url"]);
}
