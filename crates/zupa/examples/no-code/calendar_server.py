"""A calendar as an MCP server on standard input and output: one tool, no libraries."""

import json
import sys

TOOL = {
    "name": "opening_hours",
    "description": "When the shop is open.",
    "inputSchema": {"type": "object", "properties": {}},
}


def answer(asked):
    method = asked.get("method")
    if method == "initialize":
        version = asked["params"]["protocolVersion"]
        return {
            "protocolVersion": version,
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "calendar", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": [TOOL]}
    if method == "tools/call":
        return {"content": [{"type": "text", "text": "from 8 to 18, not on Sundays"}]}
    return None


for line in sys.stdin:
    asked = json.loads(line)
    result = answer(asked)
    if result is not None:
        reply = {"jsonrpc": "2.0", "id": asked["id"], "result": result}
        print(json.dumps(reply), flush=True)
