/*
 * Which role, nothing else. A first argument that starts with '@' names a role: a process that the
 * warden has started again from this same file, with its descriptors in place.
 */
#include "base/cleanup.h"
#include "base/log.h"
#include "cell/cell.h"
#include "cell/plan.h"
#include "cli/act.h"
#include "cli/cli.h"
#include "cli/demo.h"
#include "cli/launch.h"
#include "helper/helper.h"
#include "keeper/source.h"
#include "warden/session.h"

#include <errno.h>
#include <string.h>

static const struct role {
	const char *name;
	int (*main)(int argc, char **argv);
} roles[] = {
	{ "@options", cli_options_main },
	{ "@demo-call", demo_call_main },
	{ "@act", act_main },
};

static const struct role_starters starters = {
	.init_mounts = plan_init,
	.plan_mounts = plan_mounts,
	.begin_cell = cell_begin,
	.go_on_cell = cell_go_on,
	.finish_cell = cell_finish,
	.ask_cell = cell_ask,
	.follow_cell = cell_follow,
	.start_agent = agent_start,
	.begin_watch = helper_begin_watch,
	.is_watch_idle = watch_is_idle,
	.end_watch = watch_free,
	.start_helper = helper_start,
	.check_sources = source_check,
	.begin_source = source_begin,
	.end_source = source_end,
	.stop_source = source_stop,
	.find_command = source_find_command,
	.kept_fds = source_env_fds,
};

static int role_main(int argc, char **argv)
{
	for (size_t i = 0; i < ARRAY_LEN(roles); i++)
		if (strcmp(roles[i].name, argv[1]) == 0)
			return roles[i].main(argc, argv);
	log_error("no such role; see agentjail --help");
	return EXIT_AGENTJAIL;
}

/* The secrets of env: go first; what has them is replaced by a process that never had. */
static int run_session(struct launch *launch, char **argv, struct err *err)
{
	int r = launch->plan.mode == RUN_NONE ? 0 : source_env_take(&launch->plan, argv, err);

	return r < 0 ? r : session_run(&launch->plan, &starters, err);
}

int main(int argc, char **argv)
{
	struct launch launch = { 0 };
	struct err err = { 0 };
	int status;

	if (argc > 1 && argv[1][0] == '@')
		return role_main(argc, argv);
	status = source_env_begin(&err);
	launch.is_again = status > 0;
	if (status >= 0)
		status = cli_main(argc, argv, &launch);
	if (status == CLI_LAUNCH && err.code == 0)
		status = run_session(&launch, argv, &err);
	if (status < 0) {
		log_error("%s", err.text);
		status = EXIT_AGENTJAIL;
	}
	launch_done(&launch);
	return status;
}
