/*
 * Which role, nothing else: the processes that handle the network and its secrets. This program
 * lies inside agentjail, and the warden starts it from memory, so that what never uses the network
 * does not load its libraries.
 */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "proxy/authority.h"
#include "proxy/main.h"

#include <string.h>

static const struct role {
	const char *name;
	int (*main)(int argc, char **argv);
} roles[] = {
	{ "@proxy", proxy_main },
	{ "@authority", authority_main },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ARRAY_LEN(roles); i++)
		if (strcmp(roles[i].name, argv[1]) == 0)
			return roles[i].main(argc, argv);
	log_error("this program is started by agentjail itself");
	return EXIT_AGENTJAIL;
}
