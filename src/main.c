/*
 * Which role, nothing else. A first argument that starts with '@' names a role: a process that the
 * warden has started again from this same file, with its descriptors in place.
 */
#include "base/cleanup.h"
#include "base/log.h"
#include "cell/cell.h"
#include "cell/plan.h"
#include "cli/cli.h"
#include "cli/launch.h"
#include "warden/session.h"

#include <errno.h>
#include <string.h>

static const struct role {
	const char *name;
	int (*main)(int argc, char **argv);
} roles[] = {
	{ "@options", cli_options_main },
};

static const struct role_starters starters = {
	.init_mounts = plan_init,
	.plan_mounts = plan_mounts,
	.begin_cell = cell_begin,
	.finish_cell = cell_finish,
	.start_agent = agent_start,
};

static int role_main(int argc, char **argv)
{
	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		if (strcmp(roles[i].name, argv[1]) == 0)
			return roles[i].main(argc, argv);
	log_error("no such role; see agentjail --help");
	return EXIT_AGENTJAIL;
}

int main(int argc, char **argv)
{
	struct launch launch = { 0 };
	struct err err = { 0 };
	int status;

	if (argc > 1 && argv[1][0] == '@')
		return role_main(argc, argv);
	status = cli_main(argc, argv, &launch);
	if (status == CLI_LAUNCH) {
		status = session_run(&launch.plan, &starters, &err);
		if (status < 0) {
			log_error("%s", err.text);
			status = EXIT_AGENTJAIL;
		}
	}
	launch_done(&launch);
	return status;
}
