/* Landlock, nftables, secret memory, limits. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "cli/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROBE_SYS_MEMFD_SECRET 447 /* Linux 5.14; the same number on x86-64 and aarch64 */
#define LANDLOCK_ABI_WANTED 2      /* REFER, Linux 5.19: renaming between directories */

/* How a word is put on the kernel's command line here. */
static void boot_fix(
	const struct probe_facts *facts, const char *argument, struct probe_result *result)
{
	const char *how = "add %s to the kernel's command line in your boot loader, then reboot";

	if (probe_facts_is(facts, "fedora") || probe_facts_is(facts, "rhel"))
		how = "sudo grubby --update-kernel=ALL --args='%s', then reboot";
	else if (probe_facts_is(facts, "debian") || probe_facts_is(facts, "ubuntu"))
		how = "add %s to GRUB_CMDLINE_LINUX in /etc/default/grub, sudo update-grub, then "
		      "reboot";
	else if (probe_facts_is(facts, "suse") || probe_facts_is(facts, "opensuse"))
		how = "add %s to GRUB_CMDLINE_LINUX in /etc/default/grub, sudo update-bootloader, "
		      "then reboot";
	else if (probe_facts_is(facts, "arch"))
		how = "add %s to the options of your loader entry (or GRUB_CMDLINE_LINUX and sudo "
		      "grub-mkconfig -o /boot/grub/grub.cfg), then reboot";
	for (const char *at = strstr(how, "%s"); at != NULL; at = NULL)
		(void)snprintf(result->fix, sizeof(result->fix), "%.*s%s%s", (int)(at - how), how,
			argument, at + 2);
}

void probe_belts_landlock(const struct probe_facts *facts, const struct probe_steps *steps,
	struct probe_result *result)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	int error = errno;

	(void)steps;
	if (abi >= LANDLOCK_ABI_WANTED) {
		probe_found(result, "ABI %ld", abi);
		return;
	}
	probe_fail(result, PROBE_DEGRADED, "the second belt under the mounts: they stand alone",
		"Linux 5.19 or newer with CONFIG_SECURITY_LANDLOCK");
	if (abi > 0)
		probe_found(result, "ABI %ld, %d is wanted", abi, LANDLOCK_ABI_WANTED);
	else
		probe_found(result, "%s", strerror(error));
	if (abi < 0 && error == EOPNOTSUPP)
		boot_fix(
			facts, "lsm=landlock,lockdown,yama,integrity,apparmor,selinux,bpf", result);
}

void probe_belts_nft(const struct probe_facts *facts, const struct probe_steps *steps,
	struct probe_result *result)
{
	int error = steps->errors[STEP_NFT];

	(void)facts;
	if (error == 0) {
		probe_found(result, "table, nat chain and redirect made");
		return;
	}
	if (error == STEP_NOT_TRIED)
		probe_found(result, "not tried: an earlier step failed");
	else
		probe_found(result, "nf_tables: %s", strerror(error));
	probe_fail(result, PROBE_MISSING, "no network for cells, so none is made",
		"sudo modprobe -a nf_tables nft_chain_nat nft_redir nft_log nft_reject_inet && "
		"printf 'nf_tables\\nnft_chain_nat\\nnft_redir\\nnft_log\\nnft_reject_inet\\n' "
		"| sudo tee /etc/modules-load.d/agentjail.conf");
}

void probe_belts_secret(const struct probe_facts *facts, const struct probe_steps *steps,
	struct probe_result *result)
{
	AUTO_CLOSE int fd = (int)syscall(PROBE_SYS_MEMFD_SECRET, O_CLOEXEC);
	int error = errno;

	(void)steps;
	result->is_optional = true;
	if (fd >= 0) {
		probe_found(result, "memfd_secret works");
		return;
	}
	probe_found(result, "memfd_secret: %s", strerror(error));
	probe_fail(result, PROBE_DEGRADED,
		"secrets for injection will be kept in locked memory instead",
		"Linux 6.5 or newer");
	if (error == ENOSYS)
		boot_fix(facts, "secretmem.enable=1", result);
}

/* "0::/PATH" of /proc/self/cgroup is the unified hierarchy (cgroups(7)). */
static bool has_own_group(void)
{
	AUTO_CLOSE int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	AUTO_BUF struct buf text = { 0 }, path = { 0 };
	const char *line;

	if (fd < 0 || buf_read_fd(&text, fd, 1u << 16) < 0 || text.data == NULL)
		return false;
	line = strstr(text.data, "0::/");
	if (line == NULL)
		return false;
	buf_addf(&path, "/sys/fs/cgroup%.*s/cgroup.subtree_control", (int)strcspn(line + 3, "\n"), line + 3);
	return !path.failed && access(path.data, W_OK) == 0;
}

/* What carries [limits] on this machine. */
void probe_belts_limits(const struct probe_facts *facts, const struct probe_steps *steps,
	struct probe_result *result)
{
	cpu_set_t all;

	(void)steps;
	result->is_optional = true;
	if (sched_getaffinity(0, sizeof(all), &all) < 0) {
		probe_found(result, "sched_getaffinity: %s", strerror(errno));
		probe_fail(result, PROBE_DEGRADED, "[limits] cpu = N processors",
			"a machine with at most 1024 processors");
		return;
	}
	if (has_own_group()) {
		probe_found(result, "watched, and held by a control group of ours");
		return;
	}
	probe_found(result, "%s, memory watched, %d processors to bind",
		facts->is_root ? "processes watched" : "processes by the kernel", CPU_COUNT(&all));
	probe_fail(result, PROBE_DEGRADED,
		"parts of a processor, and memory that no process has mapped, in [limits]",
		access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0
			? "systemd-run --user --scope -p Delegate=yes agentjail ..."
			: "boot with systemd.unified_cgroup_hierarchy=1");
}
