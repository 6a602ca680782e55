/* The tables of attacks as one, and what belongs to all of them. Also part of the sandboxed half.
 */
#include "base/cleanup.h"
#include "cli/selftest.h"

#include <unistd.h>

static const struct selftest_attack *const tables[] = { selftest_attacks_start,
	selftest_attacks_files, selftest_attacks_kept, selftest_attacks_processes,
	selftest_attacks_sockets, selftest_attacks_kernel };

const char *const selftest_how_names[SELFTEST_HOW_COUNT] = {
	[SELFTEST_ACT] = "command",
	[SELFTEST_AGENT] = "agent",
	[SELFTEST_LIVE] = "live",
	[SELFTEST_SCRIPT] = "script",
	[SELFTEST_AGENT_SCRIPT] = "agent-script",
	[SELFTEST_SETTING] = "setting",
	[SELFTEST_KILLED] = "killed",
	[SELFTEST_ORPHAN] = "orphan",
	[SELFTEST_DAEMON] = "daemon",
};

const char *const selftest_system_sockets[] = {
	"/run/docker.sock",
	"/var/run/docker.sock",
	"/run/podman/podman.sock",
	"/run/containerd/containerd.sock",
	"/run/crio/crio.sock",
	"/run/buildkit/buildkitd.sock",
	"/run/libvirt/libvirt-sock",
	"/run/libvirt/virtqemud-sock",
	"/var/lib/lxd/unix.socket",
	"/var/lib/incus/unix.socket",
	"/run/snapd.socket",
	"/run/cups/cups.sock",
	"/run/dbus/system_bus_socket",
	"/run/systemd/private",
	"/run/systemd/io.systemd.sysext",
	"/run/avahi-daemon/socket",
	"/run/pcscd/pcscd.comm",
	"/run/tailscale/tailscaled.sock",
	"/run/nscd/socket",
	NULL,
};

static size_t count_of(const struct selftest_attack *table)
{
	size_t n = 0;

	while (table[n].id != NULL)
		n++;
	return n;
}

size_t selftest_count(void)
{
	size_t n = 0;

	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		n += count_of(tables[t]);
	return n;
}

const struct selftest_attack *selftest_get(size_t i)
{
	for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
		size_t n = count_of(tables[t]);

		if (i < n)
			return &tables[t][i];
		i -= n;
	}
	return NULL;
}

bool selftest_is_for_me(const struct selftest_attack *attack)
{
	return (attack->flags & SELFTEST_ROOT) == 0 || getuid() == 0;
}
