//! The simulated phone in a real browser.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::chrome::{Chrome, Screen};
use crate::support::home::Home;
use crate::support::model::{FakeModel, Mood};
use crate::support::{Server, Start, tools};

/// Each committed line of the page: who, number, text.
const LINES: &str = "[...document.querySelectorAll('#lines .line')].map((line) => [
    line.classList.contains('person') ? 'person' : 'agent',
    Number(line.dataset.number),
    line.querySelector('.text').textContent])";

/// Records what the page shows of the agent at each change: how many lines and
/// drafts, and the draft's text.
const WATCH: &str = "
    window.shown = [];
    new MutationObserver(() => {
      const drafts = [...document.querySelectorAll('#draft .draft .text')];
      shown.push([document.querySelectorAll('#lines .agent').length, drafts.length, drafts.map((one) => one.textContent).join()]);
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
    window.violations = [];
    addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective));";

/// A browser at a server that uses a model, or nothing where there is none.
fn tools_for(test: &str) -> bool {
    tools::has("chromium", test) && tools::has("chromedriver", test)
}

fn start<'a>(home: &'a Home, model: &FakeModel) -> Start<'a> {
    model
        .behind(home.dev())
        .set("policy.turn.base_ms", 50)
        .set("policy.turn.cap_ms", 100)
        .set("policy.model.breaker.enabled", false)
}

fn page(server: &Server, screen: Screen) -> Chrome {
    let chrome = Chrome::open(screen, &format!("http://{}/", server.address()));
    chrome.until("document.querySelector('#state').dataset.state === 'online'");
    chrome
}

fn said(lines: &[(&str, u64, &str)]) -> Value {
    lines
        .iter()
        .map(|(who, number, text)| json!([who, number, text]))
        .collect()
}

#[track_caller]
fn until_lines(chrome: &Chrome, count: usize) {
    chrome.until(&format!(
        "document.querySelectorAll('#lines .line').length >= {count}"
    ));
}

/// Nothing was asked of anybody but the server, and nothing was forbidden.
#[track_caller]
fn assert_alone(chrome: &Chrome) {
    let foreign = "performance.getEntriesByType('resource').map((entry) => entry.name)
        .filter((name) => new URL(name).origin !== location.origin)";
    assert_eq!(chrome.js(foreign), json!([]));
    let asked = chrome.js("performance.getEntriesByType('resource').length");
    assert!(asked.as_u64().unwrap() >= 5, "the page has parts: {asked}");
    assert_eq!(chrome.js("window.violations ?? []"), json!([]));
}

#[test]
fn an_answer_is_streamed_and_shown_once_also_after_a_reload() {
    if !tools_for("an_answer_is_streamed_and_shown_once_also_after_a_reload") {
        return;
    }
    let home = Home::new();
    let model = FakeModel::start(Mood::Slowly(Duration::from_millis(100)));
    let server = start(&home, &model).ready();
    let chrome = page(&server, Screen::Desktop);
    chrome.picture("desktop-empty");
    chrome.run(WATCH);
    chrome.type_into("#text", "hello there");
    chrome.click("#send");
    until_lines(&chrome, 2);
    let first = [
        ("person", 1, "hello there"),
        ("agent", 2, "echo of hello there"),
    ];
    assert_eq!(chrome.js(LINES), said(&first));

    // Draft and line were never there at once, nor two of one kind.
    let shown = chrome.js("shown");
    let shown = shown.as_array().unwrap();
    let both = |at: &&Value| at[0].as_u64().unwrap() + at[1].as_u64().unwrap() > 1;
    assert_eq!(shown.iter().find(both), None);
    for draft in ["echo", "echo of "] {
        assert!(
            shown.iter().any(|at| at[2] == draft),
            "no {draft:?} in {shown:?}"
        );
    }

    // By keyboard alone, and with the panel telling the turn's life.
    chrome.type_into("#text", "second\u{e007}");
    until_lines(&chrome, 4);
    chrome.until("document.querySelectorAll('.turn[data-stage=sent]').length === 2");
    let stages = chrome.js(
        "[...document.querySelector('.turn').querySelectorAll('.mark')].map((mark) => mark.dataset.stage)",
    );
    assert_eq!(
        stages,
        json!(["accepted", "claimed", "model", "committed", "sent"])
    );
    chrome.picture("desktop");

    let second = [("person", 3, "second"), ("agent", 4, "echo of second")];
    let all = [first, second].concat();
    assert_eq!(chrome.js(LINES), said(&all));
    chrome.reload();
    until_lines(&chrome, 4);
    assert_eq!(chrome.js(LINES), said(&all));
    assert_alone(&chrome);
}

#[test]
fn a_killed_server_loses_and_doubles_nothing_on_the_page() {
    if !tools_for("a_killed_server_loses_and_doubles_nothing_on_the_page") {
        return;
    }
    let home = Home::new();
    let model = FakeModel::start(Mood::Well);
    let server = start(&home, &model).ready();
    let address = server.address();
    let chrome = page(&server, Screen::Desktop);
    chrome.run(WATCH);
    chrome.type_into("#text", "first\u{e007}");
    until_lines(&chrome, 2);

    // In the middle of an answer that is being written.
    model.mood(Mood::Stalls("an answer that will never"));
    chrome.type_into("#text", "second\u{e007}");
    chrome.until("document.querySelector('#draft .draft .text')?.textContent === 'an answer that will never'");
    chrome.picture("desktop-streaming");
    server.kill();
    chrome.until("document.querySelector('#state').dataset.state === 'connecting'");
    chrome.type_into("#text", "while you were away\u{e007}");
    chrome.until("document.querySelectorAll('#unsent .line').length === 1");
    chrome.until("!document.querySelector('#banner').hidden");
    chrome.picture("desktop-server-gone");

    model.mood(Mood::Well);
    let server = start(&home, &model).at(address).ready();
    chrome.until("document.querySelector('#state').dataset.state !== 'connecting'");
    until_lines(&chrome, 6);
    chrome.until("document.querySelector('#unsent').childElementCount === 0");
    let lines = chrome.js(LINES);
    let texts: Vec<_> = lines
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line[2])
        .collect();
    for text in [
        "first",
        "echo of first",
        "second",
        "echo of second",
        "while you were away",
        "echo of while you were away",
    ] {
        let times = texts.iter().filter(|shown| **shown == text).count();
        assert_eq!(times, 1, "{text:?} in {lines}");
    }
    let numbers: Vec<_> = lines
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line[1])
        .collect();
    assert_eq!(json!(numbers), json!([1, 2, 3, 4, 5, 6]), "{lines}");
    // The turn that was killed is not shown as still at work.
    chrome.until("document.querySelectorAll('.turn[data-stage=model]').length === 0");
    chrome.picture("desktop-server-back");
    server.all_answered(3);

    chrome.reload();
    until_lines(&chrome, 6);
    assert_eq!(chrome.js(LINES), lines);
    assert_alone(&chrome);
}

#[test]
fn markup_stays_text() {
    if !tools_for("markup_stays_text") {
        return;
    }
    const MARKUP: &str = "<img src=x onerror=\"window.pwned=1\"><script>window.pwned=1</script>\
        <svg onload=\"window.pwned=1\"><b>bold</b><a href=\"javascript:window.pwned=1\">x</a> \
        </span></div>&lt;i&gt; \u{202e}backwards\u{202c} end";
    let home = Home::new();
    let model = FakeModel::start(Mood::Slowly(Duration::from_millis(50)));
    let server = start(&home, &model).ready();
    let chrome = page(&server, Screen::Desktop);
    chrome.run(WATCH);
    let before = chrome.js("document.querySelectorAll('img, script, svg, b, a, iframe').length");
    chrome.type_into("#text", &format!("{MARKUP}\u{e007}"));
    until_lines(&chrome, 2);
    for _ in 0..2 {
        let lines = chrome.js(LINES);
        // What would turn the reading order around is shown by its name.
        let visible = MARKUP
            .replace('\u{202e}', "U+202E")
            .replace('\u{202c}', "U+202C");
        let answer = format!("echo of {visible}");
        assert_eq!(
            lines,
            said(&[("person", 1, &visible), ("agent", 2, &answer)])
        );
        let inside = "[...document.querySelectorAll('#lines .text *')].map((one) => one.className)
            .filter((name) => name !== 'control')";
        assert_eq!(chrome.js(inside), json!([]));
        assert_eq!(
            chrome.js("document.querySelectorAll('img, script, svg, b, a, iframe').length"),
            before
        );
        assert_eq!(chrome.js("window.pwned ?? null"), Value::Null);
        assert_alone(&chrome);
        chrome.picture("desktop-markup");
        chrome.reload();
        until_lines(&chrome, 2);
    }
}

#[test]
fn the_page_fits_a_phone() {
    if !tools_for("the_page_fits_a_phone") {
        return;
    }
    let home = Home::new();
    let model = FakeModel::start(Mood::Well);
    let server = start(&home, &model).ready();
    let chrome = page(&server, Screen::Phone);
    assert_eq!(chrome.js("[innerWidth, innerHeight]"), json!([360, 740]));
    chrome.picture("phone-empty");
    chrome.type_into("#text", "Is there a table for two tonight?");
    chrome.click("#send");
    until_lines(&chrome, 2);
    let long = "averylongwordthatnobodyhasevercutandthatmustnotpushthepagewiderthanitis";
    chrome.type_into("#text", &format!("{long}\u{e007}"));
    until_lines(&chrome, 4);
    model.mood(Mood::Stalls(
        "One moment, I am looking at the book of tonight and",
    ));
    chrome.type_into(
        "#text",
        "And a chair for the child, please, it is two years old",
    );
    chrome.click("#send");
    chrome.until("document.querySelector('#draft .draft') !== null");
    chrome.picture("phone");
    // Nothing sticks out, and what is touched can be hit with a thumb.
    assert_eq!(
        chrome.js("document.documentElement.scrollWidth <= innerWidth"),
        true
    );
    let cut = "[...document.querySelectorAll('.line')].filter((one) => one.scrollWidth > one.clientWidth).length";
    assert_eq!(chrome.js(cut), 0);
    let small = "[...document.querySelectorAll('button, textarea')].filter((one) => {
        const { width, height } = one.getBoundingClientRect();
        return width > 0 && (width < 40 || height < 40);
    }).map((one) => one.id)";
    assert_eq!(chrome.js(small), json!([]));
    let visible = "(() => {
        const { bottom } = document.querySelector('#send').getBoundingClientRect();
        return bottom <= innerHeight;
    })()";
    assert_eq!(chrome.js(visible), true);
    chrome.click("summary");
    chrome.until("document.querySelector('#panel').open");
    chrome.picture("phone-panel");
    assert_alone(&chrome);
}
