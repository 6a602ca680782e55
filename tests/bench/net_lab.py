"""The network bench's namespace: names, an origin, the competitors, and a cell; all as one user."""
import os
import shutil
import subprocess
import time

import origin

HOSTS = "free.test api.test"
DROP = [] if os.geteuid() == 0 else ["setpriv", "--inh-caps=-all", "--ambient-caps=-all"]
TOKEN = "correct-horse-battery-staple"

NGINX = """
worker_processes 2;
pid {base}/nginx.pid;
error_log {base}/nginx.log;
events {{ worker_connections 4096; }}
http {{
	access_log off;
	client_body_temp_path {base}/body; proxy_temp_path {base}/t1; fastcgi_temp_path {base}/t2;
	uwsgi_temp_path {base}/t3; scgi_temp_path {base}/t4;
	client_max_body_size 0; keepalive_requests 1000000; tcp_nodelay on;
	ssl_certificate {cert}; ssl_certificate_key {cert};
	ssl_protocols TLSv1.2 TLSv1.3;
	server {{
		listen 127.0.0.1:443 ssl http2 backlog=4096;
		location = /small {{ return 200 "a small answer, as long as many a JSON body is that says ok\\n"; }}
		location = /up {{ return 200 "taken\\n"; }}
		location = /big {{ alias {base}/big; }}
	}}
}}
"""

SQUID = """
http_port 127.0.0.1:3128
http_port 127.0.0.1:3129 ssl-bump tls-cert={ca} generate-host-certificates=on dynamic_cert_mem_cache_size=4MB
sslcrtd_program /usr/lib/squid/security_file_certgen -s {base}/ssl_db -M 4MB
sslcrtd_children 1
acl bumping localport 3129
ssl_bump bump bumping
ssl_bump splice all
tls_outgoing_options cafile={roots}
request_header_add Authorization "Bearer {token}" all
http_access allow all
cache deny all
access_log none
cache_log {base}/squid.log
pid_filename {base}/squid.pid
coredump_dir {base}
visible_hostname bench
shutdown_lifetime 0 seconds
workers 1
"""

PROFILE = """
[egress]
allow = free.test
private = {hosts}

[inject api]
host = api.test
header = Authorization: Bearer {{secret}}
secret = env:BENCH_TOKEN
"""


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def say(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def namespace(base, root):
    """lo, names and the authorities of this mount namespace alone."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    write(f"{base}/hosts", f"127.0.0.1 localhost {HOSTS}\n")
    write(f"{base}/resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    write(f"{base}/bundle", say(bundle) + say(root))
    for name, target in (("hosts", "/etc/hosts"), ("bundle", bundle), ("resolv.conf", "/etc/resolv.conf")):
        subprocess.run(["mount", "--bind", f"{base}/{name}", os.path.realpath(target)], check=True)


class Shell:
    """A shell, in a cell or bare, that runs a command line after the other."""

    def __init__(self, base, prefix, env):
        self.process = subprocess.Popen(
            DROP + prefix + ["sh", "-c", 'while read -r line; do eval "$line" 2>&1 | tr "\\n" "~"; echo; done'],
            cwd=f"{base}/home/project", env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, line):
        """What it printed."""
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().decode().replace("~", "\n").strip()


class Lab:
    """Everything that runs; close() ends it."""

    def __init__(self, base, program):
        self.base, self.running, self.missing = base, [], {}
        self.env = {"HOME": f"{base}/home", "PATH": os.environ["PATH"], "BENCH_TOKEN": TOKEN}
        ca = origin.make_ca(base, "ca", "-addext", "basicConstraints=critical,CA:TRUE")
        cert = origin.make_leaf(base, "good", ca, HOSTS.split())
        namespace(base, ca[0])
        write(f"{base}/both.pem", say(ca[0]) + say(ca[1]))
        with open(f"{base}/big", "wb") as file:
            file.truncate(64 << 20)
        write(f"{base}/nginx.conf", NGINX.format(base=base, cert=cert))
        self.start("nginx", ["nginx", "-c", f"{base}/nginx.conf", "-e", f"{base}/nginx.log", "-g", "daemon off;"])
        self.relay = self.start("relay", [f"{base}/home/project/relay", "9443", "443"])
        self.start("asker", [f"{base}/home/project/relay", "9081", "8081", "api.test:443"])
        self.start_squid(ca)
        self.start("mitmdump", ["mitmdump", "-q", "--listen-host", "127.0.0.1", "--listen-port", "8081", "--set",
                                f"confdir={base}/mitm", "--set", f"ssl_verify_upstream_trusted_ca={ca[0]}",
                                "--modify-headers", f"/~q/Authorization/Bearer {TOKEN}"])
        write(f"{base}/lab.ini", PROFILE.format(hosts=HOSTS))
        self.bare = Shell(base, [], self.env)
        self.cell = Shell(base, [program, "-q", "run", "-p", f"{base}/lab.ini", "--"], self.env)
        self.wait_for_ports()

    def start(self, name, command):
        """A server; None when it is not installed. In a session of its own, as the proxy is: they are scheduled
        as one (sched(7), autogroup)."""
        if shutil.which(command[0]) is None:
            self.missing[name] = "not here"
            return None
        log = open(f"{self.base}/{name}.out", "wb")
        process = subprocess.Popen(command, cwd=self.base, env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=log, start_new_session=True)
        self.running.append((name, process))
        return process

    def start_squid(self, ca):
        """Both of its ports."""
        certgen = "/usr/lib/squid/security_file_certgen"
        if shutil.which("squid") is None or not os.access(certgen, os.X_OK):
            self.missing["squid"] = "not here"
            return
        subprocess.run([certgen, "-c", "-s", f"{self.base}/ssl_db", "-M", "4MB"], check=True, capture_output=True)
        write(f"{self.base}/squid.conf", SQUID.format(base=self.base, ca=f"{self.base}/both.pem", roots=ca[0],
                                                      token=TOKEN))
        self.start("squid", ["squid", "-N", "-f", f"{self.base}/squid.conf"])

    def wait_for_ports(self):
        """A server whose port does not answer within 20 seconds is one that failed."""
        ports = {"nginx": [443], "relay": [9443], "asker": [9081], "squid": [3128, 3129], "mitmdump": [8081]}
        deadline = time.time() + 20
        for name, process in self.running:
            for port in ports[name]:
                while not self.listens(port) and time.time() < deadline and process.poll() is None:
                    time.sleep(0.1)
                if not self.listens(port):
                    self.missing[name] = "FAILED"

    @staticmethod
    def listens(port):
        """By the kernel's table: connecting would leave a trace in a server."""
        return f":{port:04X} 00000000:0000 0A" in say("/proc/net/tcp")

    def roles(self):
        """{role: [process ids]} of the proxy and the keepers of the cell's session."""
        found = {"@proxy": [], "@keeper": []}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = say(f"/proc/{pid}/cmdline").split("\0")
            except OSError:
                continue
            for role, pids in found.items():
                if role in words[1:2] and self.is_ours(int(pid)):
                    pids.append(int(pid))
        return found

    def is_ours(self, pid):
        """Is it below the cell's agentjail?"""
        while pid > 1:
            if pid == self.cell.process.pid:
                return True
            try:
                pid = int(say(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[1])
            except OSError:
                return False
        return False

    def close(self):
        """Ends what was started."""
        for shell in (self.cell, self.bare):
            shell.process.stdin.close()
            shell.process.wait(20)
        for _, process in self.running:
            process.terminate()
        for _, process in self.running:
            process.wait(20)
