//! Takeovers from the outside: an operator has a conversation, the agent is silent in
//! it, and what the human has answered is not answered again, whoever has the store.

use serde_json::Value;

use crate::support::eventually;
use crate::support::home::{ECHO, Home, Ran, Rule};
use crate::support::server::Server;

/// How the other end of the conversation is called; no output may hold it.
const PHONE: &str = "+5511987651234";

/// Says something from the phone and waits for what becomes of it.
#[track_caller]
fn say(server: &Server, id: &str, becomes: &str) {
    assert_eq!(
        server.say(PHONE, id, &format!("text of {id}")).taken(),
        "accepted"
    );
    comes_to(server, id, becomes);
}

#[track_caller]
fn comes_to(server: &Server, message: &str, code: &str) {
    eventually(&format!("{message} is {code}"), || {
        let turn = server.operator(&format!("/api/v1/turns/{message}"));
        (turn["why_code"] == code).then_some(())
    });
}

/// The only conversation there is.
#[track_caller]
fn only(home: &Home) -> String {
    let list = home.run(&["conversations", "ls", "--json"]).good().json();
    let all = list["conversations"].as_array().unwrap();
    assert_eq!(all.len(), 1, "{list:#}");
    all[0]["id"].as_str().unwrap().to_owned()
}

fn state(home: &Home, id: &str) -> Value {
    let shown = home.run(&["conversations", "show", id, "--json"]);
    shown.good().json()
}

/// What the agent has said, up to a text.
fn said(server: &Server, until: &str) -> Vec<String> {
    let events = server.feed(PHONE).until_said(until);
    let said = events.iter().filter(|event| event.name == "message");
    said.filter_map(|event| event.data["text"].as_str().map(str::to_owned))
        .collect()
}

/// A running server, and a conversation whose first message is answered.
fn talking() -> (Home, Server, String) {
    let home = Home::scripted(ECHO);
    let server = home.serve().ready();
    say(&server, "m1", "answered");
    let id = only(&home);
    (home, server, id)
}

/// Fails when the number is in anything that was printed or logged.
#[track_caller]
fn hides_the_number(home: &Home, server: &Server, id: &str) {
    let printed = [
        &["conversations", "ls"][..],
        &["conversations", "ls", "--held", "--json"],
        &["conversations", "show", id],
        &["conversations", "show", id, "--json"],
        &["sessions", "show", id],
        &["sessions", "show", id, "--json"],
        &["conversations", "hold", PHONE],
        &["conversations", "show", PHONE],
    ]
    .map(|arguments| home.run(arguments));
    for Ran { stdout, stderr, .. } in &printed {
        assert!(
            !stdout.contains("98765") && !stderr.contains("98765"),
            "{printed:#?}"
        );
    }
    assert!(printed[0].stdout.contains("+55*****1234"), "{printed:#?}");
    assert!(!server.log().contains("98765"), "{}", server.log());
}

#[test]
fn what_comes_while_a_human_has_it_is_answered_after_the_hand_back() {
    let (home, server, id) = talking();
    let held = home
        .run(&["conversations", "hold", &id, "--by", "ana"])
        .good();
    assert_eq!(held.stdout, format!("conversation {id}: taken by ana\n"));
    let again = home
        .run(&["conversations", "hold", &id, "--by", "bea"])
        .good();
    assert_eq!(
        again.stdout,
        format!("conversation {id} was taken by ana before\n")
    );

    say(&server, "m2", "held");
    // Another conversation goes through meanwhile: this one is left out.
    server.say("else", "m3", "hello").taken();
    comes_to(&server, "m3", "answered");
    comes_to(&server, "m2", "held");
    let now = state(&home, &id);
    assert_eq!(
        (&now["state"], &now["pending"]),
        (&"human".into(), &1.into())
    );
    assert_eq!(
        (&now["hold"]["kind"], &now["hold"]["by"]),
        (&"operator".into(), &"ana".into())
    );
    let list = home.run(&["conversations", "ls", "--held"]).good().stdout;
    assert!(
        list.starts_with(&id) && list.contains("human: ana since"),
        "{list}"
    );
    assert_eq!(list.lines().count(), 1, "{list}");
    hides_the_number(&home, &server, &id);

    let released = home.run(&["conversations", "release", &id]).good();
    assert_eq!(released.stdout, format!("conversation {id}: handed back\n"));
    assert_eq!(said(&server, "text of m2").len(), 2);
    comes_to(&server, "m2", "answered");
    let again = home.run(&["conversations", "release", &id]).good();
    assert_eq!(
        again.stdout,
        format!("conversation {id} was with the agent before\n")
    );
    assert_eq!(state(&home, &id)["state"], "bot");
    assert!(
        home.run(&["conversations", "ls", "--held"])
            .good()
            .stdout
            .is_empty()
    );
    server.stop();
}

#[test]
fn what_the_human_has_answered_is_not_answered_again() {
    let (home, server, id) = talking();
    home.run(&["conversations", "hold", &id]).good();
    say(&server, "m2", "held");
    say(&server, "m3", "held");
    let released = home.run(&["conversations", "release", &id, "--answered", "--json"]);
    let released = released.good().json();
    assert_eq!(
        (
            &released["version"],
            &released["changed"],
            &released["answered"]
        ),
        (&1.into(), &true.into(), &2.into())
    );
    comes_to(&server, "m2", "answered_by_human");
    comes_to(&server, "m3", "answered_by_human");
    say(&server, "m4", "answered");
    let heard = said(&server, "text of m4");
    assert_eq!(heard.len(), 2, "{heard:?}");
    let counts = server.accounting();
    assert_eq!(
        (&counts["ended"]["answered_by_human"], &counts["balanced"]),
        (&2.into(), &true.into())
    );
    server.stop();
}

#[test]
fn a_human_may_have_answered_up_to_a_time() {
    let (home, server, id) = talking();
    let accepted = |server: &Server, message: &str| {
        let turn = server.operator(&format!("/api/v1/turns/{message}"));
        let at = turn["inbounds"][0]["accepted_at"].as_i64();
        zupa::core::Timestamp(at.unwrap()).to_string()
    };
    let release = |until: &str| {
        let command = ["conversations", "release", &id, "--answered-until", until];
        let released = home.run(&command).good().stdout;
        let one = format!("conversation {id}: handed back, 1 message answered by you\n");
        assert_eq!(released, one);
    };
    home.run(&["conversations", "hold", &id]).good();
    say(&server, "m2", "held");
    say(&server, "m3", "held");
    release(&accepted(&server, "m2"));
    comes_to(&server, "m3", "answered");
    comes_to(&server, "m2", "answered_by_human");

    home.run(&["conversations", "hold", &id]).good();
    say(&server, "m4", "held");
    say(&server, "m5", "held");
    let until = accepted(&server, "m4");
    server.stop();
    release(&until);
    let server = home.serve().ready();
    comes_to(&server, "m5", "answered");
    comes_to(&server, "m4", "answered_by_human");
    server.stop();
}

#[test]
fn a_store_without_a_server_is_taken_over_and_handed_back_the_same() {
    let (home, server, id) = talking();
    server.stop();
    let held = home.run(&["conversations", "hold", &id]).good();
    assert_eq!(
        held.stdout,
        format!("conversation {id}: taken by operator\n")
    );
    let again = home
        .run(&["conversations", "hold", &id, "--json"])
        .good()
        .json();
    assert_eq!(
        (&again["changed"], &again["state"]),
        (&false.into(), &"human".into())
    );

    let server = home.serve().ready();
    say(&server, "m2", "held");
    hides_the_number(&home, &server, &id);
    server.stop();
    let released = home
        .run(&["conversations", "release", &id, "--answered"])
        .good();
    assert_eq!(
        released.stdout,
        format!("conversation {id}: handed back, 1 message answered by you\n")
    );
    let again = home.run(&["conversations", "release", &id]).good();
    assert_eq!(
        again.stdout,
        format!("conversation {id} was with the agent before\n")
    );
    let server = home.serve().ready();
    say(&server, "m3", "answered");
    assert_eq!(said(&server, "text of m3").len(), 2);
    server.stop();
}

#[test]
fn a_turn_that_runs_when_a_human_comes_says_nothing() {
    let home = Home::scripted(&[
        Rule("m1", "echo of {message}", 4_000),
        Rule("", "echo of {message}", 0),
    ]);
    let server = home.serve().ready();
    server.say(PHONE, "m1", "text of m1").taken();
    comes_to(&server, "m1", "running");
    let id = only(&home);
    home.run(&["conversations", "hold", &id]).good();
    comes_to(&server, "m1", "answered_by_human");
    let turn = server.operator("/api/v1/turns/m1");
    assert_eq!(turn["deliveries"][0]["state"], "cancelled", "{turn:#}");
    assert_eq!(turn["deliveries"][0]["reason"], "held", "{turn:#}");
    home.run(&["conversations", "release", &id]).good();
    say(&server, "m2", "answered");
    assert_eq!(said(&server, "text of m2"), ["echo of text of m2"]);
    server.stop();
}

#[test]
fn who_approves_a_takeover_has_the_conversation() {
    let home = Home::scripted(ECHO);
    let server = home.serve().ready();
    server.say(PHONE, "m1", "/human").taken();
    said(&server, "asked a colleague");
    let id = only(&home);
    eventually("a human is wanted", || {
        (state(&home, &id)["state"] == "waiting").then_some(())
    });
    let reviews = home.run(&["reviews", "ls"]).good().stdout;
    let (review, what) = reviews.split_once("  ").unwrap();
    assert!(what.starts_with("takeover  "), "{reviews}");
    let approved = home.run(&["reviews", "approve", review, "--by", "ana"]);
    assert_eq!(approved.good().stdout, "takeover: approved by ana\n");
    assert_eq!(state(&home, &id)["hold"]["by"], "ana");
    say(&server, "m2", "held");
    server.say("else", "m3", "hello").taken();
    comes_to(&server, "m3", "answered");
    comes_to(&server, "m2", "held");
    home.run(&["conversations", "release", &id]).good();
    assert_eq!(
        said(&server, "text of m2").len(),
        2,
        "the colleague, and m2's answer"
    );
    assert_eq!(state(&home, &id)["state"], "bot");
    server.stop();
}

#[test]
fn a_session_ends_when_an_operator_says_so() {
    let (home, server, id) = talking();
    let shown = home.run(&["sessions", "show", &id, "--json"]).good().json();
    assert_eq!(
        (&shown["session"]["number"], &shown["session"]["over"]),
        (&1.into(), &false.into())
    );
    assert_eq!(
        (&shown["conversation"], &shown["version"]),
        (&id.as_str().into(), &1.into())
    );
    let ended = home.run(&["sessions", "end", &id, "--by", "ana"]).good();
    assert_eq!(
        ended.stdout,
        format!("conversation {id}: its session is to end\n")
    );
    eventually("the session is over", || {
        let shown = home.run(&["sessions", "show", &id, "--json"]).good().json();
        (shown["session"]["over"] == true).then_some(())
    });
    let shown = home.run(&["sessions", "show", &id]).good().stdout;
    assert!(shown.contains("session      1 over"), "{shown}");
    for passage in [
        "Z, agent_completed: idle to awaiting_input\n",
        "Z, timeout: awaiting_input to idle\n",
    ] {
        assert!(shown.contains(passage), "{shown}");
    }
    assert!(
        shown.contains("episode      1, operator: ") && shown.contains("text of m1"),
        "{shown}"
    );
    let list = home.run(&["conversations", "ls", "--json"]).good().stdout;
    assert!(!list.contains("text of m1"), "{list}");
    let again = home.run(&["sessions", "end", &id]).good();
    assert_eq!(
        again.stdout,
        format!("conversation {id}: no session is open\n")
    );
    say(&server, "m2", "answered");
    assert_eq!(
        home.run(&["sessions", "show", &id, "--json"]).good().json()["session"]["number"],
        2
    );
    server.stop();

    // Without a server it is asked, and ends at the next start; a held one later.
    home.run(&["conversations", "hold", &id]).good();
    let asked = home.run(&["sessions", "end", &id]).good();
    assert!(
        asked
            .stderr
            .contains("when the conversation is handed back"),
        "{asked:#?}"
    );
    assert_eq!(state(&home, &id)["session"]["over"], false);
    home.run(&["conversations", "release", &id, "--answered"])
        .good();
    let server = home.serve().ready();
    eventually("the second session is over", || {
        (state(&home, &id)["session"]["over"] == true).then_some(())
    });
    server.stop();
}

#[test]
fn wrong_ids_exit_5_and_wrong_wishes_2() {
    let (home, server, id) = talking();
    let nobody = "00000000-0000-0000-0000-000000000001";
    let ask = || {
        for command in [
            &["conversations", "show"][..],
            &["conversations", "hold"],
            &["conversations", "release"],
            &["sessions", "show"],
            &["sessions", "end"],
        ] {
            let with = |id| [command, &[id]].concat();
            home.run(&with(nobody)).refused(5, &[nobody, "try: "]);
            home.run(&with("m1")).refused(5, &["why: ", "try: "]);
        }
        for act in [
            &["conversations", "hold"][..],
            &["conversations", "release"],
            &["sessions", "end"],
        ] {
            let named = [act, &[id.as_str(), "--by", "agent"]].concat();
            home.run(&named).refused(2, &["--by"]);
        }
        for time in ["yesterday", "2026-01-31", "2999-01-01T00:00:00Z"] {
            home.run(&["conversations", "release", &id, "--answered-until", time])
                .refused(2, &["--answered-until", "why: "]);
        }
        home.run(&["conversations", "ls", "--before", "x"])
            .refused(2, &["--before"]);
        let both = [
            "conversations",
            "release",
            &id,
            "--answered",
            "--answered-until",
            "x",
        ];
        assert_eq!(home.run(&both).code, 2);
        assert_eq!(home.run(&["conversations", "ls", "--limit", "501"]).code, 2);
        let error = home
            .run(&["conversations", "hold", nobody, "--json"])
            .stderr;
        let error: Value = serde_json::from_str(&error).unwrap();
        assert_eq!(error["error"]["code"], 5);
        assert_eq!(state(&home, &id)["state"], "bot");
    };
    ask();
    server.stop();
    ask();
    let help = home.run(&["conversations", "--help"]).good().stdout;
    assert!(
        help.contains("conversations release 01930f5e-… --answered"),
        "{help}"
    );
}

#[test]
fn a_list_has_pages() {
    let home = Home::scripted(ECHO);
    let server = home.serve().ready();
    for name in ["a", "b", "c"] {
        server.say(name, name, "hello").taken();
    }
    server.all_answered(3);
    let first = home.run(&["conversations", "ls", "--limit", "2"]).good();
    let last = first
        .stdout
        .lines()
        .last()
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    assert!(
        first.stderr.contains(&format!("--before {last}")),
        "{first:#?}"
    );
    let rest = home.run(&["conversations", "ls", "--before", last]).good();
    assert_eq!((rest.stdout.lines().count(), rest.stderr.as_str()), (1, ""));
    server.stop();
}
