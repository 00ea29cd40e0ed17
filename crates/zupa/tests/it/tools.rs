//! Agents without code: tools that are only configured, called by a model that
//! follows a script, with a human in between where the configuration says so.

use crate::support::home::Home;

const MODEL: &str = "[model]\nprovider = \"scripted\"\nscript = \"script.toml\"\n";

#[cfg(not(feature = "mcp"))]
#[test]
fn tools_that_are_not_compiled_in_are_refused_by_the_name_of_their_feature() {
    for tool in [
        "[[http_tool]]\nname = 'a'\ndescription = 'b'\nmethod = 'GET'\nurl = 'http://h/'\neffect = 'pure'\n",
        "[[mcp]]\nname = 'a'\ncommand = ['b']\n",
    ] {
        let home = Home::with(&format!("{MODEL}{tool}"));
        home.write("script.toml", "");
        home.run(&["serve", "--listen", "127.0.0.1:0"])
            .refused(78, &["without the feature mcp", "why: ", "--features mcp"]);
    }
}

#[cfg(feature = "mcp")]
mod compiled_in {
    use serde_json::json;

    use super::*;
    use crate::support::eventually;
    use crate::support::model::{FakeModel, Mood};
    use crate::support::tools;

    /// Asks for an order, and tells what became of it.
    const ORDERS: &str = r#"
[[rule]]
tool = "order"
pattern = ''
answer = "Shop says: {message}"

[[rule]]
pattern = 'order (\w+)'
call = [{ name = "order", arguments = '{"item": "{1}", "count": 2}' }]
"#;

    /// A home with the tool `order`, of a shop that answers well.
    fn shop(more: &str) -> (Home, FakeModel) {
        let shop = FakeModel::start(Mood::Refuses(200, "", r#"{"number":7}"#));
        let url = shop.url();
        let home = Home::with(&format!(
            "{MODEL}[[http_tool]]\nname = \"order\"\ndescription = \"orders things\"\n\
             method = \"POST\"\nurl = \"{url}/{{item}}\"\neffect = \"at_most_once\"\n\
             headers = {{ Authorization = \"Bearer env:SHOP_TOKEN\" }}\n{more}\n\
             [http_tool.parameters]\ntype = \"object\"\nrequired = [\"item\"]\n\
             [http_tool.parameters.properties]\nitem = {{ type = \"string\" }}\n\
             count = {{ type = \"integer\" }}\n"
        ));
        home.write("script.toml", ORDERS);
        (home, shop)
    }

    #[test]
    fn a_person_confirms_and_the_request_is_made_once() {
        let (home, shop) = shop("confirm = \"Order {count} {item}?\"");
        let server = home.serve().variable("SHOP_TOKEN", "canary").ready();
        assert_eq!(server.say("c", "1", "order tea").taken(), "accepted");
        server.feed("c").until_said("Order 2 tea?");
        assert!(shop.asked().is_empty());
        assert!(
            home.run(&["reviews", "ls"]).good().stdout.is_empty(),
            "not for operators"
        );
        assert_eq!(server.say("c", "2", "yes, please").taken(), "accepted");
        server.feed("c").until_said(r#"Shop says: {"number":7}"#);
        let asked = shop.asked();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].body, json!({ "count": 2 }));
        assert_eq!(asked[0].authorization.as_deref(), Some("Bearer canary"));

        assert_eq!(server.say("c", "3", "order milk").taken(), "accepted");
        server.feed("c").until_said("Order 2 milk?");
        assert_eq!(server.say("c", "4", "no").taken(), "accepted");
        server.feed("c").until_said("the person said no");
        assert_eq!(shop.asked().len(), 1);
        assert!(!server.log().contains("canary"));
    }

    #[test]
    fn an_operator_approves_and_the_request_is_made_once() {
        let (home, shop) = shop("approve = true");
        let server = home.serve().variable("SHOP_TOKEN", "canary").ready();
        assert_eq!(server.say("c", "1", "order tea").taken(), "accepted");
        server.feed("c").until_said("I have asked a colleague");
        let why = home.run(&["turn", "why", "1"]).good().stdout;
        assert!(why.starts_with("parked: "), "{why}");
        let list = home.run(&["reviews", "ls", "--json"]).good().json();
        let id = list["reviews"][0]["id"].as_str().unwrap();
        let shown = home.run(&["reviews", "show", id]).good().stdout;
        assert!(
            shown.contains(r#""item":"tea""#) && !shown.contains("canary"),
            "{shown}"
        );
        assert!(shop.asked().is_empty());
        home.run(&["reviews", "approve", id]).good();
        home.run(&["reviews", "approve", id]).good();
        server.feed("c").until_said(r#"Shop says: {"number":7}"#);
        assert_eq!(shop.asked().len(), 1);
    }

    #[test]
    fn a_tool_has_a_policy_of_its_own_and_a_misspelt_one_stops_the_start() {
        let (home, shop) = shop("");
        shop.mood(Mood::Silent);
        let serve = || home.serve().variable("SHOP_TOKEN", "canary");
        let server = serve().set("policy.tools.order.timeout_ms", 50).ready();
        assert_eq!(server.say("c", "1", "order tea").taken(), "accepted");
        // Nobody knows whether the shop has heard: an operator is asked, at once.
        eventually("a review", || {
            let list = home.run(&["reviews", "ls", "--json"]).good().json();
            (list["reviews"].as_array().unwrap().len() == 1).then_some(())
        });
        server.stop();
        let misspelt = ["--set", "policy.tools.oder.timeout_ms=50"];
        let check = home.run(&[&["config", "check"], &misspelt[..]].concat());
        check.refused(
            78,
            &[
                "flag policy.tools.oder.timeout_ms: policy.tools.oder: there is no tool",
                "did you mean `order`?",
            ],
        );
    }

    #[test]
    fn a_secret_of_a_tool_that_is_not_in_its_place_stops_the_start() {
        let (home, _shop) = shop("");
        home.run(&["serve", "--listen", "127.0.0.1:0"]).refused(
            78,
            &[
                "http_tool[0].headers.Authorization",
                "env:SHOP_TOKEN",
                "try: ",
            ],
        );
    }

    /// Speaks just enough of the protocol.
    const SERVER: &str = r#"
import json, os, sys
for line in sys.stdin:
    asked = json.loads(line)
    method, answer = asked.get("method"), None
    if method == "initialize":
        answer = {"protocolVersion": asked["params"]["protocolVersion"],
                  "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}}
    elif method == "tools/list":
        answer = {"tools": [{"name": "greet", "description": "greets", "inputSchema":
                  {"type": "object", "properties": {"whom": {"type": "string"}}}}]}
    elif method == "tools/call":
        text = os.environ["WORD"] + " " + asked["params"]["arguments"]["whom"]
        answer = {"content": [{"type": "text", "text": text}]}
    if answer is not None:
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": answer}), flush=True)
"#;

    #[test]
    fn a_tool_of_an_mcp_server_answers() {
        let test = "a_tool_of_an_mcp_server_answers";
        if !tools::has("python3", test) {
            return;
        }
        let home = Home::with(&format!(
            "{MODEL}[[mcp]]\nname = \"party\"\ncommand = [\"python3\", \"server.py\"]\n\
             env = {{ PATH = \"env:PATH\", WORD = \"welcome\" }}\neffects = {{ greet = \"pure\" }}\n"
        ));
        home.write("server.py", SERVER);
        home.write(
            "script.toml",
            "[[rule]]\ntool = 'party_greet'\npattern = ''\nanswer = 'It says: {message}'\n\
             [[rule]]\npattern = 'greet (\\w+)'\n\
             call = [{ name = 'party_greet', arguments = '{\"whom\": \"{1}\"}' }]\n",
        );
        let server = home.serve().ready();
        assert!(server.log().contains("offers a tool"), "{}", server.log());
        assert_eq!(server.say("c", "1", "greet ana").taken(), "accepted");
        server.feed("c").until_said("It says: welcome ana");
        server.stop();
    }

    /// The example that people are pointed to, with its shop at another port.
    #[test]
    fn the_example_without_code_answers_asks_and_waits() {
        let test = "the_example_without_code_answers_asks_and_waits";
        if !tools::has("python3", test) {
            return;
        }
        let shop = FakeModel::start(Mood::Refuses(200, "", r#"{"count": 12}"#));
        let config = include_str!("../../examples/no-code/zupa.toml");
        let home = Home::with(&config.replace("http://127.0.0.1:8700", shop.url()));
        for (name, text) in [
            (
                "prompt.md",
                include_str!("../../examples/no-code/prompt.md"),
            ),
            (
                "script.toml",
                include_str!("../../examples/no-code/script.toml"),
            ),
            (
                "calendar_server.py",
                include_str!("../../examples/no-code/calendar_server.py"),
            ),
        ] {
            home.write(name, text);
        }
        let server = home.serve().ready();
        let feed = |id: &str, text: &str, said: &str| {
            assert_eq!(server.say("c", id, text).taken(), "accepted");
            server.feed("c").until_said(said);
        };
        feed("1", "how many roses do you have?", "We have 12 of them.");
        feed(
            "2",
            "when are you open?",
            "We are open from 8 to 18, not on Sundays.",
        );
        feed("3", "order 3 roses", "Shall I order 3 roses?");
        feed("4", "yes please", "I have asked a colleague");
        let list = home.run(&["reviews", "ls", "--json"]).good().json();
        let id = list["reviews"][0]["id"].as_str().unwrap();
        home.run(&["reviews", "approve", id]).good();
        server.feed("c").until_said("They are ordered.");
        assert_eq!(shop.asked().len(), 2, "the stock, and one order");
        server.stop();

        // Which tools the server has is known only now.
        let named = |tool: &str| format!("policy.tools.{tool}.retries=1");
        let serve = |tool: &str| {
            let set = named(tool);
            home.run(&["serve", "-q", "--listen", "127.0.0.1:0", "--set", &set])
        };
        let misspelt = named("calendar_opening_hour");
        home.run(&["config", "check", "--set", &misspelt]).good();
        serve("calendar_opening_hour").refused(
            78,
            &[
                "policy.tools.calendar_opening_hour: there is no tool",
                "did you mean `calendar_opening_hours`?",
            ],
        );
    }

    #[test]
    fn an_mcp_server_that_does_not_start_exits_6_and_says_how_to_find_it() {
        let home = Home::with(&format!(
            "{MODEL}[[mcp]]\nname = \"x\"\ncommand = [\"nowhere-to-be\"]\n"
        ));
        home.write("script.toml", "");
        home.run(&["serve", "--listen", "127.0.0.1:0"])
            .refused(6, &["MCP server x", "try: ", "env:PATH"]);
    }
}
