//! Approvals from the outside: a call that a human has to approve waits in the
//! store, is shown, is decided once, and its turn goes on, whoever serves it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use zupa::core::{
    Address, Alias, ChannelId, Content, Desk, Effect, Inbound, Store, TenantId, ToolOutput, Wait,
    WaitState,
};
use zupa::runtime::{Agent, NullChannel, Runtime, Script, ScriptedModel, tool};
use zupa::sqlite::{SqliteConfig, SqliteStore};

use crate::support::home::Home;
use crate::support::server::Server;

/// The model asks for a refund, and tells what became of it.
const SCRIPT: &str = r#"
[[rule]]
tool = "refund"
pattern = ''
answer = "Refund: {message}"

[[rule]]
pattern = 'refund'
call = [{ name = "refund", arguments = '{"why": "canary of what was said"}' }]
"#;

/// A home whose store holds a parked turn, and its review's id. The server of that
/// home knows no such tool, so what it would do is seen from the model's answer.
fn parked() -> (Home, String) {
    let home = Home::with("[model]\nprovider = \"scripted\"\nscript = \"script.toml\"\n");
    home.write("script.toml", SCRIPT);
    std::fs::create_dir(home.path().join(".zupa")).unwrap();
    let id = block_on(async {
        let store = SqliteStore::open(SqliteConfig::at(home.store())).await;
        park(Arc::new(store.unwrap())).await
    });
    (home, id)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().unwrap().block_on(future)
}

/// Runs a turn up to its question to operators.
async fn park(store: Arc<impl Store + Desk>) -> String {
    let refund = tool(
        "refund",
        "gives money back",
        Effect::AT_MOST_ONCE.approved(),
        |_: HashMap<String, String>, _| async { Ok(ToolOutput::of("refunded")) },
    );
    let agent = Agent::new("assistant", "").tool(refund.into_tool());
    let address = Address {
        tenant: TenantId::default_tenant(),
        channel: ChannelId::parse("main").unwrap(),
        alias: Alias::parse("c").unwrap(),
    };
    let model = ScriptedModel::new(Script::parse(SCRIPT).unwrap()).unwrap();
    let door = NullChannel::new(address.channel.clone(), address.tenant.clone());
    let runtime = Runtime::builder(store.clone(), Arc::new(model), agent)
        .channel(Arc::new(door))
        .start()
        .await
        .unwrap();
    let asked = Inbound::new(address, Content::text("a refund, please"));
    runtime.intake().deliver(asked.into()).await.unwrap();
    let wait = loop {
        match store.waits(Some(WaitState::Open), 10).await.unwrap().pop() {
            Some(wait) => break wait,
            None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    runtime.shutdown(Duration::from_secs(5)).await.unwrap();
    let Wait { opened, .. } = wait;
    opened.id.to_string()
}

/// What the agent has said in the conversation, once its turn has gone on.
fn said(server: &Server) -> Vec<String> {
    let events = server.feed("c").until_said("Refund: ");
    let said = events.iter().filter(|event| event.name == "message");
    said.filter_map(|event| event.data["text"].as_str().map(str::to_owned))
        .collect()
}

#[test]
fn a_call_is_approved_without_a_server_and_made_once_there_is_one() {
    let (home, id) = parked();
    let list = home.run(&["reviews", "ls"]).good();
    assert!(
        list.stdout.starts_with(&format!("{id}  call of refund")),
        "{list:#?}"
    );
    let list = home.run(&["reviews", "ls", "--json"]).good().json();
    assert_eq!(
        (&list["version"], &list["more"]),
        (&1.into(), &false.into())
    );
    assert_eq!(list["reviews"][0]["what"], "refund");
    assert!(!list.to_string().contains("canary"), "{list:#}");
    let shown = home.run(&["reviews", "show", &id, "--json"]).good().json();
    assert_eq!(
        shown["subject"]["arguments"]["why"],
        "canary of what was said"
    );
    let shown = home.run(&["reviews", "show", &id]).good().stdout;
    assert!(
        shown.contains("canary") && shown.contains("at_most_once"),
        "{shown}"
    );
    let turn = shown.lines().find_map(|line| line.strip_prefix("turn "));
    let why = home
        .run(&["turn", "why", turn.unwrap().trim()])
        .good()
        .stdout;
    assert!(why.starts_with("parked: ") && why.contains(&id), "{why}");

    let approved = home.run(&["reviews", "approve", &id, "--by", "ana", "--note", "fine"]);
    assert_eq!(approved.good().stdout, "call of refund: approved by ana\n");
    let again = home.run(&["reviews", "approve", &id]).good();
    assert_eq!(again.stdout, "call of refund was approved by ana before\n");
    for late in [
        &["reviews", "reject", &id][..],
        &["reviews", "approve", &id, "--note", "no"],
    ] {
        home.run(late)
            .refused(3, &["approved by ana already", "why: ", "try: "]);
    }
    assert!(home.run(&["reviews", "ls"]).good().stdout.is_empty());
    let all = home.run(&["reviews", "ls", "--all"]).good().stdout;
    assert!(all.contains("approved by ana"), "{all}");
    let resumed = home
        .run(&["turn", "why", turn.unwrap().trim()])
        .good()
        .stdout;
    assert!(
        resumed.starts_with("resumed: ") && resumed.contains("by ana"),
        "{resumed}"
    );

    let server = home.serve().ready();
    assert!(said(&server).iter().any(|text| text.contains("refund")));
}

#[test]
fn a_call_is_rejected_through_the_server_that_holds_the_store() {
    let (home, id) = parked();
    let server = home.serve().ready();
    let list = home.run(&["reviews", "ls", "--json"]).good().json();
    assert_eq!(list["reviews"][0]["id"], id);
    let shown = home.run(&["reviews", "show", &id, "--json"]).good().json();
    assert_eq!(shown["subject"]["approve"], "refund");
    let rejected = home
        .run(&["reviews", "reject", &id, "--note", "too late"])
        .good();
    assert_eq!(rejected.stdout, "call of refund: rejected by operator\n");
    let again = home.run(&["reviews", "reject", &id]).good();
    assert_eq!(
        again.stdout,
        "call of refund was rejected by operator before\n"
    );
    home.run(&["reviews", "approve", &id])
        .refused(3, &["rejected by operator already"]);
    assert_eq!(
        said(&server).len(),
        2,
        "the question to a colleague, and the end of it"
    );
    server.stop();

    let audit = home.run(&["reviews", "show", &id, "--json"]).good().json();
    assert_eq!(audit["decision"]["note"], "too late");
}

#[test]
fn a_list_is_cut_by_kind_state_and_place_and_shows_how_long_it_takes() {
    let (home, id) = parked();
    let ask = || {
        let none = |arguments: &[&str]| {
            let ran = home.run(&[&["reviews", "ls"], arguments].concat()).good();
            assert!(ran.stdout.is_empty(), "{ran:#?}");
        };
        let list = home.run(&["reviews", "ls", "--kind", "approval"]).good();
        assert!(list.stdout.starts_with(&id), "{list:#?}");
        for words in ["(for ", "  until ", "(in 1 d 23 h)"] {
            assert!(list.stdout.contains(words), "{words} in {list:#?}");
        }
        assert!(!list.stdout.contains("overdue"), "{list:#?}");
        none(&["--kind", "unknown_effect"]);
        none(&["--state", "decided"]);
        none(&["--after", &id]);
        home.run(&[
            "reviews",
            "ls",
            "--after",
            &id.replace(&id[..8], "00000000"),
        ])
        .refused(5, &["00000000"]);
        for wrong in [
            &["--kind", "timer"][..],
            &["--state", "closed"],
            &["--all", "--state", "open"],
        ] {
            let ran = home.run(&[&["reviews", "ls"], wrong].concat());
            assert_eq!(ran.code, 2, "{ran:#?}");
        }
    };
    ask();
    let server = home.serve().ready();
    ask();
    server.stop();
}

#[test]
fn a_review_that_somebody_has_claimed_is_theirs_until_they_give_it_back() {
    let (home, id) = parked();
    let run = |word: &str, by: &str| home.run(&["reviews", word, &id, "--by", by]);
    let ask = || {
        let claimed = run("claim", "ana").good().stdout;
        assert!(
            claimed.starts_with("call of refund: claimed by ana until "),
            "{claimed}"
        );
        let again = run("claim", "ana").good().stdout;
        assert!(again.ends_with(" before\n"), "{again}");
        for command in [&["reviews", "ls"][..], &["reviews", "show", &id]] {
            let shown = home.run(command).good().stdout;
            assert!(shown.contains("claimed by ana until "), "{shown}");
        }
        for word in ["claim", "release", "approve", "reject"] {
            run(word, "bea").refused(3, &["ana has claimed it at ", "try: "]);
        }
        let back = run("release", "ana").good().stdout;
        assert_eq!(back, "call of refund: given back\n");
        let done = home
            .run(&["reviews", "release", &id, "--json"])
            .good()
            .json();
        assert_eq!(
            (&done["version"], &done["changed"]),
            (&1.into(), &false.into())
        );
    };
    ask();
    let server = home.serve().ready();
    ask();
    server.stop();
    run("claim", "bea").good();
    run("reject", "bea").good();
    run("claim", "bea").refused(3, &["rejected by bea already"]);
}

#[test]
fn an_operator_whom_the_configuration_binds_decides_by_chat() {
    let (home, id) = parked();
    home.write(
        "zupa.toml",
        "[model]\nprovider = \"scripted\"\nscript = \"script.toml\"\n\
         [[agent.operator]]\nname = \"bea\"\nat = [\"main/phone-of-bea\"]\n\
         [agent.commands]\ndisabled = [\"reject\"]\nadmin_only = [\"reset\"]\n",
    );
    let server = home.serve().ready();
    let approve = format!("/approve {id} only this once");
    for (who, text, told) in [
        ("eve", approve.as_str(), "That is not for everybody."),
        ("eve", "/reset", "That is not for everybody."),
        (
            "phone-of-bea",
            "/help",
            "/approve <id> [note…]: approves a review",
        ),
        ("phone-of-bea", approve.as_str(), "Approved: review "),
    ] {
        server.say(who, text, text);
        server.feed(who).until_said(told);
    }
    assert_eq!(said(&server).len(), 2);
    server.stop();
    let shown = home.run(&["reviews", "show", &id, "--json"]).good().json();
    assert_eq!(shown["decision"]["by"], "bea");
    let shown = home
        .run(&["turn", "show", shown["turn"].as_str().unwrap()])
        .good()
        .stdout;
    assert!(
        shown.contains(", by bea") && !shown.contains("phone-of-bea"),
        "{shown}"
    );
}

#[test]
fn an_unknown_review_exits_5_and_a_wrong_wish_2() {
    let (home, _) = parked();
    let nobody = "00000000-0000-0000-0000-000000000001";
    let ask = || {
        for id in [nobody, "x"] {
            for command in ["show", "claim", "release", "approve", "reject"] {
                home.run(&["reviews", command, id])
                    .refused(5, &[id, "try: "]);
            }
        }
        home.run(&["reviews", "approve", nobody, "--by", "person"])
            .refused(2, &["--by"]);
        let long = "x".repeat(2_001);
        home.run(&["reviews", "approve", nobody, "--note", &long])
            .refused(2, &["--note"]);
        assert_eq!(home.run(&["reviews", "ls", "--limit", "501"]).code, 2);
        let error = home.run(&["reviews", "show", nobody, "--json"]).stderr;
        let error: Value = serde_json::from_str(&error).unwrap();
        assert_eq!(error["error"]["code"], 5);
    };
    ask();
    let server = home.serve().ready();
    ask();
    server.stop();
}

#[cfg(feature = "postgres")]
#[test]
fn a_review_in_postgres_is_decided_beside_the_server() {
    use zupa::postgres::{PostgresConfig, PostgresStore};

    use crate::support::postgres::Database;

    let test = "a_review_in_postgres_is_decided_beside_the_server";
    let Some(database) = Database::make(test) else {
        return;
    };
    let url = database.url();
    let home = Home::with(&format!(
        "[model]\nprovider = \"scripted\"\nscript = \"script.toml\"\n[store]\nurl = \"{url}\"\n"
    ));
    home.write("script.toml", SCRIPT);
    let id = block_on(async {
        let store = PostgresStore::open(PostgresConfig::at(&url).unwrap()).await;
        park(Arc::new(store.unwrap())).await
    });
    let server = home.serve().elsewhere(&url, "postgres").ready();
    let list = home.run(&["reviews", "ls"]).good().stdout;
    assert!(list.starts_with(&id), "{list}");
    home.run(&["reviews", "approve", &id, "--by", "ana"]).good();
    home.run(&["reviews", "reject", &id])
        .refused(3, &["approved by ana already"]);
    assert_eq!(said(&server).len(), 2);
    let path = format!("/api/v1/reviews/{id}");
    assert_eq!(server.operator(&path)["decision"]["by"], "ana");
    server.stop();
}
