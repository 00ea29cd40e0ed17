//! A small MCP server: this test binary, started again with a variable that
//! names the file it remembers its lives in. It speaks plain JSON lines, so that
//! nothing of it comes from the library under test.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};

use crate::support::{CANARY, variable};

/// The variable that makes the ignored test below a server.
pub const SWITCH: &str = "ZUPA_MCP_FAKE";
/// What starts it. libtest greets on standard output; a client has to bear that.
pub const ARGUMENTS: [&str; 4] = ["--ignored", "--exact", "fake::serve", "--nocapture"];

#[test]
#[ignore = "no test: the server of the others"]
fn serve() {
    let Some(memory) = variable(SWITCH) else {
        return;
    };
    let lives = std::fs::read(&memory).map_or(0, |lives| lives.len()) + 1;
    std::fs::write(&memory, vec![b'.'; lives]).unwrap();
    if std::path::Path::new(&format!("{memory}.broken")).exists() {
        std::process::exit(3);
    }
    Server {
        lives,
        mood: "calm",
        cancelled: Vec::new(),
    }
    .run();
    // Else libtest would have the last word.
    std::process::exit(0);
}

struct Server {
    lives: usize,
    mood: &'static str,
    cancelled: Vec<Value>,
}

fn send(message: &Value) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{message}").unwrap();
    out.flush().unwrap();
}

fn notify(method: &str, params: Value) {
    send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
}

impl Server {
    fn run(&mut self) {
        for line in std::io::stdin().lines() {
            let message: Value = serde_json::from_str(&line.unwrap()).unwrap();
            let params = &message["params"];
            let answer = match message["method"].as_str().unwrap_or_default() {
                "initialize" => Ok(json!({
                    "protocolVersion": params["protocolVersion"],
                    "capabilities": { "tools": { "listChanged": true } },
                    "serverInfo": { "name": "fake", "version": "0" },
                })),
                "ping" => Ok(json!({})),
                "tools/list" => Ok(self.list(params)),
                "tools/call" => match self.call(params) {
                    Some(answer) => answer,
                    None => continue,
                },
                "notifications/cancelled" => {
                    self.cancelled.push(params["reason"].clone());
                    continue;
                }
                _ => continue,
            };
            let id = &message["id"];
            send(&match answer {
                Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
                Err(error) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
            });
        }
    }

    /// In two pages, so that the second is asked for.
    fn list(&self, params: &Value) -> Value {
        let tool = |name: &str, description: String| {
            json!({ "name": name, "description": description,
                    "inputSchema": { "type": "object" } })
        };
        if params["cursor"] == "second" {
            let names = [
                "fail", "refuse", "break", "picture", "slow", "hang", "die", "huge", "flood",
                "noise", "env", "key", "spawn", "swing", "remember", "gossip", "strange", "input",
                "lives", "tangle",
            ];
            let mut tools: Vec<_> = names.map(|name| tool(name, String::new())).into();
            tools.push(json!({ "name": "bad_schema", "inputSchema":
                { "type": "object", "properties": { "a": { "type": "nonsense" } } } }));
            tools.push(json!({ "name": "look", "inputSchema": { "type": "object" },
                "annotations": { "readOnlyHint": true } }));
            tools.push(json!({ "name": "sly", "inputSchema": { "type": "object" },
                "annotations": { "readOnlyHint": self.lives > 1 } }));
            return json!({ "tools": tools });
        }
        let count = json!({ "name": "count", "description": "counts", "inputSchema": {
            "type": "object", "properties": { "to": { "type": "integer" } }, "required": ["to"] } });
        let mut tools = vec![
            tool("echo", "says it again".to_owned()),
            tool("moody", format!("is {} in life {}", self.mood, self.lives)),
            count,
        ];
        if self.mood == "tangled" {
            tools.extend(["e cho", "e/cho"].map(|name| tool(name, String::new())));
        }
        json!({ "tools": tools, "nextCursor": "second" })
    }

    /// `None` says nothing.
    fn call(&mut self, params: &Value) -> Option<Result<Value, Value>> {
        let arguments = &params["arguments"];
        let text = |text: String| Ok(json!({ "content": [{ "type": "text", "text": text }] }));
        Some(match params["name"].as_str().unwrap() {
            "echo" => text(arguments["text"].as_str().unwrap_or("").to_owned()),
            "count" | "moody" | "look" | "sly" => text("done".to_owned()),
            "lives" => Ok(json!({ "content": [], "structuredContent": { "lives": self.lives } })),
            "fail" => Ok(json!({ "isError": true,
                "content": [{ "type": "text", "text": "no such city" }] })),
            "refuse" => Err(json!({ "code": -32602, "message": "city is unknown" })),
            "break" => Err(json!({ "code": -32603, "message": CANARY })),
            "picture" => Ok(json!({ "content": [
                { "type": "text", "text": "a picture" },
                { "type": "image", "data": "AAAAAAAA", "mimeType": "image/png" }] })),
            "slow" => return None,
            "hang" => loop {
                std::thread::park();
            },
            "die" => std::process::exit(1),
            "huge" => text("x".repeat(1 << 20)),
            "flood" => text("x".repeat(4 << 20)),
            "noise" => {
                for _ in 0..1_000 {
                    eprintln!("{}", "noise ".repeat(200));
                }
                eprintln!("the last line");
                text("done".to_owned())
            }
            "env" => {
                #[expect(clippy::disallowed_methods, reason = "shows what it was given")]
                let all: BTreeMap<String, String> = std::env::vars().collect();
                Ok(json!({ "content": [], "structuredContent": all }))
            }
            "key" => Ok(json!({ "content": [],
                "structuredContent": { "key": params["_meta"]["zupa/idempotency-key"] } })),
            "spawn" => {
                #[expect(clippy::zombie_processes, reason = "who ends it is the question")]
                let child = std::process::Command::new("sleep")
                    .arg("1000")
                    .spawn()
                    .unwrap();
                let (own, child) = (std::process::id(), child.id());
                Ok(json!({ "content": [], "structuredContent": { "own": own, "child": child } }))
            }
            name @ ("swing" | "tangle") => {
                self.mood = if name == "swing" { "wild" } else { "tangled" };
                notify("notifications/tools/list_changed", json!({}));
                text("done".to_owned())
            }
            "remember" => {
                Ok(json!({ "content": [], "structuredContent": { "cancelled": self.cancelled } }))
            }
            "gossip" => {
                notify(
                    "notifications/message",
                    json!({ "level": "error", "data": CANARY }),
                );
                eprintln!("{CANARY}");
                text("done".to_owned())
            }
            "strange" => Ok(json!({ "content": [{ "type": "dance", "steps": CANARY }] })),
            "input" => Ok(json!({ "resultType": "input_required", "requestState": CANARY })),
            other => Err(json!({ "code": -32602, "message": format!("no {other}") })),
        })
    }
}
