/* Attacks on the kernel's surface: calls without a use in a cell, by every calling convention. */
#include "cli/selftest.h"

#define ACT(id, title, source, act, reached, flags)                                                \
	{                                                                                          \
		id, title, source, SELFTEST_ACT, act, NULL, reached, NULL, NULL, NULL, NULL, flags \
	}

/* clang-format off: one row an attack */
const struct selftest_attack selftest_attacks_kernel[] = {
	ACT("io-uring", "io_uring", "celln#30", "sys io_uring_setup", NULL, 0),
	ACT("io-uring-32", "io_uring by the 32-bit gate", "birdcage#32", "sys32 io_uring_setup",
		NULL, 0),
	ACT("userns", "a user namespace of its own", "srt and Codex, userns allowed",
		"sys unshare-user", NULL, 0),
	ACT("userns-clone", "the same by clone", "srt and Codex, userns allowed", "clone 2", NULL,
		0),
	ACT("userns-clone3", "the same by clone3, flags behind a pointer", "sandlock#47", "clone 3",
		NULL, 0),
	ACT("userns-32", "the same by the 32-bit gate", "birdcage#32", "sys32 unshare-user", NULL,
		0),
	ACT("keyring-user", "the user's keyring", "Codex, keyctl allowed", "sys keyctl", NULL, 0),
	ACT("keyring-32", "the user's keyring by the 32-bit gate", "birdcage#32", "sys32 keyctl",
		NULL, 0),
	ACT("key-session", "a key of the session that started it", "Codex, session keyring",
		"key agentjail-selftest", NULL, 0),
	ACT("add-key", "a key of its own", "keyctl class", "sys add_key", NULL, 0),
	ACT("request-key", "an upcall for a key", "keyctl class", "sys request_key", "ENOKEY", 0),
	ACT("bpf", "bpf", "bpf class", "sys bpf", "EINVAL", 0),
	ACT("bpf-32", "bpf by the 32-bit gate", "birdcage#32", "sys32 bpf", "EINVAL", 0),
	ACT("userfaultfd", "userfaultfd", "userfaultfd class", "sys userfaultfd", NULL, 0),
	ACT("perf", "perf_event_open", "perf class", "sys perf_event_open", "EINVAL", 0),
	ACT("quota", "quotactl", "call table", "sys quotactl", "EINVAL", 0),
	ACT("clock", "set the clock", "call table", "sys clock_settime", "EINVAL", 0),
	ACT("iopl", "iopl", "call table", "sys iopl", "EINVAL", 0),
	ACT("ioperm", "ioperm", "call table", "sys ioperm", "EINVAL", 0),
	ACT("x32", "a call of the x32 table", "birdcage#32", "sys x32-getpid", NULL, 0),
	ACT("socketcall-32", "a packet socket by the 32-bit gate", "firedancer#9185",
		"sys32 socketcall-packet", NULL, SELFTEST_ROOT),
	ACT("kexec", "load a kernel", "root in a container", "sys kexec_load", "EINVAL",
		SELFTEST_ROOT),
	ACT("module", "load a module", "root in a container", "sys init_module", "ENOEXEC",
		SELFTEST_ROOT),
	ACT("swap-on", "swapon", "root in a container", "sys swapon", "ENOENT", SELFTEST_ROOT),
	ACT("hostname", "set the host's name", "root in a container", "sys sethostname", "EINVAL",
		SELFTEST_ROOT),
	ACT("acct", "process accounting", "root in a container", "sys acct", "ENOENT",
		SELFTEST_ROOT),
	ACT("tiocsti", "type into the terminal (TIOCSTI)", "CVE-2017-5226", "tty sti plain", NULL,
		0),
	ACT("tiocsti-high", "TIOCSTI with the high 32 bits set", "firedancer#9185", "tty sti high",
		NULL, 0),
	ACT("tiocsti-32", "TIOCSTI by the 32-bit gate", "birdcage#32", "tty sti gate", NULL, 0),
	ACT("tioclinux", "paste into the console (TIOCLINUX)", "CVE-2017-5226 class",
		"tty linux plain", "ENOTTY", 0),
	ACT("tioclinux-high", "TIOCLINUX with the high 32 bits set", "firedancer#9185",
		"tty linux high", "ENOTTY", 0),
	{ NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0 },
};
/* clang-format on */
