#!/bin/sh
# Installs what building and testing need and is not there; does nothing when all of it is.
#
# usage: tests/deps.sh [build|demo|check|bench]    to build, to see the demo, to test (the default),
#   to measure beside others
#   Rows: how to see that it is there, then the package for apt, dnf, pacman, zypper.
#   A leading '?' on the check: optional, a failure to install it is said and no more.
#   NODE_MIN, AGENTJAIL_TEST_CACHE: see the end
set -eu

table='
build command:cc                     gcc                      gcc                  gcc             gcc
build header:errno.h                 libc6-dev                glibc-devel          glibc           glibc-devel
build header:linux/seccomp.h         linux-libc-dev           kernel-headers       linux-api-headers linux-glibc-devel
build command:make                   make                     make                 make            make
build command:pkg-config             pkg-config               pkgconf-pkg-config   pkgconf         pkg-config
build pkg:libseccomp                 libseccomp-dev           libseccomp-devel     libseccomp      libseccomp-devel
build header:sys/capability.h        libcap-dev               libcap-devel         libcap          libcap-devel
build header:ini.h                   libinih-dev              inih-devel           libinih         libinih-devel
build header:event2/event.h          libevent-dev             libevent-devel       libevent        libevent-devel
build header:ares.h                  libc-ares-dev            c-ares-devel         c-ares          c-ares-devel
build header:openssl/ssl.h           libssl-dev               openssl-devel        openssl         libopenssl-devel
build header:nghttp2/nghttp2.h        libnghttp2-dev           libnghttp2-devel     libnghttp2      libnghttp2-devel
build header:brotli/decode.h         libbrotli-dev            brotli-devel         brotli          libbrotli-devel
build header:zstd.h                  libzstd-dev              libzstd-devel        zstd            libzstd-devel
build header:zlib.h                  zlib1g-dev               zlib-devel           zlib            zlib-devel
check command:bats                   bats                     bats                 bash-bats       bats
demo  command:curl                   curl                     curl                 curl            curl
demo  command:git                    git                      git                  git             git
demo  command:python3                python3                  python3              python          python3
demo  command:node                   nodejs                   nodejs               nodejs          nodejs-default
demo  command:npm                    npm                      npm                  npm             npm-default
check command:psql                 postgresql               postgresql-server    postgresql      postgresql-server
check command:strace                 strace                   strace               strace          strace
check command:mandoc                 mandoc                   mandoc               mandoc          mandoc
check command:shellcheck             shellcheck               ShellCheck           shellcheck      ShellCheck
check command:patch                  patch                    patch                patch           patch
check command:setpriv                util-linux               util-linux           util-linux      util-linux
check command:ip                     iproute2                 iproute              iproute2        iproute2
check command:nc                     netcat-openbsd           nmap-ncat            openbsd-netcat  netcat-openbsd
check command:openssl                openssl                  openssl              openssl         openssl
check ?command:cppcheck              cppcheck                 cppcheck             cppcheck        cppcheck
check ?command:clang                 clang                    clang                clang           clang
check ?command:clang-tidy            clang-tidy               clang-tools-extra    clang           clang-tools
check ?command:aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu    gcc-aarch64-linux-gnu aarch64-linux-gnu-gcc cross-aarch64-gcc12
check ?cross:signal.h                libc6-dev-arm64-cross    glibc-arm-linux-gnu  aarch64-linux-gnu-glibc cross-aarch64-glibc-devel
check ?compile:-m32                  gcc-multilib             glibc-devel.i686     lib32-gcc-libs  gcc-32bit
check ?command:go                    golang-go                golang               go              go
check ?python:botocore               python3-botocore         python3-botocore     python-botocore python3-botocore
check ?syspython:h2                  python3-h2               python3-h2           python-h2       python3-h2
check ?syspython:grpc                python3-grpcio           python3-grpcio       python-grpcio   python3-grpcio
check ?syspython:boto3               python3-boto3            python3-boto3        python-boto3    python3-boto3
check ?syspython:requests            python3-requests         python3-requests     python-requests python3-requests
check ?syspython:aiohttp             python3-aiohttp          python3-aiohttp      python-aiohttp  python3-aiohttp
check ?command:javac                 default-jdk-headless     java-devel           jdk-openjdk     java-devel
check ?command:gh                    gh                       gh                   github-cli      gh
check ?command:chromium              chromium                 chromium             chromium        chromium
check ?command:pre-commit           pre-commit               pre-commit           pre-commit      python3-pre-commit
check ?command:vim                  vim                      vim-enhanced         vim             vim
check ?command:wget                  wget                     wget                 wget            wget
check ?command:bwrap                 bubblewrap               bubblewrap           bubblewrap      bubblewrap
bench ?command:nginx                 nginx-light              nginx                nginx           nginx
bench ?command:squid                 squid-openssl            squid                squid           squid
bench ?command:mitmdump              mitmproxy                mitmproxy            mitmproxy       mitmproxy
bench ?command:h2load                nghttp2-client           nghttp2              nghttp2         nghttp2
'

compiles() { # OPTION... ; the program comes on standard input
	"${CC:-cc}" "$@" -x c - -o /dev/null >/dev/null 2>&1
}

is_there() {
	case $1 in
	command:*) command -v "${1#*:}" >/dev/null 2>&1 ;;
	pkg:*) pkg-config --exists "${1#*:}" 2>/dev/null ;;
	header:*) printf '#include <%s>\nint main(void){return 0;}\n' "${1#*:}" | compiles ;;
	cross:*) printf '#include <%s>\n#include <asm/unistd.h>\n' "${1#*:}" |
		aarch64-linux-gnu-gcc -ffreestanding -x c -c - -o /dev/null >/dev/null 2>&1 ;;
	syspython:*) /usr/bin/python3 -c "import ${1#*:}" 2>/dev/null ;;
	python:*) python3 -c "import ${1#*:}" 2>/dev/null ;;
	compile:*) printf '#include <stdio.h>\nint main(void){return 0;}\n' | compiles "${1#*:}" ;;
	esac
}

manager() {
	for m in apt-get dnf pacman zypper; do
		if command -v $m >/dev/null 2>&1; then
			echo $m
			return
		fi
	done
	echo none
}

as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

updated=
install_packages() {
	case $manager in
	apt-get)
		if [ -z "$updated" ]; then as_root apt-get update -q; fi
		updated=yes
		as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
			--no-install-recommends "$@"
		;;
	dnf) as_root dnf install -y -q "$@" ;;
	pacman) as_root pacman -S --needed --noconfirm "$@" ;;
	zypper) as_root zypper --non-interactive install "$@" ;;
	*)
		echo "deps: no apt-get, dnf, pacman or zypper here; install by hand: $*" >&2
		return 1
		;;
	esac
}

# Fills `needed` and `optional` with the packages of rows that are not there.
collect() {
	needed='' optional=''
	while read -r group check apt dnf pacman zypper; do
		case " $groups " in *" ${group:-none} "*) ;; *) continue ;; esac
		if is_there "${check#\?}"; then continue; fi
		case $manager in
		dnf) package=$dnf ;;
		pacman) package=$pacman ;;
		zypper) package=$zypper ;;
		*) package=$apt ;;
		esac
		case $check in
		\?*) optional="$optional $package" ;;
		*) needed="$needed $package" ;;
		esac
	done <<-ROWS
		$table
	ROWS
}

# The agents of the tests ask for this much; an older node of the distribution stays where it is
# and the one of npm's package `node` comes first in the tests' PATH (tests/run).
node_is_new() {
	major=$("$1" -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
	[ "$major" -ge "${NODE_MIN:-20}" ]
}

need_node() {
	cache=$("$(dirname "$0")/cache")
	if node_is_new node || node_is_new "$cache/node/node_modules/node/bin/node"; then return; fi
	mkdir -p "$cache/node"
	npm install --silent --no-audit --no-fund --prefix "$cache/node" node@22
}

# The makers' own libraries, for the tests of rules; they are skipped without.
SDKS="@anthropic-ai/sdk@1.13.0 openai@6.49.0"
need_sdks() {
	cache=$("$(dirname "$0")/cache")
	if [ -d "$cache/sdk/node_modules/openai" ]; then return; fi
	mkdir -p "$cache/sdk"
	# shellcheck disable=SC2086 # several words
	npm install --silent --no-audit --no-fund --prefix "$cache/sdk" $SDKS >/dev/null 2>&1 ||
		echo "deps: $SDKS cannot be had here; the tests that need them are skipped" >&2
}

# What projects of today are made with, for the workflows; they are skipped without.
TOOLS="husky@9.1.7 pnpm@9.15.9"
need_tools() {
	cache=$("$(dirname "$0")/cache")
	if [ -d "$cache/tools/node_modules/pnpm" ]; then return; fi
	mkdir -p "$cache/tools"
	# shellcheck disable=SC2086 # several words
	npm install --silent --no-audit --no-fund --prefix "$cache/tools" $TOOLS >/dev/null 2>&1 ||
		echo "deps: $TOOLS cannot be had here; the tests that need them are skipped" >&2
}

case ${1:-check} in
build) groups="build" ;;
demo) groups="build demo" ;;
bench) groups="build bench" ;;
*) groups="build demo check" ;;
esac
manager=$(manager)
collect
# Unquoted: the lists are split into packages.
# shellcheck disable=SC2086
if [ -n "$needed" ]; then install_packages $needed; fi
for package in $optional; do
	install_packages "$package" >/dev/null 2>&1 ||
		echo "deps: $package cannot be had here; the tests that need it are skipped" >&2
done
case $groups in *demo*) need_node ;; esac
case $groups in *check*) need_sdks && need_tools ;; esac
