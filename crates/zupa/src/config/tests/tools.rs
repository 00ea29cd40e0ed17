//! Tools without code: what is read, what is refused, and what is not shown.

use super::super::*;
use super::{file, lines, load, pairs};

const TOOL: &str = "[[http_tool]]\nname = 'order'\ndescription = 'places an order'\nmethod = 'POST'\n\
                    url = 'https://shop.example/orders'\neffect = 'idempotent'\n";
const FILES: &str = "[[mcp]]\nname = 'files'\ncommand = ['mcp-files', '/srv']\n";

/// Each problem but the one of a feature that is not compiled in.
fn problems(text: &str) -> Vec<String> {
    let lines = match file(text) {
        Ok(_) => Vec::new(),
        Err(problems) => lines(&problems),
    };
    let is_feature = |line: &String| line.contains("without the feature mcp");
    lines.into_iter().filter(|line| !is_feature(line)).collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(problems(text), expected, "for the file:\n{text}");
}

#[cfg(not(feature = "mcp"))]
#[test]
fn tools_that_are_not_compiled_in_are_refused_by_the_name_of_their_feature() {
    for (text, key) in [(TOOL, "http_tool"), (FILES, "mcp")] {
        let refused = lines(&file(text).unwrap_err());
        assert_eq!(
            refused,
            [format!(
                "zupa.toml:1:1: {key}: this zupa was built without the feature mcp | it knows no tools that are configured | build it with the feature, as in `cargo install zupa --features mcp`, or leave `[[{key}]]` out"
            )]
        );
    }
}

#[cfg(feature = "mcp")]
#[test]
fn tools_are_read_and_their_secrets_are_not_shown() {
    let text = format!(
        "{TOOL}approve = true\nconfirm = 'Order {{item}}?'\n\
         parameters = {{ type = 'object', properties = {{ item = {{ type = 'string', maxLength = 0x10 }} }} }}\n\
         [http_tool.headers]\nAuthorization = 'Bearer env:SHOP'\nX-Api-Key = 'canary'\nAccept = 'application/json'\n\
         {FILES}env = {{ TOKEN = 'file:/run/token', LANG = 'C' }}\nallow = ['read']\n\
         effects = {{ read = 'pure', write = 'at_most_once' }}\napprove = ['write']\n\
         pins = {{ read = '{pin}' }}\n",
        pin = "0f".repeat(32),
    );
    let config = file(&text).unwrap();
    let tool = &config.http_tools[0];
    assert_eq!(tool.parameters["properties"]["item"]["maxLength"], 16);
    assert_eq!(tool.headers["Authorization"].prefix, "Bearer ");
    assert_eq!(config.mcp[0].effects["read"], ToolEffect::Pure);
    let listed: Vec<_> = config.secrets().into_iter().map(|(path, _)| path).collect();
    assert_eq!(
        listed,
        [
            "http_tool[0].headers.Authorization",
            "http_tool[0].headers.X-Api-Key",
            "mcp[0].env.TOKEN"
        ]
    );
    let shown = config.show();
    assert_eq!(
        shown["values"]["http_tool[0].headers"]["value"],
        serde_json::json!({ "Authorization": "Bearer env:SHOP", "X-Api-Key": "***", "Accept": "***" })
    );
    assert!(!format!("{config:?}{shown}").contains("canary"));
    let warnings = lines(&config.warnings());
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("http_tool[0].headers.X-Api-Key: a literal secret"));
}

#[test]
fn a_schema_may_be_json_in_a_text() {
    let with = |parameters: &str| problems(&format!("{TOOL}parameters = {parameters}"));
    assert!(with(r#"'{ "type": "object" }'"#).is_empty());
    let refused = |parameters: &str, why: &str| {
        let problems = with(parameters);
        assert!(
            problems.len() == 1 && problems[0].contains(why),
            "{problems:?}"
        );
    };
    refused("'{'", "the text is not JSON | EOF");
    refused("'[]'", "not the schema of an object");
    refused("{ type = 'string' }", "not the schema of an object");
    refused(
        "{ type = 'object', default = 1979-05-27 }",
        "a value that JSON does not have",
    );
    refused("3", "expected a table or a text, found the number 3");
}

#[test]
fn wrong_tools_are_named_with_their_key() {
    let known = "for example `https://api.example.com/v1`";
    check(
        &TOOL.replace("'idempotent'", "'reconcile'"),
        &[
            "zupa.toml:6:10: http_tool[0].effect: \"reconcile\" is not possible here | it needs code that asks the other side what became of a call | `idempotent` if the other side knows repeated calls, else `at_most_once`",
        ],
    );
    check(
        &TOOL.replace(
            "/orders'",
            "/orders/{id}?n={n}'\nparameters = { type = 'object', properties = { n = {} }, required = ['n'] }",
        ),
        &[
            "zupa.toml:5:7: http_tool[0].url: {id} is no argument of the tool | what stands in braces is replaced by an argument of the call | describe id in `parameters.properties`",
        ],
    );
    check(
        &TOOL.replace(
            "/orders'",
            "/{n}'\nparameters = { type = 'object', properties = { n = {} } }",
        ),
        &[
            "zupa.toml:5:7: http_tool[0].url: {n} is not required by `parameters` | a URL without it leads nowhere | `required = [\"n\"]`",
        ],
    );
    check(
        &TOOL.replace("shop.example", "{host}"),
        &[&format!(
            "zupa.toml:5:7: http_tool[0].url: an argument in the host | a model would choose which server is asked | {known}"
        )],
    );
    check(
        &TOOL.replace("shop.example", "u:canary@shop.example"),
        &[&format!(
            "zupa.toml:5:7: http_tool[0].url: a user or password in the URL | URLs are shown; secrets go by reference | {known}"
        )],
    );
    check(
        &format!("{TOOL}headers = {{ A = 'evn:X', B = 3 }}"),
        &[
            "zupa.toml:7:17: http_tool[0].headers.A: the text before the colon is not `env`, `file` or `exec` | it looks like a reference, and a reference is never used as the secret itself | use `env:NAME`, `file:PATH` or `exec:COMMAND`",
            "zupa.toml:7:30: http_tool[0].headers.B: expected a text, found a number | headers by name: a secret by reference, also behind a word as in `Bearer env:NAME`, or a literal | for example `{ AUTHORIZATION = \"Bearer env:NAME\" }`",
        ],
    );
    check(
        &format!("{TOOL}{TOOL}"),
        &[
            "zupa.toml:8:8: http_tool[1].name: \"order\" is the name of another one (zupa.toml:2:8) | the model calls a tool by its name | give each a name of its own",
        ],
    );
    check(
        &TOOL.replace("effect = 'idempotent'\n", ""),
        &[
            "zupa.toml:1:1: http_tool[0].effect: missing | it has no default | set it: what it means that nobody knows how a call ended: call again, call again with the same key, or let an operator decide; reconcile is not possible",
        ],
    );
}

#[test]
fn wrong_servers_are_named_with_their_key() {
    let one = |text: &str, words: &str| {
        let problems = problems(text);
        assert!(
            problems.len() == 1 && problems[0].contains(words),
            "{problems:?}"
        );
    };
    one("[[mcp]]\nname = 'a'\n", "neither command nor url is set");
    one(
        &format!("{FILES}url = 'https://h'\n"),
        "both command and url are set",
    );
    one(
        &format!("{FILES}bearer = 'env:X'\n"),
        "mcp[0].bearer: a bearer token belongs to a URL",
    );
    one(
        "[[mcp]]\nname = 'a'\nurl = 'https://h'\nenv = { A = 'b' }",
        "mcp[0].env: env and directory belong",
    );
    one(
        &format!("{FILES}effects = {{ a = 'reconcile' }}"),
        "mcp[0].effects: \"reconcile\" is not possible",
    );
    one(
        &format!("{FILES}effects = {{ a = 'pur' }}"),
        "mcp[0].effects.a: \"pur\" is not allowed",
    );
    one(
        &format!("{FILES}approve = ['a']"),
        "mcp[0].approve: \"a\" is not in effects",
    );
    one(
        &format!("{FILES}pins = {{ a = 'abc' }}"),
        "mcp[0].pins: the pin of \"a\" is no SHA-256",
    );
    one(
        &format!("{FILES}{FILES}"),
        "mcp[1].name: \"files\" is the name of another one",
    );
    one(
        "[[mcp]]\nname = 'two words'\ncommand = ['x']",
        "allowed: 1 to 32 of a-z",
    );
    one(
        "[[mcp]]\nname = 'a'\ncommand = 'x'",
        "mcp[0].command: expected a list of texts",
    );
}

#[test]
fn only_the_file_names_servers() {
    let set = pairs(&[("mcp", "[{ name = 'a', command = ['sh'] }]")]);
    let env = pairs(&[("ZUPA__MCP", "[{ name = 'a', command = ['sh'] }]")]);
    let inner = pairs(&[("mcp[0].command", "['sh']")]);
    for sources in [
        Sources::new().flags(set),
        Sources::new().env(env),
        Sources::new().flags(inner),
    ] {
        let problems = lines(&load(sources).unwrap_err());
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].ends_with("only the file can set it | it names programs to start and servers to trust | write `[[mcp]]` in zupa.toml"),
            "{problems:?}"
        );
    }
}

#[test]
fn an_administrator_in_an_open_web_chat_is_a_warning() {
    let admins = "agent.admins = ['+5511999990000']\n";
    let warnings = lines(&file(admins).unwrap().warnings());
    assert_eq!(
        warnings,
        [
            "zupa.toml:1:16: agent.admins: an administrator writes from a channel that does not vouch for its aliases | whoever knows one of them can use the commands of administrators | bind at a channel that vouches for its aliases; in a web chat everybody names themselves"
        ]
    );
    assert!(
        file(&format!("{admins}channel = []"))
            .unwrap()
            .warnings()
            .is_empty()
    );
    let env = pairs(&[("ZUPA__AGENT__ADMINS", "ana, +55 11")]);
    let config = load(Sources::new().env(env)).unwrap();
    assert_eq!(config.agent.admins, ["ana", "+55 11"]);
}

#[test]
fn an_administrator_is_one_at_a_door() {
    let two =
        "[[channel]]\nid = 'a'\nkind = 'web-chat'\n[[channel]]\nid = 'b'\nkind = 'web-chat'\n";
    let with = |admins: &str| format!("agent.admins = [{admins}]\n{two}");
    let at = "zupa.toml:1:16: agent.admins";
    check(
        &with("'a/ana', 'ana'"),
        &[&format!(
            "{at}: administrator 2 names no channel, and there are several | the same alias at another of them may be somebody else | write `channel/alias`, as in `a/` and the alias"
        )],
    );
    check(
        &with("'a/ana', 'c/ana', 'b/'"),
        &[
            &format!(
                "{at}: administrator 2 names \"c\", which is no channel | what stands before the first slash is the id of a channel | write `channel/alias`, as in `a/` and the alias"
            ),
            &format!(
                "{at}: administrator 3 has no alias | nobody would be one | write `channel/alias`, as in `b/` and the alias"
            ),
        ],
    );
    check(
        "agent.admins = ['+55/11']",
        &[&format!(
            "{at}: administrator 1 names \"+55\", which is no channel | what stands before the first slash is the id of a channel | write `channel/alias`, as in `main/` and the alias"
        )],
    );
    let named = |config: Config| -> Vec<_> {
        let admins = config.admins();
        admins
            .map(|(channel, alias)| format!("{} {} {alias}", channel.tenant, channel.id))
            .collect()
    };
    assert_eq!(
        named(file(&with("'a/ana', 'b/x/y'")).unwrap()),
        ["default a ana", "default b x/y"]
    );
    assert_eq!(
        named(file("agent.admins = ['ana', 'main/bea']").unwrap()),
        ["default main ana", "default main bea"]
    );
}
