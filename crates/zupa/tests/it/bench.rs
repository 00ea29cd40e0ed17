//! `zupa bench` as it is asked for events.

use serde_json::Value;

use crate::support::home::Home;

/// An open loop, which measures no log beside.
const BRIEFLY: [&str; 5] = ["bench", "--rate", "100", "--seconds", "0.3"];

#[test]
fn events_are_emitted_beside_the_turns_and_counted() {
    let home = Home::new();
    let busy = [&BRIEFLY[..], &["--events", "5000"]].concat();
    let told = home.run(&[&busy[..], &["--json"]].concat()).good().json();
    assert_eq!(told["events_per_second"], 5_000);
    let count = |name: &str| told["events"][name].as_u64().unwrap();
    assert!(count("emitted") > 0, "{told:#}");
    assert_eq!(count("emitted"), count("delivered") + count("dropped"));
    // The floor has no bus.
    assert_eq!(told["floor"]["events"], Value::Null);
    let table = home.run(&busy).good().stdout;
    for row in ["events emitted", "events delivered", "events dropped"] {
        assert!(table.contains(row), "{table}");
    }
}

#[test]
fn nobody_emits_unless_it_is_asked_for() {
    let home = Home::new();
    let told = home
        .run(&[&BRIEFLY[..], &["--json"]].concat())
        .good()
        .json();
    assert_eq!(told["events_per_second"], 0);
    assert_eq!(told["events"], Value::Null);
    let table = home.run(&BRIEFLY).good().stdout;
    assert!(!table.contains("events"), "{table}");
}

#[test]
fn more_events_than_any_machine_emits_are_refused() {
    let ran = Home::new().run(&["bench", "--events", "50000000"]);
    ran.refused(2, &["--events", "10000000"]);
}

/// What would be taken for measured and was not.
#[test]
fn a_configuration_is_refused_as_none_is_read() {
    let home = Home::new();
    for flags in [["--set", "limits.turns=1"], ["--config", "zupa.toml"]] {
        let ran = home.run(&[&["bench"][..], &flags].concat());
        ran.refused(2, &["no configuration", flags[0], "try: "]);
    }
}
