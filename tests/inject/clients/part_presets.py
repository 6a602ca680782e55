"""Part 2: the rules that come with agentjail, against servers that behave like the real ones. Of hosts
whose real names are many only names of the lab's own below the same suffix appear."""
import base64
import json
import os
import shutil
import subprocess
import time

import aws
import lab as base
import services
from lab import CORE, skip, tap
from part_clients import SYSTEM_PYTHON, Clients
from server import Response

SECRETS = {
    "GITHUB_TOKEN": f"ghp_{CORE}GitHub123456",
    "GITLAB_TOKEN": f"glpat-{CORE}",
    "NPM_TOKEN": f"npm_{CORE}NpmNpm123456",
    "PYPI_TOKEN": f"pypi-{CORE}PyPi",
    "CARGO_REGISTRY_TOKEN": f"cio{CORE}Cargo",
    "DOCKER_AUTH": f"someone:dckr_pat_{CORE}",
    "OPENAI_API_KEY": f"sk-proj-{CORE}OpenAi",
    "ANTHROPIC_API_KEY": f"sk-ant-api03-{CORE}Anthropic",
    "AWS_ACCESS_KEY_ID": "AKIALABLABLABLABLAB1",
    "AWS_SECRET_ACCESS_KEY": f"{CORE}/AwsAwsAwsAws+Aw",
}
PRESETS = "github gitlab npm pypi crates docker openai anthropic aws"
NAMES = ("api.github.com github.com uploads.github.com objects.githubusercontent.com gitlab.com "
         "lab.npmjs.org cdn.lab.test lab.pypi.org lab.crates.io realm.docker.io images.docker.io "
         "api.openai.com api.anthropic.com s3.us-east-1.amazonaws.com sts.us-east-1.amazonaws.com "
         "s3.amazonaws.com dynamodb.us-east-1.amazonaws.com").split()
H2_NAMES = ["api.github.com", "api.anthropic.com", "objects.githubusercontent.com"]
PROFILE = """
[profile]
inherit = {inherit}

[egress]
allow = objects.githubusercontent.com cdn.lab.test
{private}
"""
JWT = "eyJlab.short-token-for-one-image"


def api(request):
    if request.path == "/graphql":
        return services.as_json({"data": {"repository": {"release": None}}})
    if request.method not in ("GET", "HEAD"):
        return services.as_json({"number": 1, "created": True}, 201)
    if request.path == "/repos/acme/repo/releases/assets/7":
        return Response(302, b"", [("Location", "https://objects.githubusercontent.com/asset?sig=abc")])
    if request.path == "/repos/acme/repo/releases/tags/v1":
        return services.as_json({"id": 5, "tag_name": "v1", "name": "v1", "assets": [{
            "id": 7, "name": "asset.bin", "size": 5, "state": "uploaded",
            "url": "https://api.github.com/repos/acme/repo/releases/assets/7",
            "browser_download_url": "https://github.com/acme/repo/releases/download/v1/asset.bin"}]})
    return services.as_json({"full_name": "acme/repo", "login": "someone"})


def store(request):
    """A store with signed addresses: what comes with a login as well is refused."""
    if request.all("authorization") or request.all("x-api-key"):
        return Response(400, b"two kinds of authorization")
    return Response(200, b"asset", [("Content-Type", "application/octet-stream")])


def site(git):
    """github.com: git behind a login, and pages, which send downloads elsewhere."""
    def serve(request):
        if request.path.endswith(("/info/refs", "/git-upload-pack", "/git-receive-pack")):
            return git(request)
        if "/releases/download/" in request.path:
            return Response(302, b"", [("Location", "https://objects.githubusercontent.com/asset?sig=abc")])
        return Response(200, b"a page\n")
    return serve


def events(pieces, wait=0.0):
    for p in pieces:
        yield p
        time.sleep(wait)


def anthropic(request):
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "lab", "stop_reason": "end_turn",
               "stop_sequence": None, "content": [{"type": "text", "text": "plain-answer"}],
               "usage": {"input_tokens": 1, "output_tokens": 1}}
    if not json.loads(request.body).get("stream"):
        return services.as_json(message)
    made = [{"type": "message_start", "message": {**message, "content": [], "stop_reason": None}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}]
    made += [{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": t}}
             for t in ("streamed", "-", "answer")]
    made += [{"type": "content_block_stop", "index": 0},
             {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
              "usage": {"output_tokens": 3}}, {"type": "message_stop"}]
    return Response(200, events((f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in made), 0.01),
                    [("Content-Type", "text/event-stream")])


def openai(request):
    def choice(**more):
        return {"id": "c", "object": "x", "created": 1, "model": "lab", "choices": [{"index": 0, **more}]}
    if not json.loads(request.body).get("stream"):
        return services.as_json(choice(message={"role": "assistant", "content": "plain-answer"}, finish_reason="stop"))
    made = [json.dumps(choice(delta={"content": t}, finish_reason=None)) for t in ("streamed", "-", "answer")]
    return Response(200, events((f"data: {e}\n\n".encode() for e in [*made, "[DONE]"]), 0.01),
                    [("Content-Type", "text/event-stream")])


def images(request):
    """A registry of images: its realm's token or 401; layers are on another host."""
    if request.all("authorization") != [f"Bearer {JWT}"]:
        realm = 'Bearer realm="https://realm.docker.io/token",service="lab",scope="repository:a/b:pull"'
        return Response(401, b"{}", [("WWW-Authenticate", realm)])
    if "/blobs/" in request.path:
        return Response(307, b"", [("Location", "https://cdn.lab.test/layer")])
    return services.as_json({"schemaVersion": 2})


PULL = """
set -e
ask=$(curl -sSi https://images.docker.io/v2/a/b/manifests/latest)
realm=$(printf %s "$ask" | tr -d '\\r' | sed -n 's/.*realm="\\([^"]*\\)",service="\\([^"]*\\)",scope="\\([^"]*\\)".*/\\1?service=\\2\\&scope=\\3/p')
token=$(curl -sSf "$realm" | sed 's/.*"token": "\\([^"]*\\)".*/\\1/')
curl -sSf -H "Authorization: Bearer $token" https://images.docker.io/v2/a/b/manifests/latest
curl -sSfL -H "Authorization: Bearer $token" https://images.docker.io/v2/a/b/blobs/sha256:1
"""


class Presets:
    def __init__(self, lab, bin_dir):
        self.lab, self.bin = lab, bin_dir
        s = SECRETS
        needs, basic = services.needs, services.basic
        self.npm, self.pypi = services.Npm("https://lab.npmjs.org", "cdn.lab.test"), services.Pypi()
        self.cargo, self.uploads = services.Cargo("https://lab.crates.io"), []
        self.aws = aws.Aws(s["AWS_ACCESS_KEY_ID"], s["AWS_SECRET_ACCESS_KEY"])
        repositories = f"{lab.base}/preset-repositories"
        bearer = {n: f"Bearer {v}" for n, v in s.items()}
        lab.services.update({
            "api.github.com": needs("authorization", bearer["GITHUB_TOKEN"], api),
            "uploads.github.com": needs("authorization", bearer["GITHUB_TOKEN"], api),
            "github.com": site(services.git_behind(basic("x-access-token", s["GITHUB_TOKEN"]), repositories)),
            "objects.githubusercontent.com": store,
            "gitlab.com": self.gitlab(repositories),
            "lab.npmjs.org": needs("authorization", bearer["NPM_TOKEN"], self.npm.serve),
            "cdn.lab.test": self.npm.serve_cdn,
            "lab.pypi.org": self.serve_pypi,
            "lab.crates.io": needs("authorization", s["CARGO_REGISTRY_TOKEN"], self.cargo.serve),
            "realm.docker.io": needs("authorization", "Basic " + base64.b64encode(s["DOCKER_AUTH"].encode()).decode(),
                                     lambda r: services.as_json({"token": JWT, "expires_in": 300})),
            "images.docker.io": images,
            "api.openai.com": needs("authorization", bearer["OPENAI_API_KEY"], openai),
            "api.anthropic.com": needs("x-api-key", s["ANTHROPIC_API_KEY"], anthropic)})
        lab.services.update({n: self.aws.serve for n in NAMES if n.endswith("amazonaws.com")})
        for n in NAMES:
            lab.allowed[n] = ("authorization",)
        lab.allowed.update({n: () for n in ("objects.githubusercontent.com", "cdn.lab.test", "images.docker.io")})
        lab.allowed["api.anthropic.com"] = ("x-api-key",)
        every = " ".join(f"inject/{n}" for n in PRESETS.split())
        self.profile = lab.profile("presets", PROFILE.format(inherit=every, private=base.private(NAMES)))
        self.reading = lab.profile("reading", PROFILE.format(inherit="inject/github-read", private=base.private(NAMES)))
        self.secrets = SECRETS
        for name in ("aws_client.py", "sdk.mjs"):
            with open(f"{base.HERE}/programs/{name}") as f:
                lab.write(name, f.read())

    def gitlab(self, repositories):
        git = services.git_behind(services.basic("oauth2", SECRETS["GITLAB_TOKEN"]), repositories)
        rest = services.needs("authorization", f"Bearer {SECRETS['GITLAB_TOKEN']}",
                              lambda r: services.as_json({"name": "acme/repo"}))

        def serve(request):
            if request.path.startswith("/api/"):
                return rest(request)
            return git(request) if "/info/refs" in request.path or "/git-" in request.path else Response(200, b"a page\n")
        return serve

    def serve_pypi(self, request):
        """As the real one: anybody may read."""
        if request.method == "POST" and \
                request.all("authorization") != [services.basic("__token__", SECRETS["PYPI_TOKEN"])]:
            return Response(403, b"refused")
        return self.pypi.serve(request)

    pair = Clients.pair

    def both(self, title, words, *expected, env=None, not_at=()):
        """Everything that is expected is in the output; these hosts get no Authorization."""
        def welcome(out, _status):
            for e in expected:
                if e.encode() not in out:
                    return f"no {e!r}"
            for r in self.lab.server.seen():
                if r.sni in not_at and r.all("authorization"):
                    return f"{r.sni} got {r.all('authorization')}"
            return None
        self.pair(title, words, welcome, env=env)

    def play_github(self):
        curl = ["curl", "-sSL"]
        self.both("github: the API with curl", [*curl, "https://api.github.com/repos/acme/repo"], "acme/repo")
        self.both("github: a POST to the API", [*curl, "-d", "{}", "https://api.github.com/repos/acme/repo/issues"], "created")
        self.both("github: an upload", [*curl, "-d", "x", "https://uploads.github.com/repos/acme/repo/releases/5/assets?name=x"],
                  "created")
        self.both("github: a release by the API goes to the store without the token",
                  [*curl, "-H", "Accept: application/octet-stream",
                   "https://api.github.com/repos/acme/repo/releases/assets/7"], "asset",
                  not_at=["objects.githubusercontent.com"])
        if shutil.which("gh"):
            gh = ["sh", "-c"]
            env = {"GH_TOKEN": "none"} if not self.lab.program else {}
            self.both("github: gh api", [*gh, "GH_TOKEN=${GH_TOKEN:-none} gh api repos/acme/repo"], "acme/repo", env=env)
            self.both("github: gh release download", [*gh, (
                "rm -f asset.bin; GH_TOKEN=${GH_TOKEN:-none} gh release download v1 -R acme/repo && cat asset.bin")],
                "asset", not_at=["objects.githubusercontent.com"])
        else:
            skip("github: gh", "not installed")
        out, _ = self.run(curl + ["https://github.com/acme/repo/releases/download/v1/asset.bin", "https://github.com/acme"])
        heard = self.lab.server.seen()
        tap(b"asset" in out and b"a page" in out and not any(r.all("authorization") for r in heard),
            "github: downloads and pages go without the token", f"{out} {heard}")

    def run(self, words, profile=None, **more):
        self.lab.clear()
        if not self.lab.program:
            return self.lab.bare(words, **more)
        return self.lab.jail(profile or self.profile, words, secrets=self.secrets, **more)

    def play_git(self):
        repositories = f"{self.lab.base}/preset-repositories"
        script = (f"git init -q --bare {repositories}/acme/repo && cp -r {repositories}/acme/repo {repositories}/acme/repo.git; "
                  f"git init -q {self.lab.base}/own && cd {self.lab.base}/own && echo one >file && git add . && "
                  "git -c user.name=x -c user.email=x@x commit -qm one && "
                  f"for r in repo repo.git; do git push -q {repositories}/acme/$r HEAD:main && "
                  f"git -C {repositories}/acme/$r symbolic-ref HEAD refs/heads/main; done")
        subprocess.run(["sh", "-c", script], check=True, env=self.lab.env, capture_output=True)
        env = {"GIT_TERMINAL_PROMPT": "0"}

        def push(host, branch):
            return ["sh", "-ec", (f"c=$(mktemp -d c.XXXXXX); git clone -q https://{host}/acme/repo.git $c; cd $c; echo two >>file; git "
                                  f"-c user.name=x -c user.email=x@x commit -qam two; git push -q origin HEAD:refs/heads/{branch}; "
                                  "echo pushed")]
        self.both("github: git clone and push", push("github.com", "new"), "pushed", env=env)
        self.both("gitlab: git clone and push", push("gitlab.com", "other"), "pushed", env=env)
        self.both("gitlab: the API", ["curl", "-sS", "https://gitlab.com/api/v4/projects/1"], "acme/repo")
        if not self.lab.program:
            return
        out, status = self.run(push("github.com", "forbidden"), self.reading, env=env)
        receive = [r for r in self.lab.server.seen() if r.path.endswith("git-receive-pack") and r.method == "POST"]
        refs = subprocess.run(["git", "-C", f"{repositories}/acme/repo.git", "branch"], capture_output=True, env=self.lab.env).stdout
        tap(status != 0 and receive and b"forbidden" not in refs and not any(base.finds(str(r.fields)) for r in receive),
            "github-read: clones; a push is refused and its pack goes without the token", f"{status} {out} {receive}")
        self.lab.write("large", b"x" * 3000000)
        out, _ = self.run(["sh", "-c", (
            "curl -sS -w '[%{http_code}]' https://api.github.com/repos/acme/repo; for v in 1.1 2; do "
            "for i in 1 2 3 4 5; do curl -sS --http$v -w '[%{http_code}]' -d {} https://api.github.com/repos/acme/repo/issues; done; "
            "curl -sS --http$v -w '[%{http_code}]' --data-binary @large https://api.github.com/repos/acme/repo/issues; done")],
            self.reading)
        tap(b"acme/repo" in out and b"created" not in out and out.count(b"[403]") == 12,
            "github-read: the API answers GET and refuses POST, by both versions, with small and large bodies", out)

    def play_registries(self):
        npm = "npm --registry=https://lab.npmjs.org/ --no-update-notifier"
        self.lab.write("npm-preset/package.json", '{"name":"user","version":"1.0.0","private":true}')
        self.lab.write("npm-preset/.npmrc", "//lab.npmjs.org/:_authToken=${NPM_TOKEN}\n")
        self.both("npm: install, the archive behind a redirect", ["sh", "-c", (
            f"cd npm-preset; export NPM_TOKEN=${{NPM_TOKEN-none}}; rm -rf node_modules package-lock.json; {npm} install lab-private && "
            "node -p '\"answer \" + require(\"lab-private\")'")], "answer 42", not_at=["cdn.lab.test"])
        self.lab.write("pypi.py", (
            "import os, requests\n"
            "r = requests.post('https://lab.pypi.org/legacy/', data={':action': 'file_upload'},\n"
            "    files={'content': ('a.whl', b'x' * 1000)}, auth=('__token__', os.environ.get('TWINE_PASSWORD', 'none')))\n"
            "print(r.status_code, r.text)\n"))
        self.both("pypi: an upload as twine's", [Clients.python_with("requests"), "pypi.py"], "200 uploaded")
        out, _ = self.run(["curl", "-sS", "https://lab.pypi.org/simple/lab-private/"])
        tap(b".whl" in out and not any(r.all("authorization") for r in self.lab.server.seen()),
            "pypi: reading goes without the token", out)
        self.both("crates: a bare token to the API", ["curl", "-sS", "-X", "PUT", "-H", "Authorization: cioFAKE", "-d", "x",
                                                      "https://lab.crates.io/api/v1/crates/new"], "warnings")
        self.both("docker: 401, the realm on another host, its token, a layer on a third", ["sh", "-c", PULL],
                  "schemaVersion", not_at=["cdn.lab.test"])

    def play_models(self):
        post = ["curl", "-sSN", "-H", "Content-Type: application/json", "-d"]
        self.both("openai: curl", [*post, '{"stream":true}', "https://api.openai.com/v1/chat/completions"],
                  "streamed", "[DONE]")
        self.both("anthropic: curl, a stream", [*post, '{"stream":true}', "https://api.anthropic.com/v1/messages"],
                  "streamed", "message_stop")
        modules = f"{self.bin}/sdk.tar"
        if not os.path.exists(modules):
            return skip("anthropic and openai: their own libraries", "not in the cache (tests/deps.sh)")
        if not os.path.exists(f"{self.lab.project}/node_modules"):
            subprocess.run(["tar", "-xf", modules, "-C", self.lab.project], check=True)
        script = ("export ANTHROPIC_API_KEY=${ANTHROPIC_API_KEY-none} OPENAI_API_KEY=${OPENAI_API_KEY-none}; "
                  "node sdk.mjs anthropic openai")
        return self.both("anthropic and openai: their own libraries, plain and streamed", ["sh", "-c", script],
                         "anthropic plain-answer streamed-answer", "openai plain-answer streamed-answer")

    def play_agent(self):
        """An agent as it is, that a command starts in the cell: its login is the rule's."""
        claude = f"{self.bin}/claude"
        if not os.path.exists(claude):
            return skip("anthropic: an agent in the cell", "not in the cache")
        words = ("export ANTHROPIC_API_KEY=${ANTHROPIC_API_KEY-sk-ant-none} DISABLE_TELEMETRY=1 DISABLE_ERROR_REPORTING=1 "
                 "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1 CLAUDE_CODE_MAX_RETRIES=0; export HOME=$PWD/agent-home; "
                 f"mkdir -p $HOME; timeout 60 {claude} -p hello </dev/null")
        return self.pair("anthropic: an agent in the cell", ["sh", "-c", words], lambda out, _s: (
            None if b"streamed-answer" in out else "no answer"), options=["--read", claude], timeout=90)

    def play_aws(self):
        if subprocess.run([SYSTEM_PYTHON, "-c", "import boto3"], capture_output=True).returncode != 0:
            return skip("aws: boto3", "not installed")
        fakes = "export AWS_ACCESS_KEY_ID=${AWS_ACCESS_KEY_ID-AKIANONENONENONENONE} AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY-none}; "

        def client(*words):
            return ["sh", "-c", f"{fakes} {SYSTEM_PYTHON} aws_client.py {' '.join(words)}"]
        self.both("aws: boto3: identity, an object of S3 and back, a JSON service, a body without a hash",
                  client("whoami", "put_and_get", "json_service", "unsigned_payload"), "whoami: arn:aws:iam::1:user/lab",
                  "put_and_get: equal", "json_service: lab-table", "unsigned_payload: streamed")
        if not self.lab.program:
            return None
        for way in ("presigned", "v4a", "signed_chunks"):
            out, _ = self.run(client(way))
            tap(b"refused" in out and b"opened" not in out and not self.lab.server.seen(),
                f"aws: {way} is refused before anything is sent", f"{out} {self.lab.server.seen()}")
        return None

    def play(self, wanted):
        parts = {"github": self.play_github, "git-presets": self.play_git, "registries": self.play_registries,
                 "models": self.play_models, "agent": self.play_agent, "aws": self.play_aws}
        for name, part in parts.items():
            if not wanted or name in wanted:
                part()
