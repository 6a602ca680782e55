/* `agentjail doctor`: what this machine can and cannot do, and the exact fix. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "cli/listing.h"
#include "cli/probe.h"
#include "cli/verbs.h"

#include <string.h>

/* Exit statuses of doctor; the manual page names them. */
enum doctor_status { DOCTOR_OK, DOCTOR_DEGRADED, DOCTOR_MISSING };

static const struct {
	const char *name;
	probe_function *run;
} probes[] = {
	{ "user namespaces", probe_userns },
	{ "mounts in them", probe_userns_mount },
	{ "/proc in them", probe_userns_proc },
	{ "mount calls", probe_files_mount_api },
	{ "overlayfs", probe_files_overlay },
	{ "nf_tables", probe_belts_nft },
	{ "seccomp notification", probe_exec_notify },
	{ "seccomp descriptors", probe_exec_addfd },
	{ "seccomp signals", probe_exec_killable },
	{ "ptrace", probe_exec_ptrace },
	{ "memfd execution", probe_exec_memfd },
	{ "pidfd", probe_exec_pidfd },
	{ "Landlock", probe_belts_landlock },
	{ "mount beneath", probe_files_beneath },
	{ "mount events", probe_files_mntns },
	{ "inotify limits", probe_files_inotify },
	{ "secret memory", probe_belts_secret },
	{ "limits", probe_belts_limits },
};

static const char *const state_names[] = {
	[PROBE_OK] = "ok",
	[PROBE_DEGRADED] = "degraded",
	[PROBE_MISSING] = "missing",
};
_Static_assert(ARRAY_LEN(state_names) == PROBE_STATE_COUNT, "one name a state");

static void add_text(struct buf *out, const char *name, const struct probe_result *r)
{
	buf_addf(out, "%-22s%-10s%s\n", name,
		r->state == PROBE_DEGRADED && r->is_optional ? "optional" : state_names[r->state],
		r->found);
	if (r->state == PROBE_OK)
		return;
	buf_addf(out, "%-22s%-10s%s\n", "", "lost:", r->lost);
	if (r->fix[0] != '\0')
		buf_addf(out, "%-22s%-10s%s\n", "", "fix:", r->fix);
}

static void add_member(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, ", \"%s\": ", name);
	buf_add_json_text(out, value);
}

static void add_json(struct buf *out, const char *name, const struct probe_result *r, bool first)
{
	buf_adds(out, first ? "    {\"name\": " : ",\n    {\"name\": ");
	buf_add_json_text(out, name);
	add_member(out, "state", state_names[r->state]);
	buf_addf(out, ", \"optional\": %s", r->is_optional ? "true" : "false");
	add_member(out, "found", r->found);
	add_member(out, "lost", r->lost);
	add_member(out, "fix", r->fix);
	buf_adds(out, "}");
}

static void add_head(struct buf *out, const struct probe_facts *facts, bool json)
{
	if (!json) {
		buf_addf(out, "%s, Linux %s%s%s\n\n", facts->distro, facts->kernel,
			facts->is_root ? ", as root" : "",
			facts->is_container ? ", in a container" : "");
		return;
	}
	buf_adds(out, "{\n  \"version\": \"" AGENTJAIL_VERSION "\"");
	add_member(out, "system", facts->distro);
	add_member(out, "kernel", facts->kernel);
	buf_addf(out, ", \"root\": %s, \"container\": %s,\n  \"probes\": [\n",
		facts->is_root ? "true" : "false", facts->is_container ? "true" : "false");
}

static void add_end(struct buf *out, enum doctor_status status, bool json)
{
	static const char *const ends[] = {
		[DOCTOR_OK] = "agentjail can do here all that it does.",
		[DOCTOR_DEGRADED] = "agentjail works here with less than it could.",
		[DOCTOR_MISSING] = "agentjail does not work here before what is missing is fixed.",
	};

	if (json)
		buf_addf(out, "\n  ],\n  \"status\": %d\n}\n", (int)status);
	else
		buf_addf(out, "\n%s\n", ends[status]);
}

static enum doctor_status worse(enum doctor_status status, const struct probe_result *r)
{
	if (r->state == PROBE_MISSING)
		return DOCTOR_MISSING;
	if (r->state == PROBE_DEGRADED && !r->is_optional && status == DOCTOR_OK)
		return DOCTOR_DEGRADED;
	return status;
}

int doctor_verb(struct launch *launch, struct err *err)
{
	const struct options *o = &launch->options;
	enum doctor_status status = DOCTOR_OK;
	AUTO_BUF struct buf out = { 0 };
	struct probe_facts facts;
	struct probe_steps steps;
	int r;

	if (o->n_operands > 0)
		return err_set(err, 0, "doctor takes no argument; see agentjail --help");
	probe_facts_read(&facts);
	probe_steps_run(&steps);
	add_head(&out, &facts, o->json);
	for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
		struct probe_result result = { 0 };

		probes[i].run(&facts, &steps, &result);
		status = worse(status, &result);
		if (o->json)
			add_json(&out, probes[i].name, &result, i == 0);
		else
			add_text(&out, probes[i].name, &result);
	}
	add_end(&out, status, o->json);
	r = listing_print(&out, err);
	return r < 0 ? r : (int)status;
}
