//! The pages, quiet towards other hosts and never markup; the phone is there in `dev` alone.

use std::path::PathBuf;
use std::process::Command;

use zupa_http::Mode;

use crate::fakes::{App, accepted, get};

/// The phone, and the page of channels.
const PAGES: [&str; 2] = ["phone", "channels"];

fn folder(page: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("assets")
        .join(page)
}

fn files(page: &str) -> Vec<(String, Vec<u8>)> {
    std::fs::read_dir(folder(page))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect()
}

#[tokio::test]
async fn every_file_is_served_as_what_it_is() {
    for page in PAGES {
        every_file_of(page).await;
    }
}

async fn every_file_of(page: &str) {
    let app = App::new();
    for (name, bytes) in files(page) {
        let path = match (page, name.as_str()) {
            ("phone", "index.html") => "/".to_owned(),
            (page, "index.html") => format!("/{page}"),
            (page, name) => format!("/{page}/{name}"),
        };
        // The picture is no UTF-8.
        if name.ends_with(".png") {
            continue;
        }
        let answer = app.get(&path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.text.as_bytes(), bytes);
        let expected = match name.rsplit_once('.').unwrap().1 {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            other => panic!("what is a {other}?"),
        };
        assert_eq!(answer.headers["content-type"], expected);

        // Codes are shown there: no copy of it is kept to come back to.
        if page == "channels" {
            assert_eq!(answer.headers["cache-control"], "no-store");
            assert!(answer.headers.get("etag").is_none());
            continue;
        }
        let mut again = get(&path);
        let etag = answer.headers["etag"].clone();
        again.headers_mut().insert("if-none-match", etag);
        assert_eq!(app.send(again).await.status, 304);
    }
}

#[tokio::test]
async fn the_page_can_ask_what_answers() {
    let answer = App::new().get("/dev/info").await;
    assert_eq!(answer.json["model"], "the built-in script");
    assert_eq!(answer.json["scripted"], true);
    assert_eq!(answer.json["hint"], "set OPENAI_API_KEY");
}

#[tokio::test]
async fn outside_dev_there_is_no_page() {
    let app = App::with(Mode::Serve, accepted);
    for path in ["/", "/phone/phone.js", "/dev/info"] {
        assert_eq!(app.get(path).await.problem(), (404, "not_found"), "{path}");
    }
}

#[test]
fn no_page_names_another_host_or_a_way_to_markup() {
    PAGES.into_iter().for_each(is_harmless);
}

fn is_harmless(page: &str) {
    let mut total = 0;
    for (name, bytes) in files(page) {
        total += bytes.len();
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        for bad in [
            "http://",
            "https://",
            "\"//",
            "'//",
            "innerhtml",
            "outerhtml",
            "insertadjacenthtml",
            "document.write",
            "eval(",
            "new function",
            "srcdoc",
            "@import",
            "style=\"",
            "javascript:",
        ] {
            assert!(!text.contains(bad), "{name} contains {bad}");
        }
        if name.ends_with(".html") {
            let handlers = text
                .split_whitespace()
                .filter(|word| word.starts_with("on"));
            assert!(
                handlers.clone().all(|word| !word.contains("=\"")),
                "{name} has inline handlers"
            );
            assert_eq!(
                text.matches("<script").count(),
                text.matches("<script type=\"module\" src=").count()
            );
            assert!(!text.contains("<style"));
        }
    }
    assert!(total < 40 * 1024, "the page has {total} bytes");
}

#[test]
fn the_scripts_parse() {
    let Ok(true) = Command::new("node")
        .arg("--version")
        .output()
        .map(|node| node.status.success())
    else {
        eprintln!("skipped the_scripts_parse: there is no node here");
        return;
    };
    let scripts = PAGES.map(|page| {
        let names = files(page).into_iter().map(|(name, _)| name);
        let names = names.filter(|name| name.ends_with(".js"));
        names.map(move |name| folder(page).join(name))
    });
    for script in scripts.into_iter().flatten() {
        // Node takes a module only from standard input or an .mjs file.
        let name = script.display();
        let file = std::fs::File::open(&script).unwrap();
        let checked = Command::new("node")
            .args(["--check", "--input-type=module", "-"])
            .stdin(file)
            .output()
            .unwrap();
        assert!(
            checked.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&checked.stderr)
        );
    }
}
