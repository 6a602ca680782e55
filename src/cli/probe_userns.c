/*
 * User namespaces: the one thing without which nothing works, and the one that distributions
 * switch off in four different ways. The error alone does not say which, so it is read together
 * with the switches.
 */
#include "cli/probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOST "no cell and no agent context: only --mode none works"

static void sysctl_fix(struct probe_result *result, const char *setting)
{
	(void)snprintf(result->fix, sizeof(result->fix),
		"sudo sysctl -w %s && echo '%s' | sudo tee /etc/sysctl.d/60-agentjail.conf",
		setting, setting);
}

/* Ubuntu 23.10 and later: a program needs a profile that says `userns`. */
static void apparmor_fix(const struct probe_facts *facts, struct probe_result *result)
{
	(void)snprintf(result->fix, sizeof(result->fix),
		"printf 'abi <abi/4.0>,\\nprofile agentjail \"%s\" flags=(unconfined) { userns, "
		"}\\n' | sudo tee /etc/apparmor.d/agentjail && sudo apparmor_parser -r "
		"/etc/apparmor.d/agentjail",
		facts->self);
}

static const char *container_fix(void)
{
	return "start the container with --security-opt seccomp=unconfined "
	       "--security-opt apparmor=unconfined --security-opt systempaths=unconfined, or "
	       "run agentjail outside of it";
}

/* The cause of a refused namespace, most telling switch first. */
static void explain(const struct probe_facts *f, int error, struct probe_result *result)
{
	if (f->userns_clone == 0 && !f->is_root) {
		probe_found(result, "%s: kernel.unprivileged_userns_clone is 0", strerror(error));
		sysctl_fix(result, "kernel.unprivileged_userns_clone=1");
	} else if (f->max_userns == 0 || (error == ENOSPC && f->max_userns > 0)) {
		probe_found(result, "%s: user.max_user_namespaces is %ld", strerror(error),
			f->max_userns);
		sysctl_fix(result, "user.max_user_namespaces=28633");
	} else if (f->apparmor_userns == 1 && !f->is_root) {
		probe_found(result, "%s: kernel.apparmor_restrict_unprivileged_userns is 1",
			strerror(error));
		apparmor_fix(f, result);
	} else if (f->is_container || f->is_filtered) {
		probe_found(result, "%s: refused by the container or a seccomp filter around us",
			strerror(error));
		(void)snprintf(result->fix, sizeof(result->fix), "%s", container_fix());
	} else if (f->is_chroot) {
		probe_found(result, "%s: in a chroot, where the kernel allows no user namespace",
			strerror(error));
		(void)snprintf(result->fix, sizeof(result->fix), "%s",
			"leave the chroot, or enter it with a mount namespace and pivot_root "
			"(systemd-nspawn, bwrap)");
	} else if (error == EINVAL || error == ENOSYS) {
		probe_found(
			result, "%s: the kernel is built without CONFIG_USER_NS", strerror(error));
		(void)snprintf(result->fix, sizeof(result->fix), "%s",
			"boot your distribution's standard kernel");
	} else {
		probe_found(result, "%s: refused, no known switch explains it", strerror(error));
		(void)snprintf(result->fix, sizeof(result->fix), "%s",
			"look for a security module: cat /sys/kernel/security/lsm; dmesg | tail");
	}
}

void probe_userns(const struct probe_facts *facts, const struct probe_steps *steps,
	struct probe_result *result)
{
	static const enum probe_step wanted[] = { STEP_USERNS, STEP_MAPS, STEP_NAMESPACES };

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		int error = steps->errors[wanted[i]];

		if (error == 0)
			continue;
		probe_fail(result, PROBE_MISSING, LOST, NULL);
		explain(facts, error == STEP_NOT_TRIED ? EAGAIN : error, result);
		return;
	}
	probe_found(result, "user, mount, pid, net, ipc, uts, cgroup");
}

void probe_userns_mount(const struct probe_facts *facts, const struct probe_steps *steps,
	struct probe_result *result)
{
	int error = steps->errors[STEP_MOUNT];

	if (error == 0) {
		probe_found(result, "tmpfs mounted");
		return;
	}
	probe_fail(result, PROBE_MISSING, LOST, NULL);
	if (error == STEP_NOT_TRIED) {
		probe_found(result, "not tried: no namespaces");
		(void)snprintf(result->fix, sizeof(result->fix), "first the line above");
		return;
	}
	explain(facts, error, result);
}

void probe_userns_proc(const struct probe_facts *facts, const struct probe_steps *steps,
	struct probe_result *result)
{
	int error = steps->errors[STEP_PROC];

	(void)facts;
	if (error == 0) {
		probe_found(result, "a /proc of its own");
		return;
	}
	probe_fail(result, PROBE_MISSING, LOST,
		error == STEP_NOT_TRIED ? "first the lines above" : container_fix());
	if (error == STEP_NOT_TRIED)
		probe_found(result, "not tried: no namespaces");
	else
		probe_found(result, "%s: parts of /proc are covered by mounts", strerror(error));
}
