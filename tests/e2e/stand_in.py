"""Takes a real agent's place in the demonstration where npm or node is missing.

usage: stand_in.py run DIR      runs the shell steps of DIR/script.json and prints what came out
       stand_in.py serve DIR    the "evil" server: notes in DIR/evil what it is sent; DIR/ports as model.mjs
"""
import http.server
import json
import os
import subprocess
import sys

mode, folder = sys.argv[1:3]


class Evil(http.server.BaseHTTPRequestHandler):
    """Keeps what it is sent."""

    def do_POST(self):
        """Notes the body and says thank you."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with open(f"{folder}/evil", "a", encoding="utf-8") as log:
            log.write(json.dumps({"url": self.path, "body": body.decode()}) + "\n")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"thank you\n")

    def log_message(self, *args):
        """Nothing on the terminal."""


if mode == "run":
    with open(f"{folder}/script.json", encoding="utf-8") as script:
        steps = json.load(script)
    for step in steps:
        done = subprocess.run(["/bin/sh", "-c", step["shell"]], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        print(done.stdout.decode(errors="replace"))
else:
    server = http.server.HTTPServer(("127.0.0.1", 0), Evil)
    with open(f"{folder}/ports.part", "w", encoding="utf-8") as ports:
        ports.write(f"0 {server.server_port}\n")
    os.rename(f"{folder}/ports.part", f"{folder}/ports")
    server.serve_forever()
