/*
 * See caches.h. Runs in the warden before any place is started, with the user's rights. Without a
 * place for them, caches are dropped at the end: that costs time, and nothing of the boundary.
 */
#include "warden/caches.h"

#include "base/log.h"
#include "warden/warden.h"
#include "wire/cachedir.h"

#include <errno.h>
#include <string.h>

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && path[n] == '/';
}

int caches_take(struct warden *w, struct err *err)
{
	const char *dir = w->plan->cache_dir;
	struct policy_question question = { .action = POLICY_WRITE, .path = dir };
	struct policy_answer answer;
	struct err why = { 0 };
	size_t n;

	(void)policy_list(w->plan->policy, PK_FILES_CACHE, &n);
	/* A project in there is made for a moment (cli/demo.c), and nothing of it is to stay. */
	if (n == 0 || dir == NULL || is_below(w->plan->project, dir))
		return 0;
	policy_decide(w->plan->policy, &question, &answer);
	if (answer.verdict == POLICY_ALLOWED)
		return err_set(err, 0,
			"[files] cache: commands can write %s; set XDG_CACHE_HOME to another directory",
			dir);
	if (cachedir_take(dir, w->plan->project, &w->caches, &w->caches_lock, &why) == 0)
		return 0;
	if (w->plan->quiet)
		return 0;
	if (why.code == EWOULDBLOCK)
		log_warn("another session of this project keeps its caches; this one drops its own at the "
			 "end");
	else
		log_warn("caches are dropped at the end: %s", why.text);
	return 0;
}
