# Workflows on the network that a cell has: its own loopback, names that are denied. Sourced by worker;
# see lib.bash.
# shellcheck shell=bash

work 'curl to a server in the same command, by name and by number' python3 curl <<'end'
python3 -m http.server 18731 --bind 127.0.0.1 >/dev/null 2>&1 & trap "kill $!" EXIT
eventually curl -fs http://127.0.0.1:18731/README
curl -s http://localhost:18731/README
curl -s -o /dev/null -w '%{http_code}\n' http://127.0.0.1:18731/none
end

work 'nc: a listener and a client, both ways' nc <<'end'
nc -l 127.0.0.1 18732 >got & eventually sh -c 'ss -ltn | grep -q :18732'
echo hello | nc -N 127.0.0.1 18732
wait
cat got
end

work 'a connection to a port where nobody listens is refused at once' curl <<'end'
quick curl -s http://127.0.0.1:18799/ || echo "curl $?"
quick bash -c 'exec 3<>/dev/tcp/127.0.0.1/18799' 2>/dev/null || echo refused
end

work 'servers on all addresses, on localhost, with TLS' openssl curl <<'end'
openssl req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null
openssl s_server -accept 18733 -cert c.pem -key k.pem -www >/dev/null 2>&1 & trap "kill $!" EXIT
eventually curl -fs --cacert c.pem https://localhost:18733/ -o out
grep -c 'Ciphers supported' out
rm k.pem c.pem out
end

work 'servers on ::1, on every address, under the name of the machine' python3 curl <<'end'
python3 -m http.server 18735 --bind ::1 >/dev/null 2>&1 & a=$!
python3 -m http.server 18736 >/dev/null 2>&1 & trap "kill $a $!" EXIT
eventually curl -fs 'http://[::1]:18735/README'
eventually curl -fs http://127.0.0.1:18736/README
curl -s http://localhost:18735/hello.py
curl -s "http://$(hostname):18736/hello.py"
curl -s http://0.0.0.0:18736/hello.py
end

work 'the same port again right after its server has ended' python3 curl <<'end'
for _ in 1 2 3; do python3 -m http.server 18737 --bind 127.0.0.1 >/dev/null 2>&1 & eventually curl -fs http://127.0.0.1:18737/; kill $!; wait $! || true; done
python3 -m http.server 18738 --bind 127.0.0.1 >/dev/null 2>&1 & eventually curl -fs http://127.0.0.1:18738/
python3 -m http.server 18738 --bind 127.0.0.1 2>&1 | grep -o 'Address already in use'
kill $!
end

work 'a websocket-like upgrade, keep-alive and a 50 MB body over loopback' node <<'end'
cat >w.mjs <<'j'
import http from 'http';
const s = http.createServer((q, r) => { if (q.url === '/big') r.end(Buffer.alloc(50e6)); else r.end('x'); });
s.on('upgrade', (q, k) => { k.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n'); k.on('data', d => k.end(d)); });
await new Promise(f => s.listen(0, '127.0.0.1', f)); const port = s.address().port;
for (let i = 0; i < 20; i++) await (await fetch(`http://127.0.0.1:${port}/`)).text();
console.log((await (await fetch(`http://127.0.0.1:${port}/big`)).arrayBuffer()).byteLength);
http.request({ port, host: '127.0.0.1', headers: { Upgrade: 'x', Connection: 'Upgrade' } }).on('upgrade', (r, k) => { k.write('echo'); k.on('data', d => { console.log(String(d)); process.exit(); }); }).end();
j
node w.mjs
end

work 'UDP on loopback' python3 <<'end'
python3 -c 'import socket as s
a = s.socket(2, 2); a.bind(("127.0.0.1", 0)); b = s.socket(2, 2); b.sendto(b"x", a.getsockname()); print(a.recv(9))'
end

work 'names of the machine itself: localhost, hostname' getent python3 <<'end'
getent ahostsv4 localhost | head -1 | awk '{print $1}'
python3 -c 'import socket; print(socket.gethostbyname("localhost"), socket.gethostname() == socket.gethostname()); socket.gethostbyname(socket.gethostname())'
grep -c localhost /etc/hosts | sed 's/[1-9]/some/'
end

work 'ip and ss answer' ip ss <<'end'
ip -br link show lo | awk '{print $1}'
ip addr show lo | grep -c 127.0.0.1
ss -ltn | head -1 | awk '{print $1}'
cat /proc/net/tcp | head -1 | awk '{print $1}'
end

cell 'a denied name fails at once, and says so' curl <<'end'
quick curl -s https://denied.example.org/ && exit 1
quick curl -sS http://denied.example.org/ 2>&1 && exit 1
quick getent hosts denied.example.org; exit 0
end

fault 'the connection is accepted, then reset: who only knocks believes that the port is open'
cell 'a denied name refuses the connection itself' <<'end'
for i in 1 2 3; do bash -c 'exec 3<>/dev/tcp/denied.example.org/443' 2>/dev/null && exit 1; done
exit 0
end

cell 'an address outside fails at once' curl nc <<'end'
quick curl -s http://192.0.2.1/ && exit 1
quick nc -z -w 30 192.0.2.1 443 && exit 1
quick nc -z -w 30 10.0.0.1 22 && exit 1
quick curl -s --max-time 30 'http://[2001:db8::1]/' && exit 1
exit 0
end

cell 'a refused address is told on the standard error of the command' curl <<'end'
exec 2>err
curl -s http://192.0.2.1/ && exit 1
sleep 0.3
curl -s http://192.0.2.1:81/ && exit 1
sleep 0.3
grep -q '^agentjail: connect 192.0.2.1:81 denied by .egress.; see: agentjail why [0-9]*$' err
end

cell 'ping fails at once' ping <<'end'
quick ping -c 1 -w 20 192.0.2.1 && exit 1; exit 0
end

cell 'pip, npm, git, cargo say at once that a host is denied' pip3 npm git <<'end'
quick git ls-remote https://denied.example.org/x.git 2>&1 && exit 1
start=$SECONDS
npm view --registry https://denied.example.org/ --fetch-retries 0 x 2>&1 | tail -3
pip3 download --retries 0 --no-input -i https://denied.example.org/simple x 2>&1 | tail -2
[ $((SECONDS - start)) -lt 10 ]
end

work 'ssh: its version, its keys, a refused connection' ssh <<'end'
ssh -V 2>&1 | cut -c1-7
quick ssh -o BatchMode=yes -o StrictHostKeyChecking=no -p 18798 127.0.0.1 true 2>/dev/null || echo $?
ssh-keygen -q -t ed25519 -N '' -f ./testkey && ls testkey*
rm testkey*
ssh -G localhost | grep ^port
end

work 'docker without a daemon says so' docker <<'end'
quick docker ps >/dev/null 2>&1 || echo "status $?"
docker --version | cut -c1-6
end

cell 'docker names the socket that is not there' docker <<'end'
docker ps 2>&1 | grep -i 'docker.sock'
end
