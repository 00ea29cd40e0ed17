//! Commands: answered without the model, by whoever may use them.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use zupa_core::{Alias, ChannelId, Deduplicates, Desk, ErrorKind, Number, Result, TenantId};
use zupa_runtime::{Command, CommandContext, CommandReply, CommandRole, Language};
use zupa_testkit::FaultyStore;

use crate::support::{DOOR, Setup, World, check, door, inbound};

#[derive(Debug)]
struct Points(CommandRole);

#[async_trait]
impl Command for Points {
    fn name(&self) -> &str {
        "points"
    }
    fn arguments(&self) -> &str {
        "<count>"
    }
    fn help(&self) -> &str {
        "sets your points"
    }
    fn role(&self) -> CommandRole {
        self.0
    }
    async fn run(&self, arguments: Vec<String>, cx: CommandContext) -> Result<CommandReply> {
        let before = cx.state["points"].as_str().unwrap_or("none").to_owned();
        Ok(CommandReply {
            text: format!("{before} before, {} now", arguments[0]),
            state: Some(json!({ "points": arguments[0] })),
        })
    }
}

fn setup(role: CommandRole) -> Setup {
    let mut setup = Setup::web();
    setup.agent = setup
        .agent
        .command(Arc::new(Points(role)))
        .admin(Alias::parse("boss").unwrap());
    setup
}

#[tokio::test(start_paused = true)]
async fn commands_are_answered_without_the_model_and_keep_state() {
    let world = setup(CommandRole::Person).start().await;
    check(
        &world,
        "
        user: /points 3
        sent: none before, 3 now
        user: /points 4
        sent: 3 before, 4 now
        user: /points
        sent: I do not understand /points . /help lists what I know.
        user: /unknown thing
        saw: u[/points 3] a[none before, 3 now] u[/points 4] a[3 before, 4 now] u[/points] a[I do not understand /points . /help lists what I know.] u[/unknown thing]
        sent: re: /unknown thing
        ",
    )
    .await;
}

#[derive(Debug)]
struct MyHelp;

#[async_trait]
impl Command for MyHelp {
    fn name(&self) -> &str {
        "help"
    }
    fn arguments(&self) -> &str {
        ""
    }
    fn help(&self) -> &str {
        "helps"
    }
    fn role(&self) -> CommandRole {
        CommandRole::Person
    }
    async fn run(&self, _: Vec<String>, _: CommandContext) -> Result<CommandReply> {
        Ok(CommandReply {
            text: "my help".into(),
            state: None,
        })
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_added_under_the_name_of_a_built_in_one_takes_its_place_once_that_is_taken_away() {
    for added_first in [true, false] {
        let mut setup = Setup::web();
        let agent = setup.agent;
        setup.agent = match added_first {
            true => agent.command(Arc::new(MyHelp)).without_command("help"),
            false => agent.without_command("help").command(Arc::new(MyHelp)),
        };
        let world = setup.start().await;
        world.say("ana", "/help").await;
        world.quiet().await;
        assert_eq!(world.replies("ana").await, ["my help"]);
    }
}

#[tokio::test(start_paused = true)]
async fn help_lists_what_one_may_use_in_the_agents_language() {
    let mut setup = setup(CommandRole::Admin);
    setup.agent = setup.agent.speaking(Language::portuguese());
    let world = setup.start().await;
    world.say("ana", "/help").await;
    let of_boss = inbound("boss", "another", "/help");
    world.deliver(of_boss).await.unwrap();
    world.quiet().await;
    let (ana, boss) = (world.replies("ana").await, world.replies("boss").await);
    assert!(ana[0].contains("Você pode dizer") && !ana[0].contains("/points"));
    assert!(
        boss[0].contains("/points <count>: sets your points"),
        "{boss:?}"
    );
    assert_eq!(world.model.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_command_of_administrators_is_not_for_everybody() {
    let world = setup(CommandRole::Admin).start().await;
    world.say("ana", "/points 3").await;
    world.quiet().await;
    world.say("boss", "/points 4").await;
    world.quiet().await;
    assert_eq!(world.replies("ana").await, ["That is not for everybody."]);
    assert_eq!(world.replies("boss").await, ["none before, 4 now"]);
}

/// `/points 4` by boss, at this door of this tenant, and the answer.
async fn answered(world: &World, tenant: &str, channel: &str) -> String {
    let mut asked = inbound("boss", &format!("{tenant} {channel}"), "/points 4");
    asked.address.tenant = TenantId::parse(tenant).unwrap();
    asked.address.channel = ChannelId::parse(channel).unwrap();
    let address = asked.address.clone();
    world.deliver(asked).await.unwrap();
    world.quiet().await;
    let lines = world.memory.lines(&address, Number(0), usize::MAX).await;
    lines.unwrap().pop().unwrap().text
}

const REFUSED: &str = "That is not for everybody.";
const DONE: &str = "none before, 4 now";

#[tokio::test(start_paused = true)]
async fn an_administrator_by_alias_is_one_at_the_only_door_of_its_tenant() {
    let world = setup(CommandRole::Admin).start().await;
    let at_home = TenantId::default_tenant();
    assert_eq!(answered(&world, at_home.as_str(), DOOR).await, DONE);
    assert_eq!(answered(&world, "another", DOOR).await, REFUSED);
}

#[tokio::test(start_paused = true)]
async fn an_administrator_at_one_door_is_nobody_at_another() {
    let mut setup = Setup::web();
    let other = door("other", Deduplicates::ByKey).at_commit();
    setup.doors.push(Arc::new(other));
    let boss = inbound("boss", "any", "any").address;
    let command = Arc::new(Points(CommandRole::Admin));
    setup.agent = setup.agent.command(command).admin_at(boss);
    let world = setup.start().await;
    let at_home = TenantId::default_tenant();
    assert_eq!(answered(&world, at_home.as_str(), DOOR).await, DONE);
    assert_eq!(answered(&world, "another", DOOR).await, REFUSED);
    assert_eq!(answered(&world, at_home.as_str(), "other").await, REFUSED);
}

#[tokio::test(start_paused = true)]
async fn an_administrator_by_alias_is_refused_where_there_are_two_doors() {
    let mut setup = setup(CommandRole::Admin);
    let other = door("other", Deduplicates::ByKey).at_commit();
    setup.doors.push(Arc::new(other));
    let store = FaultyStore::new(Arc::new(setup.memory.clone()));
    let started = setup.try_start(Arc::new(store)).await;
    let error = started
        .err()
        .expect("started with a doubtful administrator");
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("Agent::admin_at"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn reset_begins_a_session_that_knows_nothing_of_the_one_before() {
    let world = setup(CommandRole::Person).start().await;
    check(
        &world,
        "
        user: one
        saw: u[one]
        sent: re: one
        user: /reset
        sent: We start anew.
        user: two
        saw: u[/reset] a[We start anew.] u[two]
        sent: re: two
        ",
    )
    .await;
}
