# Workflows with processes and what the system says about itself. Sourced by worker; see lib.bash.
# shellcheck shell=bash

work 'ps, pgrep, pkill, pidof, kill -0' ps pgrep <<'end'
sleep 312 &
eventually pgrep -P $$ -x sleep
ps -o comm= -p $!
pgrep -x sleep | grep -cx $!
ps aux | grep -c " $! .*[s]leep 312"
pkill -P $$ -x sleep
wait $! || echo $?
sleep 5 &
eventually pgrep -P $$ -x sleep
pidof sleep | grep -cw $!
kill $!
ps -o ppid= -p $$ | grep -c .
ps -ef | head -1 | awk '{print $1, $2}'
end

work 'top -bn1, free, uptime, vmstat, nproc, lscpu' top free <<'end'
top -bn1 | grep -c '^ *PID'
free -m | grep -c Mem
uptime | grep -c load
nproc
getconf _NPROCESSORS_ONLN
grep -c ^processor /proc/cpuinfo
grep MemTotal /proc/meminfo
lscpu | grep '^CPU(s)'
vmstat 2>/dev/null | head -1 | cut -c1-5
cat /proc/loadavg | wc -w
end

work 'id, whoami, groups, getent passwd, logname' getent <<'end'
id
whoami
id -un
groups
getent passwd "$(id -u)"
getent group "$(id -g)"
getent passwd root
echo ~root
echo ~
python3 -c 'import pwd, os; print(pwd.getpwuid(os.getuid()).pw_name)'
end

work 'hostname, uname' hostname <<'end'
hostname
uname -srm
uname -n
cat /proc/sys/kernel/hostname
cat /etc/hostname
cat /etc/os-release | head -1
end

work 'machine and system files that tools read' <<'end'
ls /etc/passwd /etc/group /etc/os-release /etc/ld.so.cache /etc/localtime /proc/version /proc/stat /proc/self/status /proc/sys/vm/overcommit_memory /sys/devices/system/cpu/online
cat /proc/sys/kernel/pid_max >/dev/null
cat /sys/fs/cgroup/cgroup.controllers 2>/dev/null | head -0
cat /proc/self/cgroup >/dev/null
cat /proc/1/comm >/dev/null && echo 1
end

# Where sudo needs no password it works when bare; in a cell never.
work 'sudo and su fail at once' sudo su <<'end'
quick sudo -n -u nobody-such true 2>/dev/null || echo "sudo $?"
quick su -c true </dev/null >/dev/null 2>&1 || echo "su $?"
end

cell 'sudo says why' sudo <<'end'
sudo -n true 2>&1 | grep -iE 'no new privileges|setuid'
end

work 'nice, ionice, taskset, chrt' nice taskset <<'end'
nice -n 5 nice
taskset -c 0 nproc
renice -n 3 -p $$ >/dev/null
nice
ionice -c 3 true
nice -n -5 true 2>/dev/null
echo $?
end

work 'POSIX message queues' gcc <<'end'
cat >q.c <<'c'
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
int main(void) {
	mqd_t m = mq_open("/agentjail-wf", O_CREAT | O_RDWR, 0600, 0);
	if (m < 0) return perror("mq_open"), 1;
	mq_unlink("/agentjail-wf"); return puts("made"), 0;
}
c
d=$(mktemp -d)
gcc -o "$d/q" q.c -lrt
"$d/q" || { rm -r "$d"; exit 1; }
rm -r "$d"
end

work 'POSIX semaphores and shared memory, System V' gcc <<'end'
cat >i.c <<'c'
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
	sem_t *s = sem_open("/agentjail-wf", O_CREAT | O_EXCL, 0600, 0);
	int fd = shm_open("/agentjail-wf", O_CREAT | O_RDWR, 0600);
	if (s == SEM_FAILED || fd < 0 || ftruncate(fd, 4096)) return perror("open"), 1;
	char *p = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!fork()) { strcpy(p, "shared"); sem_post(s); _exit(0); }
	sem_wait(s); puts(p); sem_unlink("/agentjail-wf"); shm_unlink("/agentjail-wf"); wait(0);
	int id = shmget(IPC_PRIVATE, 4096, 0600); void *a = shmat(id, 0, 0); printf("%d\n", a != (void *)-1); shmctl(id, IPC_RMID, 0);
	int q = msgget(IPC_PRIVATE, 0600); printf("%d\n", q >= 0); msgctl(q, IPC_RMID, 0);
}
c
gcc i.c -o i -lrt -pthread; ./i; ipcs -m | head -2 | tail -1
end

work 'threads, futexes, process-shared locks, fork of many, posix_spawn' gcc <<'end'
cat >t.c <<'c'
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
extern char **environ;
static int n; static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static void *f(void *a) { for (int i = 0; i < 1000; i++) { pthread_mutex_lock(&m); n++; pthread_mutex_unlock(&m); } return a; }
int main(void) {
	pthread_t t[50]; for (int i = 0; i < 50; i++) if (pthread_create(&t[i], 0, f, 0)) return 1;
	for (int i = 0; i < 50; i++) pthread_join(t[i], 0);
	printf("%d\n", n); fflush(stdout); pid_t p; char *v[] = { "echo", "spawned", 0 }; int s;
	if (posix_spawnp(&p, "echo", 0, 0, v, environ)) return 2; waitpid(p, &s, 0); return s;
}
c
gcc t.c -o t -pthread; ./t
end

work 'timers, signalfd, pidfd, prctl, getrandom, clone3, statx, io_uring fails or works the same' gcc <<'end'
cat >k.c <<'c'
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>
int main(void) {
	char b[8]; struct statx x; sigset_t s; sigemptyset(&s); sigaddset(&s, SIGUSR1);
	printf("%d %d %d %d %d %d\n", timerfd_create(CLOCK_MONOTONIC, 0) > 0, signalfd(-1, &s, 0) > 0,
		(int)syscall(SYS_pidfd_open, getpid(), 0) > 0, prctl(PR_SET_NAME, "x"), (int)getrandom(b, 8, 0),
		statx(AT_FDCWD, ".", 0, STATX_ALL, &x));
	printf("%d\n", (int)syscall(SYS_close_range, 50, 60, 0)); printf("%d\n", (int)syscall(SYS_membarrier, 0, 0, 0) >= 0);
	printf("%d\n", (int)syscall(SYS_faccessat2, AT_FDCWD, "README", 4, 0)); printf("%d\n", prctl(PR_SET_PDEATHSIG, 9));
}
c
gcc k.c -o k; ./k
end

work 'unix sockets in the project and in /tmp, abstract too' python3 <<'end'
cat >u.py <<'p'
import os, socket, tempfile
for name in './sock', tempfile.mkdtemp() + '/sock', '\0agentjail-wf-%d' % os.getpid():
    s = socket.socket(socket.AF_UNIX); s.bind(name); s.listen(); c = socket.socket(socket.AF_UNIX); c.connect(name)
    a, _ = s.accept(); a.send(b'ok'); print(c.recv(2), a.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[4:8] == os.getuid().to_bytes(4, 'little'))
    d = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); d.close()
os.unlink('sock')
p
python3 u.py
end

cell 'an orphan is reaped' <<'end'
sh -c '(sleep 0.2 & echo $! >pid); exit 0'
sleep 0.5
! kill -0 "$(cat pid)"
end

work 'fifty children are waited for' <<'end'
bash -c 'for i in {1..50}; do sleep 0.1 & done; wait; echo all'
end

work 'lsof, fuser or /proc tell who has a file open' <<'end'
exec 7<README
ls -l /proc/$$/fd/7 | sed 's/.*-> //'
readlink /proc/self/exe
cat /proc/self/comm
grep -c README /proc/self/maps || true
end

differs stdout '^own$' 'a cell shows its own processes alone'
work 'processes of others are not seen' ps <<'end'
ps -e -o comm= | grep -qx timeout && echo theirs || echo own
end

differs stdout 'readable 0' 'the capability sets are empty, the bounding set too'
work 'capabilities' <<'end'
echo "readable $(grep CapBnd /proc/self/status | tr -d '[:alpha:]:\t' | sed 's/^0*$/0/')"
end

differs status,stdout 'not permitted|No space|denied|failed' 'a cell makes no namespaces of its own: [sandbox] userns = yes'
work 'unshare -r' unshare <<'end'
unshare -Ur id -u
end

cell 'a command that kills all it can leaves the session standing' <<'end'
sleep 300 & (sleep 0.3; echo waited); kill -0 $! && kill $!
end
