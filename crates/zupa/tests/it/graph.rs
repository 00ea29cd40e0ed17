//! The agent's graph as it is printed.

use crate::support::home::{Home, ZUPA, ran};

/// Nodes and edges by name, in the order in which they are printed.
const DEFAULT: &str = "\
admit -> session_attach
admit -> (end)
session_attach -> command_gate
session_attach -> summarize
session_attach -> (end)
session_attach ~> hand_back
summarize -> (end)
summarize ~> hand_back
command_gate -> resolve_content
command_gate -> (end)
command_gate ~> hand_back
resolve_content -> recall
recall -> build_prompt
build_prompt -> call_model
call_model -> approve_tools
call_model -> finalize
call_model -> build_prompt
call_model -> (end)
approve_tools -> run_tools
approve_tools ~> approve_tools
run_tools -> recall
hand_back -> (end)
finalize -> persist
finalize -> (end)
finalize ~> hand_back
persist -> (end)
persist ~> hand_back
";

#[test]
fn the_default_agents_graph_is_printed_and_nothing_is_opened() {
    let home = Home::new();
    let drawn = home.run(&["graph"]).good().stdout;
    assert_eq!(edges(&drawn), DEFAULT, "{drawn}");
    assert!(!home.path().join(".zupa").exists());
    // Nothing is made elsewhere either.
    let mut command = home.command(ZUPA);
    let nowhere = home.path().join("nowhere");
    ran(command.arg("graph").env("TMPDIR", nowhere)).good();
    let open = home.run(&[
        "graph",
        "--set",
        "store.url=postgres://nobody@nowhere.invalid/x",
    ]);
    assert!(
        open.code == 0 || open.stderr.contains("without the feature postgres"),
        "{open:#?}"
    );
}

#[test]
fn who_hears_may_fail_to_understand() {
    let home = Home::with("[transcriber]\nprovider = 'openai'\napi_key = 'env:NOBODY_SET_IT'\n");
    let drawn = home.run(&["graph"]).good().stdout;
    assert!(
        edges(&drawn).contains("resolve_content -> (end)"),
        "{drawn}"
    );
}

/// Reads a flowchart back.
fn edges(drawn: &str) -> String {
    let mut lines = drawn.lines();
    assert_eq!(lines.next(), Some("flowchart TD"));
    let (mut names, mut edges) = (Vec::new(), String::new());
    for line in lines.map(str::trim) {
        let named = line
            .split_once("[\"")
            .and_then(|(_, name)| name.strip_suffix("\"]"));
        if let Some(name) = named {
            names.push(name);
            continue;
        }
        let name = |node: &str| match node.strip_prefix('n').and_then(|place| place.parse().ok()) {
            Some::<usize>(place) => names[place],
            None => "(end)",
        };
        let (from, to, arrow) = match line.split_once(" -. waits .-> ") {
            Some((from, to)) => (from, to, "~>"),
            None => {
                let (from, to) = line.split_once(" --> ").unwrap();
                (from, to, "->")
            }
        };
        edges.push_str(&format!("{} {arrow} {}\n", name(from), name(to)));
    }
    edges
}
