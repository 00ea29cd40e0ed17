//! Against the protocol's reference server, `@modelcontextprotocol/server-everything`,
//! installed by the first test into the build folder from the committed lockfile.
//! Without node or npm these tests are skipped by name; under `CI=true` they fail.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use zupa_core::{Effect, ErrorKind, Outcome, Result, ToolOutput};
use zupa_mcp::{Annotations, McpConfig, McpServer, Reach};

use crate::logs;
use crate::support::*;

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/everything");
/// A binary's folder of its own below `target`.
const INSTALLED: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/server-everything");

/// The script that starts the server; `None` is said aloud.
fn installed(test: &str) -> Option<&'static Path> {
    static SCRIPT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let script = SCRIPT.get_or_init(install).as_deref();
    if script.is_none() {
        let missing = "node or npm is missing, or the registry is out of reach";
        assert!(variable("CI").as_deref() != Some("true"), "{missing}");
        eprintln!("skipped: {test}: {missing}");
    }
    script
}

fn install() -> Option<PathBuf> {
    runs(Command::new("node").arg("--version"))?;
    std::fs::create_dir_all(INSTALLED).unwrap();
    // Each test may be a process of its own, and all of them install.
    let lock = std::fs::File::create(Path::new(INSTALLED).join("lock")).unwrap();
    lock.lock().unwrap();
    let script = Path::new(INSTALLED)
        .join("node_modules/@modelcontextprotocol/server-everything/dist/index.js");
    let wanted = std::fs::read_to_string(format!("{HERE}/package-lock.json")).unwrap();
    let mark = Path::new(INSTALLED).join("installed-from");
    if std::fs::read_to_string(&mark).is_ok_and(|from| from == wanted) && script.exists() {
        return Some(script);
    }
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(format!("{HERE}/{file}"), format!("{INSTALLED}/{file}")).unwrap();
    }
    let options = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    runs(Command::new("npm").args(options).current_dir(INSTALLED))?;
    std::fs::write(&mark, wanted).unwrap();
    Some(script)
}

fn runs(command: &mut Command) -> Option<()> {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success()).then_some(())
}

fn environment() -> std::collections::BTreeMap<String, zupa_core::secrets::SecretString> {
    [("PATH".to_owned(), variable("PATH").unwrap().into())].into()
}

/// The mark is one more argument, which the server ignores.
async fn over_stdio(script: &Path, mark: &str) -> Arc<McpServer> {
    start(Reach::Stdio {
        command: "node".into(),
        args: [script.to_str().unwrap(), "stdio", mark]
            .map(String::from)
            .into(),
        env: environment(),
        directory: None,
    })
    .await
}

async fn start(reach: Reach) -> Arc<McpServer> {
    logs::capture();
    McpServer::start(McpConfig {
        name: "every".into(),
        reach,
        restart_pause: Duration::from_millis(50),
        start_timeout: Duration::from_secs(60),
        annotations: Annotations::Trusted,
        ..McpConfig::default()
    })
    .await
    .unwrap()
}

async fn call(
    server: &Arc<McpServer>,
    name: &str,
    arguments: serde_json::Value,
) -> Result<ToolOutput> {
    let tool = tool(server, &format!("every_{name}"));
    tool.call(arguments, context(PATIENCE)).await
}

/// What both wires have to carry.
async fn speaks(server: &Arc<McpServer>) {
    let names: Vec<_> = server.listed().into_iter().map(|tool| tool.tool).collect();
    for name in [
        "echo",
        "get-sum",
        "get-tiny-image",
        "trigger-long-running-operation",
    ] {
        assert!(names.iter().any(|known| known == name), "{names:?}");
    }
    assert_eq!(server.refused().len(), 0, "{:?}", server.refused());
    assert_eq!(tool(server, "every_echo").effect(), Effect::PURE);

    let echo = call(server, "echo", json!({ "message": "hello" })).await;
    assert_eq!(echo.unwrap().result, "Echo: hello");
    let sum = call(server, "get-sum", json!({ "a": 2, "b": 3 })).await;
    assert_eq!(sum.unwrap().result, "The sum of 2 and 3 is 5.");
    let refused = call(server, "get-sum", json!({ "a": "two", "b": 3 })).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);

    let image = call(server, "get-tiny-image", json!({}))
        .await
        .unwrap()
        .result;
    let parts = image["content"].as_array().unwrap();
    let picture = parts.iter().find(|part| part["type"] == "image").unwrap();
    assert_eq!(picture["mime"], "image/png");
    assert!(picture["bytes"].as_u64().unwrap() > 100);
    assert!(picture.get("data").is_none(), "{picture}");

    let weather = call(
        server,
        "get-structured-content",
        json!({ "location": "Chicago" }),
    )
    .await;
    let weather = weather.unwrap().result;
    assert!(weather["temperature"].is_number(), "{weather}");

    // Its schema lets it pass, the server itself does not.
    let wrong = json!({ "resourceType": "Text", "resourceId": -1 });
    let error = call(server, "get-resource-reference", wrong).await;
    let error = error.unwrap().result;
    assert_eq!(error["error"], "tool_failed", "{error}");

    let steps = json!({ "duration": 1, "steps": 4 });
    let long = call(server, "trigger-long-running-operation", steps).await;
    let long = long.unwrap().result;
    assert!(long.as_str().unwrap().contains("completed"), "{long}");

    let slow = tool(server, "every_trigger-long-running-operation");
    let steps = json!({ "duration": 60, "steps": 60 });
    let error = slow.call(steps, context(Duration::from_secs(2))).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.outcome(), Outcome::Unknown);
    // It goes on after that.
    let echo = call(server, "echo", json!({ "message": "again" })).await;
    assert_eq!(echo.unwrap().result, "Echo: again");
    logs::assert_discreet();
}

/// A call that is under way while something is done to the server.
async fn under_way(server: &Arc<McpServer>, happens: impl FnOnce()) {
    let slow = tool(server, "every_trigger-long-running-operation");
    let steps = json!({ "duration": 60, "steps": 60 });
    let calling = tokio::spawn(async move { slow.call(steps, context(PATIENCE)).await });
    // The next answer comes after the request has been written.
    let echo = call(server, "echo", json!({ "message": "on its way" })).await;
    echo.unwrap();
    happens();
    let error = calling.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_discreet(&error);
}

async fn comes_back(server: &Arc<McpServer>) {
    until("the next life", async || {
        let echo = call(server, "echo", json!({ "message": "back" })).await;
        echo.is_ok_and(|output| output.result == "Echo: back")
    })
    .await;
}

#[tokio::test]
async fn the_reference_server_speaks_over_stdio() {
    let Some(script) = installed("the_reference_server_speaks_over_stdio") else {
        return;
    };
    speaks(&over_stdio(script, "to-be-spoken-with").await).await;
}

#[tokio::test]
async fn the_reference_server_is_killed_over_stdio() {
    let Some(script) = installed("the_reference_server_is_killed_over_stdio") else {
        return;
    };
    let mark = "to-be-killed";
    let server = over_stdio(script, mark).await;
    under_way(&server, || kill_child_of_ours(mark)).await;
    comes_back(&server).await;
}

#[tokio::test]
async fn the_reference_server_speaks_over_http() {
    let Some(script) = installed("the_reference_server_speaks_over_http") else {
        return;
    };
    let web = Web::start(script, free_port().await).await;
    speaks(&start(Reach::http(&web.url)).await).await;
}

#[tokio::test]
async fn the_reference_server_is_killed_over_http() {
    let Some(script) = installed("the_reference_server_is_killed_over_http") else {
        return;
    };
    let port = free_port().await;
    let mut web = Web::start(script, port).await;
    let server = start(Reach::http(&web.url)).await;
    under_way(&server, || web.kill()).await;
    let error = call(&server, "echo", json!({ "message": "nobody" })).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.outcome(), Outcome::NotApplied);
    let _web = Web::start(script, port).await;
    comes_back(&server).await;
}

/// The server as a web server.
struct Web {
    process: Child,
    url: String,
}

impl Web {
    async fn start(script: &Path, port: u16) -> Self {
        let process = Command::new("node")
            .arg(script)
            .arg("streamableHttp")
            .env("PORT", port.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let url = format!("http://127.0.0.1:{port}/mcp");
        let web = Self { process, url };
        until("the web server", async || {
            TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
        web
    }

    fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

/// Only children of this very process, whose command line has the word.
fn kill_child_of_ours(word: &str) {
    let us = std::process::id().to_string();
    let listed = Command::new("ps")
        .args(["-o", "pid=,args=", "--ppid", &us])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let children = listed.lines().filter(|line| line.contains(word));
    let mut killed = 0;
    for child in children {
        let pid = child.split_whitespace().next().unwrap();
        assert!(
            Command::new("kill")
                .args(["-9", pid])
                .status()
                .unwrap()
                .success()
        );
        killed += 1;
    }
    assert_eq!(killed, 1, "{listed}");
}
