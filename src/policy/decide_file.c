/*
 * What the cell sees at a path; the order of specificity is documented at policy_decide(). Pure;
 * the path comes from hostile commands.
 */
#include "policy/decide.h"

#include "base/cleanup.h"
#include "policy/pathmatch.h"
#include "policy/store.h"

#include <string.h>

/* A rule that matched. kind POLICY_FILE_ABSENT and no item: nothing did. */
struct candidate {
	struct pathmatch match;
	enum policy_file_kind kind;
	bool is_set;
	bool is_weak; /* gives way to any rule that is as specific */
	enum policy_key key;
	const struct policy_item *item;
	const char *reason; /* NULL: the usual one of its kind */
};

/* The keys with paths. A keep shows nothing, but any other rule for the same path is meant. */
static const struct file_key {
	enum policy_key key;
	enum policy_file_kind kind;
	bool is_weak;
	const char *reason;
} file_keys[] = {
	{ PK_FILES_WRITE, POLICY_FILE_WRITE, false, NULL },
	{ PK_FILES_CACHE, POLICY_FILE_CACHE, false, NULL },
	{ PK_FILES_OVERLAY, POLICY_FILE_OVERLAY, false, NULL },
	{ PK_FILES_READ, POLICY_FILE_READ, false, NULL },
	{ PK_FILES_REDACT, POLICY_FILE_REDACT, false, NULL },
	{ PK_FILES_HIDE, POLICY_FILE_HIDE, false, NULL },
	{ PK_AGENT_KEEP, POLICY_FILE_HIDE, true, "the agent's own state, which no command sees" },
	{ PK_AGENT_PRIVATE, POLICY_FILE_HIDE, false, "the agent's own, which no command sees" },
	{ PK_AGENT_SHARE, POLICY_FILE_WRITE, false, "shared by the agent and its commands" },
};

/* What every cell has of its own, whatever the profiles say. */
static const struct place {
	const char *path;
	enum policy_file_kind kind;
	const char *reason;
} places[] = {
	{ "/tmp", POLICY_FILE_WRITE, "the session's own /tmp, not the host's" },
	{ "/var/tmp", POLICY_FILE_WRITE, "the session's own /var/tmp, not the host's" },
	{ "/dev/shm", POLICY_FILE_WRITE, "the cell's own /dev/shm, not the host's" },
	{ "/dev", POLICY_FILE_READ, "the cell's own /dev: a few harmless devices" },
	{ "/proc", POLICY_FILE_READ, "the cell's own /proc: its processes alone" },
	{ "/sys", POLICY_FILE_READ, "a few read-only parts of /sys" },
};

static bool beats(const struct candidate *a, const struct candidate *b)
{
	int order;

	if (!b->is_set)
		return true;
	order = pathmatch_compare(&a->match, &b->match);
	if (order != 0)
		return order > 0;
	if (a->is_weak != b->is_weak)
		return b->is_weak;
	return a->kind > b->kind;
}

static void offer(struct candidate *best, struct candidate c)
{
	c.is_set = true;
	if (beats(&c, best))
		*best = c;
}

/*
 * Hundreds of patterns are asked for each path, and most are of HOME: what those have in common is
 * compared once. shared: bytes that path has in common with it.
 */
static bool is_ruled_out(const struct policy *policy, const struct policy_item *item,
	const char *path, size_t shared)
{
	size_t n = policy->home_bytes;

	if (!item->is_in_home)
		return false;
	if (shared < n)
		return policy->home[shared] != '/';
	return pathmatch_differs(item->value + n, path + n);
}

static size_t count_shared(const struct policy *policy, const char *path)
{
	size_t n = 0;

	while (n < policy->home_bytes && policy->home[n] == path[n])
		n++;
	return n;
}

/* Offers all items of a key with an absolute pattern that matches. */
static void offer_list(const struct policy *policy, struct candidate *best, const char *path,
	struct candidate c)
{
	const struct store_list *list = &policy->lists[c.key];
	size_t shared = count_shared(policy, path);

	for (size_t i = 0; i < list->n; i++) {
		const char *pattern = list->items[i].value;

		if (pattern[0] != '/' || is_ruled_out(policy, &list->items[i], path, shared) ||
			!pathmatch_find(pattern, path, &c.match))
			continue;
		c.item = &list->items[i];
		offer(best, c);
	}
}

/* The best of the rules with an absolute pattern, `protect` left out. */
static struct candidate best_path(const struct policy *policy, const char *path)
{
	bool is_open = strcmp(policy->values[PK_SANDBOX_HOME].value, "open") == 0;
	struct candidate best = { .key = PK_COUNT };
	struct candidate home = { .kind = is_open ? POLICY_FILE_READ : POLICY_FILE_ABSENT,
		.is_weak = true,
		.key = PK_SANDBOX_HOME,
		.item = &policy->values[PK_SANDBOX_HOME],
		.reason = is_open ? NULL : "HOME is closed and nothing shows this part of it" };

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct candidate c = { .kind = places[i].kind,
			.is_weak = true,
			.key = PK_COUNT,
			.reason = places[i].reason };

		if (pathmatch_find(places[i].path, path, &c.match))
			offer(&best, c);
	}
	if (pathmatch_find(policy->home, path, &home.match))
		offer(&best, home);
	for (size_t k = 0; k < ARRAY_LEN(file_keys); k++)
		offer_list(policy, &best, path,
			(struct candidate){ .kind = file_keys[k].kind,
				.is_weak = file_keys[k].is_weak,
				.key = file_keys[k].key,
				.reason = file_keys[k].reason });
	return best;
}

/* The best name rule of one key for one component. */
static void offer_names(const struct policy *policy, struct candidate *best, const char *component,
	size_t n, struct candidate c)
{
	const struct store_list *list = &policy->lists[c.key];

	for (size_t i = 0; i < list->n; i++) {
		const char *pattern = list->items[i].value;
		size_t depth = c.match.depth;

		if (pattern[0] == '/' || !pathmatch_component(pattern, component, n))
			continue;
		pathmatch_measure(pattern, &c.match);
		c.match.depth = depth;
		c.item = &list->items[i];
		offer(best, c);
	}
}

/* The closest name rules of a path, by what they do. */
struct names {
	struct candidate hide; /* not undone by `show` on the same component */
	struct candidate show; /* write or read: only in the project */
	struct candidate protect;
	struct candidate hold;
};

static void judge_component(const struct policy *policy, struct names *names, const char *component,
	struct candidate base, bool in_project)
{
	size_t n = strcspn(component, "/");
	struct candidate show = { 0 }, hide = { 0 }, protect = { 0 }, hold = { 0 };

	base.key = PK_FILES_HIDE;
	base.kind = POLICY_FILE_HIDE;
	offer_names(policy, &hide, component, n, base);
	base.key = PK_FILES_PROTECT;
	base.kind = POLICY_FILE_PROTECT;
	offer_names(policy, &protect, component, n, base);
	base.key = PK_FILES_HOLD;
	base.kind = POLICY_FILE_HOLD;
	offer_names(policy, &hold, component, n, base);
	if (in_project) {
		base.key = PK_FILES_READ;
		base.kind = POLICY_FILE_READ;
		offer_names(policy, &show, component, n, base);
		base.key = PK_FILES_WRITE;
		base.kind = POLICY_FILE_WRITE;
		offer_names(policy, &show, component, n, base);
	}
	if (protect.is_set)
		names->protect = protect;
	if (hold.is_set)
		names->hold = hold;
	if (show.is_set)
		names->show = show;
	if (hide.is_set && !(show.is_set && beats(&show, &hide)))
		names->hide = hide;
}

static struct names best_names(const struct policy *policy, const char *path)
{
	bool in_project = pathmatch_is_within(path, policy->project);
	size_t project_depth = pathmatch_depth(policy->project), depth = 0;
	struct names names = { 0 };

	for (const char *s = path; *s == '/' && s[1] != '\0'; s += 1 + strcspn(s + 1, "/")) {
		struct candidate base = { .match.depth = ++depth };

		/* The project's own name and those above it are where the user put it. */
		if (in_project && depth <= project_depth)
			continue;
		judge_component(policy, &names, s + 1, base, in_project);
	}
	return names;
}

/* `protect` shows nothing: it takes writing away from what is shown. */
static struct candidate apply_protect(const struct policy *policy, const char *path,
	const struct names *names, struct candidate shown)
{
	struct candidate best = names->protect;

	if (shown.kind == POLICY_FILE_ABSENT || shown.kind == POLICY_FILE_HIDE)
		return shown;
	offer_list(policy, &best, path,
		(struct candidate){ .kind = POLICY_FILE_PROTECT, .key = PK_FILES_PROTECT });
	return best.is_set && beats(&best, &shown) ? best : shown;
}

/* `hold` keeps changes of a writable file back. */
static struct candidate apply_hold(const struct policy *policy, const char *path,
	const struct names *names, struct candidate shown)
{
	struct candidate best = names->hold;

	if (shown.kind != POLICY_FILE_WRITE)
		return shown;
	offer_list(policy, &best, path,
		(struct candidate){ .kind = POLICY_FILE_HOLD, .key = PK_FILES_HOLD });
	return best.is_set && beats(&best, &shown) ? best : shown;
}

/*
 * Name rules hide whatever the host has, but they show nothing: a `write` or `read` one undoes a
 * `hide` one of the same component and counts where the project itself would decide.
 */
static struct candidate apply_names(const struct policy *policy, const struct names *names,
	struct candidate path)
{
	bool is_shown = path.kind != POLICY_FILE_ABSENT && path.kind != POLICY_FILE_HIDE;

	if (!is_shown || (path.key == PK_COUNT && path.is_weak))
		return path;
	if (names->hide.is_set && beats(&names->hide, &path))
		return names->hide;
	if (names->show.is_set && beats(&names->show, &path) &&
		(path.match.depth <= pathmatch_depth(policy->project) ||
			names->show.kind > path.kind))
		return names->show;
	return path;
}

static const char *reason_of(const struct candidate *c)
{
	static const char *const reasons[] = {
		[POLICY_FILE_ABSENT] = "nothing shows it",
		[POLICY_FILE_WRITE] = "the real file, writable",
		[POLICY_FILE_CACHE] = "a copy that is kept for the project's next session",
		[POLICY_FILE_OVERLAY] = "a copy that is dropped at the end",
		[POLICY_FILE_HOLD] = "a copy; changes wait for agentjail review",
		[POLICY_FILE_READ] = "the real file, read-only",
		[POLICY_FILE_PROTECT] = "protected: readable, not changeable",
		[POLICY_FILE_REDACT] = "a read-only copy with its secrets replaced by fakes",
		[POLICY_FILE_HIDE] = "hidden",
	};

	return c->reason != NULL ? c->reason : reasons[c->kind];
}

void decide_file(const struct policy *policy, const struct policy_question *question,
	struct policy_answer *ret)
{
	struct candidate best = { .key = PK_COUNT }, shown, held;
	bool allowed;

	if (question->path == NULL || question->path[0] != '/') {
		*ret = (struct policy_answer){ .verdict = POLICY_DENIED,
			.key = PK_COUNT,
			.reason = "no absolute path" };
		return;
	}
	best = best_path(policy, question->path);
	if (best.is_set) {
		struct names names = best_names(policy, question->path);

		shown = apply_names(policy, &names, best);
		best = apply_protect(policy, question->path, &names, shown);
		held = apply_hold(policy, question->path, &names, shown);
		if (held.kind == POLICY_FILE_HOLD && beats(&held, &best))
			best = held;
	}
	allowed = best.kind != POLICY_FILE_ABSENT && best.kind != POLICY_FILE_HIDE;
	if (question->action == POLICY_WRITE)
		allowed = best.kind == POLICY_FILE_WRITE || best.kind == POLICY_FILE_CACHE ||
			best.kind == POLICY_FILE_OVERLAY || best.kind == POLICY_FILE_HOLD;
	*ret = (struct policy_answer){ .verdict = allowed ? POLICY_ALLOWED : POLICY_DENIED,
		.file_kind = best.kind,
		.key = best.key,
		.item = best.item,
		.reason = reason_of(&best) };
}
