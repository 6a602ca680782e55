"""Part 1: programs as they are, without a flag for our sake, against a host with a rule and one without.
Bare, without the credential, the server refuses; in a cell it lets them in."""
import os
import shutil
import subprocess

import lab as base
import services
from lab import CORE, figure, skip, tap

TOKEN = f"tok_{CORE}_clients"
LOGIN = services.basic("x-access-token", TOKEN)
RULED, OPEN = ("one.test", "two.test"), ("open1.test", "open2.test")
NAMES = [*RULED, *OPEN, "git.test", "registry.test", "cdn.test", "index.test", "crates.test"]
H2_NAMES = ["two.test", "open2.test"]
PROFILE = """
[egress]
allow = open1.test open2.test cdn.test
{private}

[inject one]
host = one.test
header = Authorization: Bearer {{secret}}
secret = env:LAB_TOKEN
env = LAB_TOKEN

[inject two]
host = two.test
header = Authorization: Bearer {{secret}}
secret = env:LAB_TOKEN

[inject git]
host = git.test
basic = x-access-token:{{secret}}
secret = env:LAB_TOKEN

[inject registry]
host = registry.test
header = Authorization: Bearer {{secret}}
secret = env:LAB_TOKEN

[inject index]
host = index.test
basic = __token__:{{secret}}
secret = env:LAB_TOKEN

[inject crates]
host = crates.test
header = Authorization: {{secret}}
secret = env:LAB_TOKEN
"""
ADDRESSES = [f"https://{n}/hello" for n in (*RULED, *OPEN)]
SYSTEM_PYTHON = "/usr/bin/python3"


class Clients:
    def __init__(self, lab, bin_dir):
        self.lab, self.bin = lab, bin_dir
        self.npm, self.pypi = services.Npm("https://registry.test", "cdn.test"), services.Pypi()
        self.cargo = services.Cargo("https://crates.test")
        bearer = f"Bearer {TOKEN}"
        lab.services.update({n: services.needs("authorization", bearer, services.page) for n in RULED})
        lab.services.update({n: services.hello for n in OPEN})
        lab.services.update({
            "git.test": services.git_behind(LOGIN, f"{lab.base}/repositories"),
            "registry.test": services.needs("authorization", bearer, self.npm.serve),
            "cdn.test": self.npm.serve_cdn,
            "index.test": services.needs("authorization", services.basic("__token__", TOKEN), self.pypi.serve,
                                         (401, [("WWW-Authenticate", "Basic")])),
            "crates.test": services.needs("authorization", TOKEN, self.cargo.serve)})
        lab.allowed.update({n: ("authorization",) for n in
                            (*RULED, "git.test", "registry.test", "index.test", "crates.test")})
        self.profile = lab.profile("clients", PROFILE.format(private=base.private(NAMES)))
        self.secrets = {"LAB_TOKEN": TOKEN}
        for name in ("fetch.py", "fetch.mjs"):
            with open(f"{base.HERE}/programs/{name}") as f:
                lab.write(name, f.read())
        for name in ("Fetch.class", "fetch-go"):
            if os.path.exists(f"{bin_dir}/{name}"):
                shutil.copy(f"{bin_dir}/{name}", lab.project)

    # ---- one check ----

    def pair(self, title, words, welcome, refused=None, env=None, timeout=60, options=()):
        """welcome(output): what is wrong in the cell, or None; bare it has to be something.
        refused(output): what is wrong with the control."""
        lab = self.lab
        lab.clear()
        out, status = lab.bare(words, env=env, timeout=timeout)
        why = refused(out) if refused else (None if welcome(out, status) else "let in without a credential")
        if why or lab.leaks():
            return tap(False, f"{title}: control", f"{why or lab.leaks()}\n{out.decode(errors='replace')}")
        if not lab.program:
            return tap(True, title)
        lab.clear()
        out, status = lab.jail(self.profile, words, options, secrets=self.secrets, env=env, timeout=timeout)
        why = welcome(out, status) or lab.leaks()
        if base.finds(out):
            why = "the secret came back"
        return tap(why is None, title, f"{why}\n{out.decode(errors='replace')}\n{lab.server.seen()}")

    def fetch(self, title, words, addresses=None, per=None, versions=None, env=None, options=()):
        """A client that prints what it gets. per: one process an address."""
        addresses = addresses or ADDRESSES
        hosts = [a.split("/")[2] for a in addresses]
        if per:
            words = ["sh", "-c", "; ".join(per(a) for a in addresses)]
        else:
            words = words + addresses

        def welcome(out, _status):
            for h in hosts:
                if f"welcome to {h} by ".encode() not in out:
                    return f"no welcome from {h}"
            return f"no {versions!r}" if versions and versions.encode() not in out else None

        def refused(out):
            for h in hosts:
                if (f"welcome to {h}".encode() in out) != (h in OPEN):
                    return f"bare: {h}"
            heard = {r.sni for r in self.lab.server.seen()}
            return None if set(hosts) <= heard else f"bare: only {heard} heard anything"

        self.pair(title, words, welcome, refused, env=env, options=options)

    # ---- programs ----

    def play_fetchers(self):
        curl = ["curl", "-sS", "-w", "[version %{http_version}]\\n"]
        self.fetch("curl", curl, versions="[version 2]")
        self.fetch("curl --http1.1", [*curl, "--http1.1"], versions="[version 1.1]")
        self.fetch("curl --http2", [*curl, "--http2"], versions="[version 2]")
        self.fetch("wget", ["wget", "-q", "-O-"])
        self.fetch("openssl s_client", None, per=lambda a: (
            f"printf 'GET /hello HTTP/1.1\\r\\nHost: {a.split('/')[2]}\\r\\nConnection: close\\r\\n\\r\\n' | "
            f"openssl s_client -quiet -verify_return_error -connect {a.split('/')[2]}:443 -servername "
            f"{a.split('/')[2]} 2>/dev/null"))
        self.fetch("python3 urllib", ["python3", "fetch.py", "urllib"])
        self.fetch("python3 requests", [self.python_with("requests"), "fetch.py", "requests"])
        if self.python_with("aiohttp"):
            self.fetch("python3 aiohttp", [self.python_with("aiohttp"), "fetch.py", "aiohttp"])
        else:
            skip("python3 aiohttp", "not installed")
        self.fetch("node https", ["node", "fetch.mjs", "https"])
        self.fetch("node fetch", ["node", "fetch.mjs", "fetch"])
        bun = f"{self.bin}/bun"
        if os.path.exists(bun):
            self.fetch("bun fetch", [bun, "fetch.mjs", "fetch"], options=["--read", bun])
        else:
            skip("bun", "not in the cache")
        self.fetch("node http2", ["node", "fetch.mjs", "http2"], [a for a in ADDRESSES if "2" in a or "two" in a
                                                                  or "one" in a and self.lab.program and False])
        for title, file, words in (("java: HttpClient and HttpsURLConnection", "Fetch.class",
                                    ["java", "-XX:TieredStopAtLevel=1", "-cp", ".", "Fetch"]),
                                   ("go net/http", "fetch-go", ["./fetch-go"])):
            if os.path.exists(f"{self.lab.project}/{file}"):
                self.fetch(title, words)
            else:
                skip(title, "no compiler here")

    @staticmethod
    def python_with(module):
        for python in ("python3", SYSTEM_PYTHON):
            if subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode == 0:
                return python
        return None

    def play_issuer(self):
        if not self.lab.program:
            return
        out, _ = self.lab.jail(self.profile, ["python3", "fetch.py", "issuer", *ADDRESSES], secrets=self.secrets)
        lines = dict(x[len("issuer of "):].split(": ", 1) for x in out.decode().splitlines() if x.startswith("issuer"))
        ok = len(lines) == 4 and all(lines[n] == "lab-authority" for n in OPEN) and \
            all("agentjail" in lines[n] for n in RULED)
        tap(ok, "the certificate of a host with a rule is the session's, of one without its own", out.decode())

    def play_git(self):
        repositories = f"{self.lab.base}/repositories"
        script = (f"git init -q --bare {repositories}/a/b && git init -q {self.lab.base}/work && "
                  f"cd {self.lab.base}/work && git config user.name x && git config user.email x@x && "
                  "head -c 300000 /dev/urandom >file && git add . && git commit -qm one && "
                  f"git push -q {repositories}/a/b HEAD:main && git -C {repositories}/a/b symbolic-ref HEAD refs/heads/main")
        subprocess.run(["sh", "-c", script], check=True, env=self.lab.env, capture_output=True)
        env = {"GIT_TERMINAL_PROMPT": "0"}
        self.pair("git ls-remote", ["git", "ls-remote", "https://git.test/a/b"],
                  lambda out, _s: None if b"refs/heads/main" in out else "no refs", env=env)
        self.pair("git clone, commit, push (401 is what it would get first)", ["sh", "-ec", (
            "c=$(mktemp -d c.XXXXXX); git clone -q https://git.test/a/b $c; cd $c; head -c 2000000 /dev/urandom >big; git add .; "
            "git -c user.name=x -c user.email=x@x commit -qm two; git push -q origin HEAD:refs/heads/new; "
            "git fetch -q; git log --oneline origin/new | wc -l; echo pushed")],
            lambda out, status: None if status == 0 and b"pushed" in out else f"status {status}", env=env)

    def play_npm(self):
        npm = ["npm", "--registry=https://registry.test/", "--no-update-notifier"]
        if not shutil.which("npm"):
            return skip("npm", "not installed")
        self.lab.write("npm/package.json", '{"name":"user","version":"1.0.0","private":true}')
        self.lab.write("npm-out/package.json", '{"name":"lab-mine","version":"1.0.0"}')

        def installed(out, status):
            if status != 0 or b"answer 42" not in out:
                return f"status {status}"
            if not self.lab.server.seen("cdn.test"):
                return "the archive did not come from the other host"
            return None

        self.pair("npm view", [*npm, "view", "lab-private", "version"],
                  lambda out, s: None if s == 0 and b"1.0.0" in out else f"status {s}")
        self.pair("npm install; the archive behind a redirect to another host", ["sh", "-c", (
            f"cd npm; rm -rf node_modules package-lock.json; {' '.join(npm)} install lab-private && "
            "node -p '\"answer \" + require(\"lab-private\")'")], installed)
        # npm asks for a login of its own before it sends anything: any will do, it is replaced.
        self.pair("npm publish", ["sh", "-c", (
            "cd npm-out; echo '//registry.test/:_authToken=${LAB_TOKEN-none}' >.npmrc; "
            f"{' '.join(npm)} publish")],
            lambda out, s: None if s == 0 and "lab-mine" in self.npm.published else f"status {s}")

    def play_pip(self):
        if not shutil.which("pip3"):
            return skip("pip", "not installed")
        env = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_NO_CACHE_DIR": "1"}
        for pip in ("pip3", "/usr/bin/pip3"):
            if not shutil.which(pip):
                continue
            self.pair(f"{pip} install", ["sh", "-c", (
                f"rm -rf site; {pip} install -q --no-deps --index-url https://index.test/simple/ --target site "
                "lab-private && PYTHONPATH=site python3 -c 'import lab_private; print(\"answer\", lab_private.answer)'")],
                lambda out, s: None if s == 0 and b"answer 42" in out else f"status {s}", env=env)
        self.lab.write("upload.py", (
            "import requests\nr = requests.post('https://index.test/legacy/', data={':action': 'file_upload'},\n"
            "    files={'content': ('a.whl', b'x' * 100000)}, auth=('__token__', 'pypi-whatever'))\n"
            "print(r.status_code, r.text)\n"))
        self.pair("python3 requests: an upload as twine's", [self.python_with("requests"), "upload.py"],
                  lambda out, s: None if b"200 uploaded" in out else f"status {s}")

    def play_cargo(self):
        rust = f"{self.bin}/rust"
        if not os.path.exists(f"{rust}/bin/cargo"):
            return skip("cargo", "not installed")
        home = f"{self.lab.project}/cargo-home"
        self.lab.write("cargo-home/config.toml", (
            '[registries.lab]\nindex = "sparse+https://crates.test/index/"\n'
            'credential-provider = "cargo:token"\ntoken = "none-of-ours"\n'))
        self.lab.write("crate/Cargo.toml", '[package]\nname = "user"\nversion = "1.0.0"\nedition = "2021"\n'
                       '[dependencies]\nlabcrate = { version = "1", registry = "lab" }\n')
        self.lab.write("crate/src/lib.rs", "")
        return self.pair("cargo build, a dependency of a sparse registry with auth-required", ["sh", "-c", (
            f"cd crate; rm -rf Cargo.lock target {home}/registry; PATH={rust}/bin:$PATH CARGO_HOME={home} cargo build && "
            f"ls {home}/registry/cache/*/labcrate-1.0.0.crate")],
            lambda out, s: None if s == 0 and b"labcrate-1.0.0.crate" in out else f"status {s}",
            options=["--read", rust])

    def play_browser(self):
        browser = shutil.which("chromium") or shutil.which("chromium-browser")
        if not browser:
            return skip("chromium", "not installed")
        # Bare, and for hosts without a rule, it believes the lab's authority as a company's: by policy.
        with open(f"{self.lab.ca}.pem") as f:
            certificate = "".join(f.read().split("\n")[1:-2])
        os.makedirs(f"{self.lab.origin}/chromium/policies/managed", exist_ok=True)
        with open(f"{self.lab.origin}/chromium/policies/managed/company.json", "w") as f:
            f.write('{"CACertificates": ["' + certificate + '"]}')
        subprocess.run(["mount", "--bind", f"{self.lab.origin}/chromium", "/etc/chromium"], check=True)
        flags = "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir=./chromium-$$ --dump-dom"
        self.fetch("chromium", None, [f"https://{n}/hello" for n in ("two.test", "open1.test")],
                   per=lambda a: f"{browser} {flags} {a} 2>err.txt")
        words = f"{browser} {flags} https://one.test/page 2>err.txt"
        return self.pair("chromium: a page that fetches, and a WebSocket", ["sh", "-c", words], lambda out, _s: (
            None if b"fetched: welcome to one.test" in out and b"echoed: from the page 4" in out else "no"))

    def play(self, wanted):
        parts = {"fetchers": self.play_fetchers, "issuer": self.play_issuer, "git": self.play_git,
                 "npm": self.play_npm, "pip": self.play_pip, "cargo": self.play_cargo, "browser": self.play_browser}
        for name, part in parts.items():
            if not wanted or name in wanted:
                part()
