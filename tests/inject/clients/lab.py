"""What the parts stand on: a network and mount namespace of its own with names, an authority and the
server; running a client bare and in a cell; TAP; and the search for secrets."""
import base64
import os
import shutil
import subprocess
import sys
import time

import server as http

HERE = os.path.dirname(os.path.abspath(__file__))
# Part of every secret, so that one search finds each of them.
CORE = "q7ZkCANARYx93LmPw0R5tVb8"
DROP = [] if os.geteuid() == 0 else ["setpriv", "--inh-caps=-all", "--ambient-caps=-all"]
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
KEYSTORE = "/etc/ssl/certs/java/cacerts"
IS_FULL = bool(os.environ.get("FULL"))
number, last = 0, time.monotonic()
# From here on a check says how long it took.
SLOW_S = 3.0


def tap(ok, title, note="", skip=""):
    global number, last
    number += 1
    if time.monotonic() - last > SLOW_S:
        figure(f"{time.monotonic() - last:.1f} s for the next one")
    last = time.monotonic()
    print(f"{'ok' if ok else 'not ok'} {number} - {title}" + (f" # SKIP {skip}" if skip else ""))
    for line in str(note).splitlines()[:40] if not ok else []:
        print("# " + line[:600])
    sys.stdout.flush()


def skip(title, why):
    tap(True, title, skip=why)


def figure(text):
    print(f"# {text}", flush=True)


def encodings(text=CORE):
    """The forms in which a value may lie somewhere."""
    raw = text.encode()
    yield raw
    yield raw[::-1]
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    yield raw.decode().encode("utf-16-le")
    for pad in range(3):  # base64 at three alignments, without what depends on neighbours
        coded = base64.b64encode(b"x" * pad + raw)
        yield coded[(0, 2, 3)[pad]:len(coded) // 4 * 4 - 4]
    yield "".join(f"%{b:02x}" for b in raw).encode()
    yield "".join(f"%{b:02X}" for b in raw).encode()
    yield "".join(f"\\u{b:04x}" for b in raw).encode()
    yield "".join(f"&#{b};" for b in raw).encode()


NEEDLES = list(encodings())


def finds(data):
    data = data.encode("latin-1", "replace") if isinstance(data, str) else data
    return next((n for n in NEEDLES if n in data), None)


def private(names):
    """The lines that say so: one has 199 bytes at most."""
    return "\n".join("private = " + " ".join(names[i:i + 5]) for i in range(0, len(names), 5))


# ---- certificates ----

def openssl(*words):
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def make_ca(folder, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem", "-days", "30", "-subj", f"/CN={name}",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    return f"{folder}/{name}"


def make_leaf(folder, name, ca, names, usage="serverAuth"):
    """A certificate with its key in one file."""
    leaf = f"{folder}/{name}"
    with open(f"{leaf}.ext", "w") as f:
        f.write("subjectAltName=" + ",".join(f"DNS:{n}" for n in names) + f"\nextendedKeyUsage={usage}\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
            f"{leaf}.key", "-out", f"{leaf}.csr", "-subj", f"/CN={names[0]}")
    openssl("x509", "-req", "-in", f"{leaf}.csr", "-CA", f"{ca}.pem", "-CAkey", f"{ca}.key",
            "-CAcreateserial", "-out", f"{leaf}.crt", "-days", "30", "-extfile", f"{leaf}.ext")
    with open(f"{leaf}.pem", "w") as out:
        for end in ("crt", "key"):
            with open(f"{leaf}.{end}") as f:
                out.write(f.read())
    return f"{leaf}.pem"


def concatenate(target, *files):
    with open(target, "w") as out:
        for file in files:
            with open(file) as f:
                out.write(f.read() + "\n")


class Lab:
    """names: name -> address; services as the server's. base: a directory of ours; program may be empty:
    controls only."""

    def __init__(self, base, program, names, h2_names=(), other_ca_names=()):
        self.base, self.program = base, program
        self.home, self.project, self.origin = f"{base}/home", f"{base}/home/project", f"{base}/origin"
        for folder in (self.project, f"{self.home}/.config/agentjail/profiles", self.origin, f"{base}/run"):
            os.makedirs(folder, exist_ok=True)
        os.chmod(f"{base}/run", 0o700)
        self.ca = make_ca(self.origin, "lab-authority")
        self.leaf = make_leaf(self.origin, "leaf", self.ca, list(names))
        self.names, self.services, self.outputs = names, {}, []
        self.env = {"HOME": self.home, "PATH": os.environ["PATH"], "LANG": "C.UTF-8",
                    "XDG_RUNTIME_DIR": f"{base}/run"}
        # What somebody with an authority of their own has in their environment.
        for name in ("NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "PIP_CERT",
                     "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"):
            self.env[name] = BUNDLE
        self.namespace()
        other = make_ca(self.origin, "other-authority")
        files = {n: self.leaf for n in names}
        for n in other_ca_names:
            files[n] = make_leaf(self.origin, n, other, [n])
        shutil.copyfile(f"{other}.pem", f"{base}/other-ca.pem")
        self.server = http.Server(self.services, files, h2_names)
        self.server.listen("127.0.0.1", 443)
        self.server.listen("127.0.0.1", 80, tls=False)
        self.leaks_ever, self.heard = None, 0
        self.allowed = {}  # name -> fields of requests that may have a secret

    def namespace(self):
        """lo, names and authorities of this mount namespace alone."""
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        with open(f"{self.origin}/hosts", "w") as f:
            f.write("127.0.0.1 localhost\n" + "".join(f"{a} {n}\n" for n, a in self.names.items()))
        with open(f"{self.origin}/resolv.conf", "w") as f:
            f.write("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        concatenate(f"{self.origin}/bundle", BUNDLE, f"{self.ca}.pem")
        bound = [("hosts", "/etc/hosts"), ("bundle", BUNDLE), ("resolv.conf", "/etc/resolv.conf")]
        if shutil.which("keytool") and os.path.exists(KEYSTORE):
            shutil.copyfile(KEYSTORE, f"{self.origin}/cacerts")
            subprocess.run(["keytool", "-importcert", "-noprompt", "-keystore", f"{self.origin}/cacerts",
                            "-storepass", "changeit", "-alias", "lab", "-file", f"{self.ca}.pem"],
                           check=True, capture_output=True)
            bound.append(("cacerts", KEYSTORE))
        for name, target in bound:
            subprocess.run(["mount", "--bind", f"{self.origin}/{name}", os.path.realpath(target)], check=True)

    def profile(self, name, text):
        path = f"{self.home}/.config/agentjail/profiles/{name}.ini"
        with open(path, "w") as f:
            f.write(text)
        return path

    def write(self, name, text, mode=0o644):
        """A file of the project; its path."""
        path = f"{self.project}/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb" if isinstance(text, bytes) else "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def environment(self, secrets, more):
        return {**self.env, **secrets, **more}

    def run(self, words, secrets=None, env=None, timeout=60, stdin=b"", cwd=None):
        """Ends with the output and the status; everything that came out is kept for the canary."""
        try:
            done = subprocess.run(DROP + words, cwd=cwd or self.project, input=stdin, capture_output=True,
                                  env=self.environment(secrets or {}, env or {}), timeout=timeout)
        except subprocess.TimeoutExpired as e:
            return (e.stdout or b"") + (e.stderr or b"") + b"\n[timeout]", -1
        return done.stdout + done.stderr, done.returncode

    def bare(self, words, **more):
        return self.run(words, **more)

    def jail(self, profile, words, options=(), **more):
        out, status = self.run([self.program, "run", *options, "-p", profile, "--", *words], **more)
        self.outputs.append((words, out))
        return out, status

    def start(self, profile, words, options=(), secrets=None, **popen):
        """A session that goes on."""
        return subprocess.Popen(DROP + [self.program, "run", *options, "-p", profile, "--", *words],
                                cwd=self.project, env=self.environment(secrets or {}, {}),
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                **popen)

    # ---- the search ----

    def clear(self):
        """The requests so far are forgotten, but not what was wrong with them."""
        self.leaks_ever = self.leaks_ever or self.leaks()
        self.heard += len(self.server.seen())
        self.server.clear()

    def leaks(self):
        """Where a secret went that it should not have gone to, of the requests so far."""
        for r in self.server.seen():
            allowed = self.allowed.get(r.sni, ()) if r.port == 443 else self.allowed.get(f"{r.sni}:{r.port}", ())
            for name, value in r.fields:
                if finds(value) and name not in allowed:
                    return f"{name} of {r}"
            if finds(r.target) and "?" not in allowed:
                return f"target of {r}"
            if finds(r.body):
                return f"body of {r}"
        return None


def is_root():
    """Of the machine, and not of a namespace."""
    with open("/proc/self/uid_map") as f:
        return os.geteuid() == 0 and f.read().split()[1] == "0"


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False
