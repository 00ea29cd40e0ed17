//! Tools that are not what they were.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use zupa_core::{Effect, Error, ErrorKind, Outcome};
use zupa_mcp::{Annotations, McpConfig, McpServer};

use crate::support::*;

/// Pins for all tools, as a CLI would print them.
async fn pins() -> BTreeMap<String, String> {
    let listed = fake().await.server.listed();
    let pin = |tool: &zupa_mcp::ListedTool| (tool.tool.clone(), tool.digest.to_hex());
    listed.iter().map(pin).collect()
}

async fn pinned() -> Fake {
    let pins = pins().await;
    fake_with(|config| McpConfig { pins, ..config }).await
}

#[track_caller]
fn assert_changed(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert_eq!(error.outcome(), Outcome::NotApplied);
    assert!(error.to_string().contains("tool: moody"), "{error}");
}

#[tokio::test]
async fn pinned_tools_are_offered_while_they_are_the_same() {
    let fake = pinned().await;
    assert!(fake.server.listed().iter().all(|tool| tool.pinned));
    assert_eq!(fake.result("moody", no_arguments()).await, "done");
}

#[tokio::test]
async fn a_pin_that_does_not_match_at_start_keeps_the_tool_out() {
    let mut pins = pins().await;
    pins.insert("moody".into(), "0".repeat(64));
    let fake = fake_with(|config| McpConfig { pins, ..config }).await;
    assert!(fake.server.listed().iter().all(|tool| tool.tool != "moody"));
    let refused = fake.server.refused();
    assert_changed(
        refused
            .iter()
            .find(|error| error.kind() == ErrorKind::Conflict)
            .unwrap(),
    );
}

#[tokio::test]
async fn a_description_that_changes_with_a_restart_ends_a_pinned_tool() {
    let fake = pinned().await;
    let moody = fake.tool("moody");
    fake.call("die", no_arguments()).await.unwrap_err();
    until("the next life", async || {
        fake.call("lives", no_arguments()).await.is_ok()
    })
    .await;
    assert!(fake.server.listed().iter().all(|tool| tool.tool != "moody"));
    assert_changed(
        &moody
            .call(no_arguments(), context(PATIENCE))
            .await
            .unwrap_err(),
    );
    // The others are what they were.
    assert_eq!(fake.result("echo", json!({ "text": "a" })).await, "a");
}

#[tokio::test]
async fn trusted_annotations_that_change_between_two_starts_end_a_pinned_tool() {
    for (annotations, offered) in [(Annotations::Trusted, false), (Annotations::Ignored, true)] {
        let folder = tempfile::tempdir().unwrap();
        let plain = McpConfig {
            annotations,
            ..config(&folder.path().join("memory"))
        };
        let first = McpServer::start(plain.clone()).await.unwrap();
        let sly = first.listed().into_iter().find(|tool| tool.tool == "sly");
        let sly = sly.unwrap();
        assert_eq!(sly.effect, Effect::AT_MOST_ONCE.approved());
        first.stop().await;

        let pins = BTreeMap::from([("sly".to_owned(), sly.digest.to_hex())]);
        let again = McpConfig { pins, ..plain };
        let second = McpServer::start(again.clone()).await.unwrap();
        let listed = second.listed().into_iter().find(|tool| tool.tool == "sly");
        assert_eq!(listed.as_ref().is_some(), offered, "{listed:?}");
        if offered {
            assert_eq!(listed.unwrap().effect, Effect::AT_MOST_ONCE.approved());
            continue;
        }
        let refused = second.refused().into_iter();
        let refused = refused.filter(|error| error.kind() == ErrorKind::Conflict);
        let refused: Vec<_> = refused.map(|error| error.to_string()).collect();
        assert_eq!(refused.len(), 1, "{refused:?}");
        // An operator who looks at it and puts the new digest in has it again.
        let (_, digest) = refused[0].split_once("digest: ").unwrap();
        let pins = BTreeMap::from([("sly".to_owned(), digest[..64].to_owned())]);
        let third = McpServer::start(McpConfig { pins, ..again }).await.unwrap();
        let sly = third.listed().into_iter().find(|tool| tool.tool == "sly");
        let sly = sly.unwrap();
        assert!(sly.pinned);
        assert_eq!(sly.effect, Effect::PURE);
    }
}

#[tokio::test]
async fn an_announced_change_is_read_at_the_next_call() {
    let fake = pinned().await;
    let moody = fake.tool("moody");
    assert_eq!(fake.result("swing", no_arguments()).await, "done");
    assert_changed(
        &moody
            .call(no_arguments(), context(PATIENCE))
            .await
            .unwrap_err(),
    );
}

#[tokio::test]
async fn a_refresh_reads_the_list_at_once() {
    let fake = fake().await;
    let before = fake.tool("moody");
    fake.result("swing", no_arguments()).await;
    fake.server.refresh().await.unwrap();
    assert_eq!(before.spec().description, "is calm in life 1");
    assert_eq!(fake.tool("moody").spec().description, "is wild in life 1");
    // Nobody has pinned it, so the older handle goes on.
    let called = before.call(no_arguments(), context(PATIENCE)).await;
    assert_eq!(called.unwrap().result, "done");
}

#[tokio::test]
async fn only_allowed_tools_are_offered() {
    let fake = fake_with(|config| McpConfig {
        allow: Some(BTreeSet::from(["echo".into(), "gone".into()])),
        effects: effects([("echo", Effect::PURE)]),
        ..config
    })
    .await;
    let names: Vec<_> = fake
        .server
        .listed()
        .into_iter()
        .map(|tool| tool.tool)
        .collect();
    assert_eq!(names, ["echo"]);
    let refused = fake.server.refused();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].kind(), ErrorKind::NotFound);
    assert!(refused[0].to_string().contains("tool: gone"));
}

#[tokio::test]
async fn while_a_changed_list_is_wrong_nothing_is_called() {
    let fake = fake().await;
    fake.result("tangle", no_arguments()).await;
    for _ in 0..2 {
        let error = fake.call("echo", no_arguments()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error:?}");
        assert_eq!(error.outcome(), Outcome::NotApplied);
        assert!(error.to_string().contains("fake_e_cho"), "{error}");
    }
}
