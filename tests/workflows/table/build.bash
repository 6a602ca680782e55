# Workflows with compilers, build tools and debuggers. Sourced by worker; see lib.bash.
# shellcheck shell=bash

work 'make, make check, make -j, make clean' make gcc <<'end'
make CC=gcc
make check
make clean
make -j2 CC=gcc check
make -n clean
make nothing 2>&1 || echo "status $?"
end

work 'gcc: objects, archive, shared library, run with LD_LIBRARY_PATH' gcc <<'end'
mkdir out
echo 'int f(void){return 42;}' >f.c
echo 'int f(void); int main(void){return f();}' >m.c
gcc -fPIC -c f.c -o out/f.o
ar rcsD out/libf.a out/f.o
gcc -shared -o out/libf.so out/f.o
gcc m.c -Lout -lf -o out/dynamic
gcc m.c out/libf.a -o out/static
LD_LIBRARY_PATH=out out/dynamic || echo $?
out/static || echo $?
end

work 'gcc -static, -pipe, -save-temps, g++' gcc g++ <<'end'
gcc -static -pipe src/hello.c -o hello && ./hello
printf '#include <iostream>\nint main(){std::cout<<"c++\\n";}\n' >x.cc
g++ x.cc -o x
./x
end

work 'clang, and with -fsanitize=address,undefined' clang <<'end'
clang src/hello.c -o hello
./hello
printf 'int main(int c,char**v){(void)v;int a[2]={0};return a[c+5];}\n' >bad.c
# The sanitizers' runtime is a package of its own.
if clang -g -fsanitize=address,undefined bad.c -o bad 2>/dev/null; then
	./bad 2>&1 | grep -oE 'stack-buffer-overflow' | head -1
fi
end

work 'gcc -fsanitize=address with its leak check' gcc <<'end'
printf '#include <stdlib.h>\nint main(void){char*volatile p=malloc(7);p=0;return !!p;}\n' >leak.c
gcc -fsanitize=address leak.c -o leak
./leak 2>&1 | grep -o 'LeakSanitizer: detected memory leaks' || echo 'no leak found'
end

ignore '*/out/*'
work 'cmake and ninja, ctest' cmake ninja gcc <<'end'
printf 'cmake_minimum_required(VERSION 3.10)\nproject(hello C)\nadd_executable(hello src/hello.c)\nenable_testing()\nadd_test(NAME run COMMAND hello)\n' >CMakeLists.txt
cmake -S . -B out -G Ninja >/dev/null
ninja -C out | tail -1
out/hello
cd out
ctest 2>&1 | grep 'tests passed'
end

ignore '*/out/*'
work 'cmake with make' cmake make gcc <<'end'
printf 'cmake_minimum_required(VERSION 3.10)\nproject(hello C)\nadd_executable(hello src/hello.c)\n' >CMakeLists.txt
cmake -S . -B out >/dev/null
make -C out -j2 | tail -1
out/hello
end

session 'ccache: the second build hits, within one session' ccache gcc <<'end'
ccache gcc -c src/hello.c -o one.o
ccache -s | grep -E '^ *(Hits|Misses)' | head -2
---
ccache gcc -c src/hello.c -o two.o
ccache -s | grep -E '^ *(Hits|Misses)' | head -2
cmp one.o two.o
end

work 'gdb batch: breakpoint, backtrace, expression' gdb gcc <<'end'
make CC=gcc >/dev/null
gdb -q -nx -batch -ex 'break main' -ex run -ex bt -ex 'print 6*7' -ex continue ./hello 2>&1 |
	grep -vE '^\[|libthread_db|warning|exited normally|debuginfod|^$'
end

work 'gdb attaches to a running process' gdb <<'end'
sleep 60 & gdb -q -nx -batch -p $! -ex 'info inferiors' 2>&1 | grep -cE '^\* 1 +process'
kill $!
end

work 'strace -f' strace <<'end'
strace -f -e trace=execve -o trace sh -c 'true; /bin/true'
grep -c execve trace
rm trace
strace -c -o /dev/null true
end

work '/proc/self: cmdline, cwd, maps, fd' <<'end'
tr '\0' ' ' </proc/self/cmdline
echo
readlink /proc/self/cwd
grep -c . /proc/self/maps >/dev/null
ls /proc/self/fd | wc -l
end

work 'valgrind finds a leak' valgrind gcc <<'end'
printf '#include <stdlib.h>\nint main(void){return !malloc(9);}\n' >leak.c
gcc -g leak.c -o leak
valgrind -q --leak-check=full --error-exitcode=9 ./leak 2>&1 | grep -oE '9 bytes in 1 blocks are definitely lost'
end

work 'programs of 32 bits' gcc <<'end'
gcc -m32 src/hello.c -o hello 2>/dev/null || { echo 'no compiler for it'; exit 0; }
./hello
end

work 'a static pie, a program without stack protector, one that makes code as it runs' gcc <<'end'
cat >jit.c <<'c'
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
int main(void) {
	unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
	void *p = mmap(0, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) return 1;
	memcpy(p, code, sizeof(code)); printf("%d\n", ((int (*)(void))p)()); return 0;
}
c
[ "$(uname -m)" != x86_64 ] || { gcc jit.c -o jit; ./jit; }
gcc -static-pie src/hello.c -o hello
./hello
cat ./hello | gcc -x c - -o h2 <src/hello.c
./h2
end

work 'make with recursion, parallel, and a failing rule' make <<'end'
printf 'all: a b\na b:\n\t@+$(MAKE) -s -f sub.mk $@x\nbad:\n\t@exit 3\n' >top.mk
printf '%%x:\n\t@sleep 0.1; echo $@\n' >sub.mk
make --no-print-directory -j4 -f top.mk | sort
make --no-print-directory -f top.mk bad 2>/dev/null || echo $?
end

work 'a running process is traced' strace <<'end'
sleep 30 & p=$!
(sleep 0.5; kill $p) & strace -qq -o trace -p $p 2>/dev/null || true
grep -c 'killed by SIGTERM' trace
rm trace
end

ignore '*.gcda' '*.gcno' '*/cov'
work 'gcov coverage files' gcc gcov <<'end'
gcc --coverage src/hello.c -o cov
./cov
gcov -o . cov-hello.gcda 2>/dev/null | grep -c executed
end

ends 139
work 'a segmentation fault, by status' gcc <<'end'
echo 'int main(void){*(volatile int*)0=1;}' >crash.c
gcc crash.c -o crash
./crash
end

ignore '*/target/*'
work 'cargo: new, build, test, run, offline' cargo gcc <<'end'
cargo init -q --vcs none --name demo crate
cd crate
cargo build -q --offline
cargo run -q --offline
printf '#[test]\nfn sum() { assert_eq!(2 + 2, 4); }\n' >>src/main.rs
cargo test -q --offline 2>&1 | grep -o '1 passed'
end

work 'rustc alone' rustc gcc <<'end'
echo 'fn main() { let v: Vec<u32> = (1..5).collect(); println!("{:?}", v); }' >a.rs
rustc a.rs
./a
rustc --print cfg | grep target_os
end

ignore '*/a.jar'
work 'javac, java, jar, threads' javac java <<'end'
cat >A.java <<'j'
public class A { public static void main(String[] a) throws Exception {
 Thread t = new Thread(() -> System.out.println("thread")); t.start(); t.join();
 System.out.println(System.getProperty("user.name").length() > 0);
 System.out.println(java.nio.file.Files.readString(java.nio.file.Path.of("README"))); } }
j
javac A.java
java -XX:TieredStopAtLevel=1 A
jar cfM a.jar A.class
java -cp a.jar A
end

work 'java: process builder, a server socket on loopback' javac java <<'end'
cat >B.java <<'j'
import java.io.*; import java.net.*;
public class B { public static void main(String[] a) throws Exception {
 try (ServerSocket s = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
  Socket c = new Socket(s.getInetAddress(), s.getLocalPort()); Socket d = s.accept()) {
  d.getOutputStream().write('x'); System.out.println((char) c.getInputStream().read()); }
 Process p = new ProcessBuilder("sh", "-c", "echo from sh; exit 3").redirectErrorStream(true).start();
 System.out.print(new String(p.getInputStream().readAllBytes())); System.out.println(p.waitFor()); } }
j
java -XX:TieredStopAtLevel=1 B.java
end

work 'mvn -o validate, and its version' mvn java <<'end'
echo '<project><modelVersion>4.0.0</modelVersion><groupId>g</groupId><artifactId>a</artifactId><version>1</version></project>' >pom.xml
mvn -o -q -Dmaven.repo.local="$PWD/repository" validate && echo valid
mvn -v | head -1 | grep -o 'Apache Maven'
end
