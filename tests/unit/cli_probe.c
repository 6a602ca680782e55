/*
 * Proves: what `agentjail doctor` says of a machine that refuses namespaces, mounts, modules or
 * ptrace names the true cause and its fix. Such machines are made of facts here.
 */
#include "cli/probe.h"
#include "tap.h"

#include <errno.h>

static struct probe_facts plain_facts(void)
{
	struct probe_facts f = {
		.userns_clone = -1,
		.max_userns = 1000,
		.apparmor_userns = -1,
		.ptrace_scope = 1,
		.memfd_noexec = 0,
		.max_watches = 1 << 20,
		.max_instances = 128,
		.max_queued = 16384,
		.self = "/opt/a b/agentjail",
	};

	return f;
}

static void is_explained(const struct probe_facts *f, enum probe_step step, int error,
	const char *cause, const char *fix)
{
	struct probe_steps steps = { 0 };
	struct probe_result r = { 0 };

	steps.errors[step] = error;
	probe_userns(f, &steps, &r);
	if (step == STEP_MOUNT)
		probe_userns_mount(f, &steps, &r);
	tap_ok(r.state == PROBE_MISSING && strstr(r.found, cause) != NULL &&
			strstr(r.fix, fix) != NULL && r.lost[0] != '\0',
		"%s", cause);
	if (strstr(r.found, cause) == NULL || strstr(r.fix, fix) == NULL)
		printf("# found: %s\n# fix: %s\n", r.found, r.fix);
}

static void test_userns(void)
{
	struct probe_facts f = plain_facts();

	f.userns_clone = 0; /* Debian 10, or hardened */
	is_explained(&f, STEP_USERNS, EPERM, "kernel.unprivileged_userns_clone is 0",
		"sysctl -w kernel.unprivileged_userns_clone=1");
	f = plain_facts();
	f.max_userns = 0; /* RHEL 7, CIS */
	is_explained(&f, STEP_USERNS, ENOSPC, "user.max_user_namespaces is 0",
		"sysctl -w user.max_user_namespaces=");
	f = plain_facts();
	f.max_userns = 3; /* used up */
	is_explained(&f, STEP_USERNS, ENOSPC, "user.max_user_namespaces is 3", "60-agentjail.conf");
	f = plain_facts();
	f.apparmor_userns = 1; /* Ubuntu 23.10: the maps or the first mount fail, not the namespace */
	is_explained(&f, STEP_MAPS, EACCES, "kernel.apparmor_restrict_unprivileged_userns is 1",
		"profile agentjail \"/opt/a b/agentjail\"");
	is_explained(&f, STEP_MOUNT, EACCES, "kernel.apparmor_restrict_unprivileged_userns is 1",
		"apparmor_parser -r");
	f = plain_facts();
	f.is_container = true;
	is_explained(&f, STEP_USERNS, EPERM, "by the container", "--security-opt seccomp=unconfined");
	f = plain_facts();
	f.is_chroot = true;
	is_explained(&f, STEP_USERNS, EPERM, "in a chroot", "leave the chroot");
	f = plain_facts();
	is_explained(&f, STEP_USERNS, EINVAL, "without CONFIG_USER_NS", "standard kernel");
	is_explained(&f, STEP_USERNS, EPERM, "no known switch", "/sys/kernel/security/lsm");
}

/* The switches bind ordinary users: root's failure has another cause. */
static void test_root(void)
{
	struct probe_facts f = plain_facts();

	f.is_root = true;
	f.userns_clone = 0;
	f.apparmor_userns = 1;
	f.is_container = true;
	is_explained(&f, STEP_USERNS, EPERM, "by the container", "run agentjail outside of it");
}

static void test_rest(void)
{
	struct probe_facts f = plain_facts();
	struct probe_steps steps = { 0 };
	struct probe_result r = { 0 };

	steps.errors[STEP_OVERLAY] = ENODEV;
	probe_files_overlay(&f, &steps, &r);
	tap_ok(r.state == PROBE_DEGRADED && strstr(r.fix, "modprobe overlay") != NULL, "no overlayfs");
	steps.errors[STEP_NFT] = ENOENT;
	r = (struct probe_result){ 0 };
	probe_belts_nft(&f, &steps, &r);
	tap_ok(r.state == PROBE_MISSING && strstr(r.fix, "modprobe -a nf_tables") != NULL, "no nf_tables");
	f.ptrace_scope = 3;
	r = (struct probe_result){ 0 };
	probe_exec_ptrace(&f, &steps, &r);
	tap_ok(r.state == PROBE_MISSING && strstr(r.fix, "reboot") != NULL, "ptrace_scope 3");
	f.max_watches = 8192;
	r = (struct probe_result){ 0 };
	probe_files_inotify(&f, &steps, &r);
	tap_ok(r.state == PROBE_DEGRADED && strstr(r.fix, "61-agentjail.conf") != NULL,
		"few watches");
	f.max_watches = 1 << 20;
	f.max_queued = 1024;
	r = (struct probe_result){ 0 };
	probe_files_inotify(&f, &steps, &r);
	tap_ok(r.state == PROBE_DEGRADED && strstr(r.fix, "fs.inotify.max_queued_events=") != NULL &&
			strstr(r.lost, "whole project") != NULL,
		"a short queue");
	steps.errors[STEP_OPEN_TREE] = STEP_NOT_TRIED;
	r = (struct probe_result){ 0 };
	probe_files_mount_api(&f, &steps, &r);
	tap_ok(r.state == PROBE_MISSING && strstr(r.found, "not tried") != NULL, "a step never reached");
}

static void test_facts(void)
{
	struct probe_facts f = { .ids = " linuxmint ubuntu debian " };

	tap_ok(probe_facts_is(&f, "ubuntu") && probe_facts_is(&f, "debian"), "ID_LIKE is looked at");
	tap_ok(!probe_facts_is(&f, "mint") && !probe_facts_is(&f, "arch"), "whole words only");
	probe_facts_read(&f);
	tap_ok(f.kernel[0] != '\0' && f.self[0] == '/', "this machine's facts are read");
}

int main(void)
{
	test_userns();
	test_root();
	test_rest();
	test_facts();
	return tap_done();
}
