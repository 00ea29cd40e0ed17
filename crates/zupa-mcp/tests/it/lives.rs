//! Servers that go away, hang, come back, and must not stay behind.

use std::time::Duration;

use serde_json::{Value, json};
use zupa_core::{ErrorKind, Outcome, Retry};
use zupa_mcp::McpConfig;

use crate::support::*;

#[tokio::test]
async fn a_server_that_dies_in_mid_call_is_an_error_and_comes_back() {
    let fake = fake().await;
    let error = fake.call("die", no_arguments()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.outcome(), Outcome::Unknown);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        fake.result("lives", no_arguments()).await,
        json!({ "lives": 2 })
    );
}

#[tokio::test]
async fn calls_side_by_side_all_learn_of_the_death() {
    let fake = fake().await;
    let slow = fake.tool("slow");
    let waiting = tokio::spawn(async move { slow.call(no_arguments(), context(PATIENCE)).await });
    // Until it is on its way.
    assert_eq!(fake.result("echo", json!({ "text": "a" })).await, "a");
    fake.call("die", no_arguments()).await.unwrap_err();
    let error = waiting.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.outcome(), Outcome::Unknown);
}

#[tokio::test]
async fn until_the_pause_is_over_nothing_is_sent() {
    let fake = fake_with(|config| McpConfig {
        restart_pause: Duration::from_secs(60),
        ..config
    })
    .await;
    fake.call("die", no_arguments()).await.unwrap_err();
    let error = fake.call("lives", no_arguments()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.outcome(), Outcome::NotApplied);
    let Retry::After(left) = error.retry() else {
        panic!("{error:?}");
    };
    assert!(left > Duration::from_secs(50), "{left:?}");
}

#[tokio::test]
async fn pauses_grow_while_a_server_cannot_start() {
    let fake = fake_with(|config| McpConfig {
        restart_pause: Duration::from_millis(100),
        restart_pause_max: Duration::from_secs(60),
        ..config
    })
    .await;
    let broken = fake.folder.path().join("memory.broken");
    std::fs::write(&broken, "").unwrap();
    fake.call("die", no_arguments()).await.unwrap_err();
    let mut longest = Duration::ZERO;
    until("a long pause", async || {
        let error = fake.call("lives", no_arguments()).await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
        if let Retry::After(left) = error.retry() {
            longest = longest.max(left);
        }
        longest > Duration::from_millis(500)
    })
    .await;
    std::fs::remove_file(&broken).unwrap();
    until("the next life", async || {
        fake.call("lives", no_arguments()).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_server_that_died_while_idle_is_started_by_the_next_call() {
    let fake = fake().await;
    let pids = fake.result("spawn", no_arguments()).await;
    kill(&pids["own"]);
    until("its end", async || !is_running(&pids["own"])).await;
    // The end is noticed a moment later; a call in between is lost with it.
    until("the next life", async || {
        let lives = fake.call("lives", no_arguments()).await;
        lives.is_ok_and(|output| output.result == json!({ "lives": 2 }))
    })
    .await;
    // It has taken along what it had started.
    until("the child's end", async || !is_running(&pids["child"])).await;
}

#[tokio::test]
async fn a_server_that_hangs_is_replaced() {
    let fake = fake().await;
    let error = fake
        .tool("hang")
        .call(no_arguments(), context(Duration::from_millis(500)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert_eq!(
        fake.result("lives", no_arguments()).await,
        json!({ "lives": 2 })
    );
}

#[tokio::test]
async fn nothing_stays_behind_when_the_last_handle_goes() {
    let fake = fake().await;
    let pids = fake.result("spawn", no_arguments()).await;
    assert!(is_running(&pids["own"]) && is_running(&pids["child"]));
    let echo = fake.tool("echo");
    let Fake { server, folder } = fake;
    drop(server);
    // A tool is a handle too.
    let text = json!({ "text": "here" });
    assert_eq!(
        echo.call(text, context(PATIENCE)).await.unwrap().result,
        "here"
    );
    drop(echo);
    gone(&pids).await;
    drop(folder);
}

#[tokio::test]
async fn a_stopped_server_is_gone_and_stays_so() {
    let fake = fake().await;
    let pids = fake.result("spawn", no_arguments()).await;
    fake.server.stop().await;
    gone(&pids).await;
    let error = fake.call("echo", no_arguments()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(error.outcome(), Outcome::NotApplied);
}

#[test]
fn nothing_stays_behind_when_the_runtime_goes() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (fake, pids) = runtime.block_on(async {
        let fake = fake().await;
        let pids = fake.result("spawn", no_arguments()).await;
        (fake, pids)
    });
    drop(runtime);
    tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(gone(&pids));
    drop(fake);
}

#[tokio::test]
async fn a_server_gets_the_environment_that_it_is_given_and_no_other() {
    let fake = fake().await;
    let env = fake.result("env", no_arguments()).await;
    let names: Vec<_> = env.as_object().unwrap().keys().collect();
    // libtest sets one of its own for its children's children.
    let given = |name: &&&String| !name.starts_with("RUST_") && !name.starts_with("__");
    let names: Vec<_> = names.iter().filter(given).collect();
    assert_eq!(
        names,
        ["SERVER_KEY", "ZUPA_MCP_FAKE"].iter().collect::<Vec<_>>()
    );
    assert_eq!(env["SERVER_KEY"], KEY);
}

#[tokio::test]
async fn much_noise_on_standard_error_blocks_nothing() {
    let fake = fake().await;
    assert_eq!(fake.result("noise", no_arguments()).await, "done");
    until("the last line", async || {
        fake.server.stderr_tail().ends_with("the last line\n")
    })
    .await;
    assert!(fake.server.stderr_tail().len() <= 4 << 10);
}

async fn gone(pids: &Value) {
    for pid in ["own", "child"] {
        until("its end", async || !is_running(&pids[pid])).await;
    }
}

fn kill(pid: &Value) {
    let mut kill = std::process::Command::new("kill");
    let status = kill.args(["-9", &pid.to_string()]).status();
    assert!(status.unwrap().success());
}
