//! A real browser, driven through chromedriver.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{eventually, process};

/// What the browser shows, in CSS pixels.
#[derive(Debug, Clone, Copy)]
pub enum Screen {
    Desktop,
    Phone,
}

/// A browser with one page. Closes when dropped.
#[derive(Debug)]
pub struct Chrome {
    runtime: Runtime,
    client: Option<Client>,
    driver: Child,
    _profile: TempDir,
}

impl Chrome {
    pub fn open(screen: Screen, url: &str) -> Self {
        let (driver, port) = eventually("chromedriver starts", start_driver);
        let profile = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities(screen, &profile));
        let driver_url = format!("http://127.0.0.1:{port}");
        let client = runtime.block_on(builder.connect(&driver_url)).unwrap();
        let chrome = Self {
            runtime,
            client: Some(client),
            driver,
            _profile: profile,
        };
        chrome.goto(url);
        chrome
    }

    pub fn goto(&self, url: &str) {
        self.runtime.block_on(self.client().goto(url)).unwrap();
    }

    pub fn reload(&self) {
        self.runtime.block_on(self.client().refresh()).unwrap();
    }

    /// The value of an expression in the page.
    #[track_caller]
    pub fn js(&self, expression: &str) -> Value {
        let script = format!("return ({expression});");
        self.runtime
            .block_on(self.client().execute(&script, Vec::new()))
            .unwrap_or_else(|error| panic!("{error} in {expression}"))
    }

    /// Runs statements in the page.
    #[track_caller]
    pub fn run(&self, script: &str) {
        self.runtime
            .block_on(self.client().execute(script, Vec::new()))
            .unwrap();
    }

    /// Waits until an expression is true in the page.
    #[track_caller]
    pub fn until(&self, expression: &str) {
        eventually(expression, || {
            let value = self.js(expression);
            (value == true).then_some(())
        });
    }

    /// Types into an element.
    #[track_caller]
    pub fn type_into(&self, selector: &str, keys: &str) {
        self.runtime
            .block_on(async {
                let element = self.client().find(Locator::Css(selector)).await?;
                element.send_keys(keys).await
            })
            .unwrap();
    }

    #[track_caller]
    pub fn click(&self, selector: &str) {
        self.runtime
            .block_on(async {
                let element = self.client().find(Locator::Css(selector)).await?;
                element.click().await
            })
            .unwrap();
    }

    /// Keeps a picture of the page in `target/screenshots/`.
    pub fn picture(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
            .parent()
            .unwrap()
            .join("screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        let picture = self.runtime.block_on(self.client().screenshot()).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    fn client(&self) -> &Client {
        self.client.as_ref().unwrap()
    }
}

impl Drop for Chrome {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            let _ = self.runtime.block_on(client.close());
        }
        process::kill(&mut self.driver);
    }
}

/// Starts a driver on a free port. It gives up where another took that port
/// meanwhile.
fn start_driver() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = said.by_ref().map_while(Result::ok).find_map(|line| {
        let port = line.split_once("started successfully on port ")?.1;
        port.trim_end_matches('.').parse().ok()
    });
    let Some(port) = port else {
        process::kill(&mut driver);
        return None;
    };
    // It may go on talking.
    std::thread::spawn(move || said.count());
    Some((driver, port))
}

fn capabilities(screen: Screen, profile: &TempDir) -> fantoccini::wd::Capabilities {
    let mut arguments: Vec<_> = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
        "--window-size=1280,800",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.push(format!("--user-data-dir={}", profile.path().display()));
    let mut options = json!({ "args": arguments });
    if let Screen::Phone = screen {
        options["mobileEmulation"] = json!({
            "deviceMetrics": { "width": 360, "height": 740, "pixelRatio": 2, "touch": true, "mobile": true },
        });
    }
    match json!({ "goog:chromeOptions": options }) {
        Value::Object(capabilities) => capabilities,
        _ => unreachable!("an object was written"),
    }
}
