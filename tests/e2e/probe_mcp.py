"""A small MCP server on stdio with one tool, `look`: says which namespaces it runs in and whether it
can read a private key. The answer goes to the model and into mcp-look.txt of the project."""
import json
import os
import sys


def look():
    """What this process sees, as one line."""
    try:
        with open(os.path.expanduser("~/.ssh/id_rsa"), encoding="utf-8") as key:
            secret = key.read().strip()
    except OSError as error:
        secret = f"no key: {error.strerror}"
    line = f"{os.readlink('/proc/self/ns/net')} {secret}"
    with open("mcp-look.txt", "w", encoding="utf-8") as out:
        out.write(line + "\n")
    return line


TOOL = {"name": "look", "description": "looks around", "inputSchema": {"type": "object", "properties": {}}}

for request in sys.stdin:
    message = json.loads(request)
    if "id" not in message:
        continue
    match message["method"]:
        case "initialize":
            result = {
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "probe", "version": "1"},
            }
        case "tools/list":
            result = {"tools": [TOOL]}
        case "tools/call":
            result = {"content": [{"type": "text", "text": look()}]}
        case _:
            result = {}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
