/* Mounts and watches: what file rules need. */
#include "cli/probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Rationale: a large repository has about this many directories; half of the limit is ours. */
#define WATCHES_WANTED 131072
#define INSTANCES_WANTED 64
/* Rationale: what the kernel begins with; unpacking a large archive makes as many events at once. */
#define QUEUED_WANTED 16384

/* True when the step worked; otherwise the failure is filled in. */
static bool step_ok(const struct probe_steps *steps, enum probe_step step, const char *call,
	struct probe_result *result)
{
	int error = steps->errors[step];

	if (error == 0) {
		probe_found(result, "%s works", call);
		return true;
	}
	if (error == STEP_NOT_TRIED)
		probe_found(result, "not tried: an earlier step failed");
	else
		probe_found(result, "%s: %s", call, strerror(error));
	return false;
}

void probe_files_mount_api(const struct probe_facts *facts, const struct probe_steps *steps,
	struct probe_result *result)
{
	static const struct {
		enum probe_step step;
		const char *call;
	} calls[] = {
		{ STEP_OPEN_TREE, "open_tree" },
		{ STEP_SETATTR, "mount_setattr" },
		{ STEP_MOVE_MOUNT, "move_mount" },
	};

	(void)facts;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!step_ok(steps, calls[i].step, calls[i].call, result)) {
			probe_fail(result, PROBE_MISSING, "no cell: its mounts are made with these",
				"Linux 5.12 or newer; inside a container allow the calls in "
				"its seccomp profile");
			return;
		}
	probe_found(result, "open_tree, mount_setattr, move_mount");
}

void probe_files_beneath(const struct probe_facts *facts, const struct probe_steps *steps,
	struct probe_result *result)
{
	(void)facts;
	result->is_optional = true;
	if (!step_ok(steps, STEP_BENEATH, "MOVE_MOUNT_BENEATH", result))
		probe_fail(result, PROBE_DEGRADED,
			"held files will be swapped by stacking mounts, which costs memory only",
			"Linux 6.5 or newer");
}

void probe_files_overlay(const struct probe_facts *facts, const struct probe_steps *steps,
	struct probe_result *result)
{
	(void)facts;
	if (step_ok(steps, STEP_OVERLAY, "overlayfs", result))
		return;
	probe_fail(result, PROBE_DEGRADED, "[files] overlay: such paths cannot be given to a cell",
		steps->errors[STEP_OVERLAY] == ENODEV
			? "sudo modprobe overlay && echo overlay | sudo tee "
			  "/etc/modules-load.d/overlay.conf"
			: "Linux 5.11 or newer with CONFIG_OVERLAY_FS");
}

void probe_files_mntns(const struct probe_facts *facts, const struct probe_steps *steps,
	struct probe_result *result)
{
	(void)facts;
	result->is_optional = true;
	if (!step_ok(steps, STEP_MNTNS, "FAN_MARK_MNTNS", result))
		probe_fail(result, PROBE_DEGRADED,
			"a mount that the host takes off by renaming will be noticed a little "
			"later",
			"Linux 6.14 or newer");
}

void probe_files_inotify(const struct probe_facts *facts, const struct probe_steps *steps,
	struct probe_result *result)
{
	(void)steps;
	probe_found(result, "max_user_watches %ld, half of them agentjail's; max_user_instances %ld, "
			    "max_queued_events %ld",
		facts->max_watches, facts->max_instances, facts->max_queued);
	if (facts->max_watches >= WATCHES_WANTED && facts->max_instances >= INSTANCES_WANTED &&
		facts->max_queued >= QUEUED_WANTED)
		return;
	probe_fail(result, PROBE_DEGRADED,
		"directories beyond half of the watches are compared before each command, some 2 us each; "
		"after more changes than the queue holds, commands wait for a look at the whole project",
		"printf 'fs.inotify.max_user_watches=524288\\nfs.inotify.max_user_instances=512\\n"
		"fs.inotify.max_queued_events=65536\\n' | "
		"sudo tee /etc/sysctl.d/61-agentjail.conf && sudo sysctl --system");
}
