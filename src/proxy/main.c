/*
 * The proxy: answers for everything that a cell takes for the network. One process a cell, with the
 * user's identity and the host's network, no secret, and no way back: see lockdown.c. Hostile
 * input: every byte of the cell and of the servers it talks to.
 */
#include "proxy/main.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/standing.h"
#include "base/sys.h"
#include "policy/policy.h"
#include "policy/rules.h"
#include "proxy/dnsd.h"
#include "proxy/h2.h"
#include "proxy/lockdown.h"
#include "proxy/names.h"
#include "proxy/nflog.h"
#include "proxy/report.h"
#include "proxy/resolver.h"
#include "proxy/serve.h"
#include "proxy/tls.h"
#include "wire/honey.h"
#include "wire/proxymsg.h"

#include <event2/event.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

/* Rationale: two for each localhost port; SERVE_LISTENERS_MAX has room for the others beside. */
#define LOCALHOST_MAX 40u
/* Rationale: as many as a policy may have. */
#define RULES_MAX 256u
#define FDS_MAX (PROXY_FD_LOCALHOST + LOCALHOST_MAX + RULES_MAX)

/* Everything that lives as long as the process. */
struct role {
	struct proxy proxy;
	struct dnsd *dnsd;
	struct nflog *nflog;
	struct policy *policy;
	struct honey *honey;
	int fds[FDS_MAX]; /* by number; -1: was not inherited */
	size_t n_fds, n_localhost, n_rules;
};

/* What comes behind the role's name on its command line. */
struct counts {
	const char *localhost, *rules;
};

/*
 * Which descriptors are there, before any other is opened and takes a number that is free. All of
 * them become non-blocking and close-on-exec; what is above them is closed.
 */
static int take_descriptors(struct role *role, const struct counts *counts, struct err *err)
{
	unsigned long n_localhost, n_rules;

	if (!str_to_ulong(counts->localhost, LOCALHOST_MAX, &n_localhost) ||
		!str_to_ulong(counts->rules, RULES_MAX, &n_rules))
		return err_set(err, 0, "not a number of descriptors");
	role->n_localhost = n_localhost;
	role->n_rules = n_rules;
	role->n_fds = PROXY_FD_LOCALHOST + n_localhost + n_rules;
	for (size_t fd = 0; fd < role->n_fds; fd++) {
		int flags = fcntl((int)fd, F_GETFL);

		role->fds[fd] = flags < 0 ? -1 : (int)fd;
		if (flags < 0 || fd < PROXY_FD_POLICY)
			continue;
		if (fcntl((int)fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
			fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
			return err_set(err, errno, "descriptor %zu", fd);
	}
	if (role->fds[PROXY_FD_POLICY] < 0 || role->fds[PROXY_FD_WARDEN] < 0)
		return err_set(err, 0, "this role is started by agentjail itself");
	if (sys_close_range((unsigned)role->n_fds, ~0u, 0) < 0 && errno != ENOSYS)
		return err_set(err, errno, "close_range");
	return 0;
}

/* The terminal's signals are for the agent; the proxy ends when the warden does. */
static void ignore_signals(void)
{
	static const int ignored[] = { SIGPIPE, SIGINT, SIGQUIT, SIGHUP, SIGTSTP, SIGTTIN,
		SIGTTOU };

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* In a session without places: see struct proxy. */
static int take_login(struct role *role, struct err *err)
{
	static char login[80];
	static const char scheme[] = "Basic ";
	struct proxy *proxy = &role->proxy;
	ssize_t n;

	if (role->fds[PROXY_FD_LOGIN] < 0)
		return 0;
	n = pread(role->fds[PROXY_FD_LOGIN], login, sizeof(login) - 1, 0);
	cleanup_close(&role->fds[PROXY_FD_LOGIN]);
	if (n <= 0 || strchr(login, ':') == NULL)
		return err_set(err, 0, "no login");
	memcpy(proxy->basic, scheme, sizeof(scheme));
	(void)EVP_EncodeBlock((unsigned char *)proxy->basic + sizeof(scheme) - 1,
		(const unsigned char *)login, (int)n);
	proxy->login = login;
	return 0;
}

static int take_honey(struct role *role, struct err *err)
{
	AUTO_BUF struct buf text = { 0 };
	int r;

	if (role->fds[PROXY_FD_HONEY] < 0)
		return 0;
	if (lseek(role->fds[PROXY_FD_HONEY], 0, SEEK_SET) < 0)
		return err_set(err, errno, "fake keys");
	r = buf_read_fd(&text, role->fds[PROXY_FD_HONEY], HONEY_TEXT_MAX);
	cleanup_close(&role->fds[PROXY_FD_HONEY]);
	if (r >= 0)
		r = honey_new(text.data != NULL ? text.data : "", text.len, &role->honey);
	role->proxy.honey = role->honey;
	return r < 0 ? err_set(err, -r, "fake keys") : 0;
}

/* Keepers by rule, and TLS if the session has an authority; without one rules have no TLS. */
static int make_rules(struct role *role, struct err *err)
{
	struct proxy *proxy = &role->proxy;
	size_t n;
	int r = 0;

	(void)rules_all(role->policy, &n);
	if (role->n_rules != n && role->n_rules != 0)
		return err_set(err, 0, "%zu sockets for %zu rules", role->n_rules, n);
	proxy->rules = role->fds + PROXY_FD_LOCALHOST + role->n_localhost;
	proxy->n_rules = role->n_rules;
	proxy->h2 = &h2_front;
	if (role->fds[PROXY_FD_AUTHORITY] >= 0)
		r = tls_new(role->fds[PROXY_FD_AUTHORITY], proxy->h2 != NULL, &proxy->tls, err);
	cleanup_close(&role->fds[PROXY_FD_AUTHORITY]);
	return r;
}

static int make_parts(struct role *role, struct err *err)
{
	struct proxy *proxy = &role->proxy;

	proxy->policy = role->policy;
	proxy->base = event_base_new();
	if (proxy->base != NULL) {
		proxy->names = names_new(NAMES_MAX);
		proxy->report = report_new(proxy->base, role->fds[PROXY_FD_WARDEN]);
		proxy->resolver = resolver_new(proxy->base);
		proxy->serve = serve_new(proxy);
		role->dnsd = dnsd_new(proxy);
	}
	if (role->dnsd == NULL || proxy->names == NULL || proxy->report == NULL ||
		proxy->resolver == NULL || proxy->serve == NULL)
		return err_set(err, 0, "cannot set up the event loop or the resolver");
	return take_login(role, err) < 0 || take_honey(role, err) < 0 ? -err->code
									: make_rules(role, err);
}

static void free_parts(struct role *role)
{
	tls_free(role->proxy.tls);
	nflog_free(role->nflog);
	dnsd_free(role->dnsd);
	serve_free(role->proxy.serve);
	resolver_free(role->proxy.resolver);
	report_free(role->proxy.report);
	names_free(role->proxy.names);
	if (role->proxy.base != NULL)
		event_base_free(role->proxy.base);
	honey_free(role->honey);
	policy_free(role->policy);
}

static int add_listener(struct role *role, enum proxy_fd number)
{
	struct proxy *proxy = &role->proxy;
	int fd = role->fds[number];

	if (fd < 0)
		return 0;
	switch (number) {
	case PROXY_FD_TCP4:
	case PROXY_FD_TCP6:
		return serve_add(proxy->serve, fd, SERVE_TRANSPARENT);
	case PROXY_FD_PROXY:
		return serve_add(proxy->serve, fd, SERVE_PROXY);
	case PROXY_FD_UDP4:
	case PROXY_FD_UDP6:
		return dnsd_add_udp(role->dnsd, fd);
	case PROXY_FD_DNS4:
	case PROXY_FD_DNS6:
		return dnsd_add_tcp(role->dnsd, fd);
	case PROXY_FD_NFLOG:
		role->nflog = nflog_new(proxy, fd);
		return role->nflog != NULL ? 0 : -ENOMEM;
	case PROXY_FD_POLICY:
	case PROXY_FD_WARDEN:
	case PROXY_FD_AUTHORITY:
	case PROXY_FD_LOGIN:
	case PROXY_FD_HONEY:
	case PROXY_FD_LOCALHOST:
		break;
	}
	return 0;
}

static int serve_all(struct role *role, struct err *err)
{
	int r = 0;

	for (unsigned i = PROXY_FD_TCP4; i < PROXY_FD_LOCALHOST && r == 0; i++)
		r = add_listener(role, (enum proxy_fd)i);
	for (size_t i = 0; i < role->n_localhost && r == 0; i++) {
		int fd = role->fds[PROXY_FD_LOCALHOST + i];

		r = fd < 0 ? 0 : serve_add(role->proxy.serve, fd, SERVE_LOCALHOST);
	}
	return r < 0 ? err_set(err, -r, "serve the cell's listeners") : 0;
}

static int run(struct role *role, const struct counts *counts, struct err *err)
{
	int r = take_descriptors(role, counts, err);

	if (r < 0)
		return r;
	ignore_signals();
	/* six a connection do not fit the usual soft limit; without, accepting pauses earlier */
	standing_raise_descriptors();
	r = policy_undump(role->fds[PROXY_FD_POLICY], &role->policy, err);
	cleanup_close(&role->fds[PROXY_FD_POLICY]);
	if (r == 0)
		r = make_parts(role, err);
	if (r == 0)
		r = serve_all(role, err);
	if (r == 0)
		r = lockdown_enter(err);
	if (r < 0)
		return r;
	if (event_base_dispatch(role->proxy.base) < 0)
		return err_set(err, 0, "event loop");
	return 0;
}

int proxy_main(int argc, char **argv)
{
	struct role role = { .proxy = { .base = NULL } };
	struct err err = { 0 };
	struct counts counts = { .rules = "0" };
	int r;

	/* In a session without places others of the user's processes may look; lockdown.c insists.
	 */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	log_init("proxy", LOG_WARN);
	if (argc >= 3)
		counts.localhost = argv[2];
	if (argc >= 4)
		counts.rules = argv[3];
	r = argc == 3 || argc == 4
		? run(&role, &counts, &err)
		: err_set(&err, 0, "this role is started by agentjail itself");
	if (r < 0)
		log_error("%s", err.text);
	/* The connections that still live go with the process. */
	free_parts(&role);
	return r < 0 ? EXIT_AGENTJAIL : 0;
}
