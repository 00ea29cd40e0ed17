//! The page: there in `dev`, quiet towards other hosts, and never markup.

use std::path::PathBuf;
use std::process::Command;

use zupa_http::Mode;

use crate::fakes::{App, accepted, get};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("assets/phone")
}

fn files() -> Vec<(String, Vec<u8>)> {
    std::fs::read_dir(folder())
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
    let app = App::new();
    for (name, bytes) in files() {
        let path = if name == "index.html" {
            "/".to_owned()
        } else {
            format!("/phone/{name}")
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
fn the_page_names_no_other_host_and_no_way_to_markup() {
    let mut total = 0;
    for (name, bytes) in files() {
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
    for (name, _) in files() {
        if !name.ends_with(".js") {
            continue;
        }
        // Node takes a module only from standard input or an .mjs file.
        let script = std::fs::File::open(folder().join(&name)).unwrap();
        let checked = Command::new("node")
            .args(["--check", "--input-type=module", "-"])
            .stdin(script)
            .output()
            .unwrap();
        assert!(
            checked.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&checked.stderr)
        );
    }
}
