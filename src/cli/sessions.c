/*
 * See sessions.h. Runs in the `agentjail` process with the user's rights. Names of files in the
 * directory are not believed; what records quote is hostile.
 */
#include "cli/sessions.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define QUOTE_BYTES 256

static const char file_end[] = ".jsonl";

/* Where the user's own profiles put the audit; a project has no say in it. */
static int find_dir(struct launch *launch, char **ret, struct err *err)
{
	struct paths *p = &launch->paths;
	AUTO_BUF struct buf dir = { 0 };
	struct policy_request request = { .profile = launch->options.profile };
	struct policy *policy = NULL;
	int r = p->home != NULL ? 0 : paths_find_home(p, err);

	if (r < 0)
		return r;
	request.project = p->config_dir; /* has no file of a project */
	request.home = p->home;
	request.config_dir = p->config_dir;
	request.profiles_dir = p->profiles_dir;
	request.system_file = p->system_file;
	if (policy_load(&request, &policy, err) < 0) {
		log_warn("%s; looking where the audit is by default", err->text);
		*err = (struct err){ 0 };
	}
	if (policy != NULL && policy_value(policy, PK_AUDIT_PATH)->value[0] != '\0')
		buf_adds(&dir, policy_value(policy, PK_AUDIT_PATH)->value);
	else
		buf_addf(&dir, "%s/audit", p->state_dir);
	policy_free(policy);
	if (dir.failed)
		return err_set(err, ENOMEM, "audit");
	*ret = take_ptr(&dir.data);
	return 0;
}

/* YYYYMMDD-HHMMSS-PID, as warden/audit.c makes them. */
static bool is_id(const char *name, size_t n)
{
	static const char form[] = "dddddddd-dddddd-d";

	if (n < sizeof(form) - 1 || n >= TRAIL_ID_BYTES)
		return false;
	for (size_t i = 0; i < n; i++) {
		char want = i < sizeof(form) - 1 ? form[i] : 'd';

		if (want == 'd' ? name[i] < '0' || name[i] > '9' : name[i] != want)
			return false;
	}
	return true;
}

/* Newest first. Of one second: the larger pid, which is the longer one or the larger text. */
static int compare(const void *a, const void *b)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;
	int order = strncmp(y, x, strlen("YYYYMMDD-HHMMSS"));

	if (order != 0)
		return order;
	if (strlen(x) != strlen(y))
		return strlen(x) < strlen(y) ? 1 : -1;
	return strcmp(y, x);
}

static int read_dir(struct sessions *s, DIR *d, struct err *err)
{
	const struct dirent *e;
	size_t room = 0;

	while (s->n < SESSIONS_MAX && (e = readdir(d)) != NULL) {
		size_t n = strlen(e->d_name);

		if (!str_ends(e->d_name, file_end) || !is_id(e->d_name, n - strlen(file_end)))
			continue;
		if (s->n == room) {
			char **more = reallocarray(s->ids, room * 2 + 64, sizeof(*more));

			if (more == NULL)
				return err_set(err, ENOMEM, "audit");
			s->ids = more;
			room = room * 2 + 64;
		}
		s->ids[s->n] = strndup(e->d_name, n - strlen(file_end));
		if (s->ids[s->n] == NULL)
			return err_set(err, ENOMEM, "audit");
		s->n++;
	}
	if (s->n > 0)
		qsort(s->ids, s->n, sizeof(*s->ids), compare);
	return 0;
}

int sessions_list(struct launch *launch, struct sessions *ret, struct err *err)
{
	char quoted[QUOTE_BYTES];
	DIR *d;
	int r;

	*ret = (struct sessions){ 0 };
	r = find_dir(launch, &ret->dir, err);
	if (r < 0)
		return r;
	d = opendir(ret->dir);
	if (d == NULL && errno == ENOENT)
		return 0;
	if (d == NULL)
		return err_set(err, errno, "audit %s",
			log_quote(ret->dir, strlen(ret->dir), quoted, sizeof(quoted)));
	r = read_dir(ret, d, err);
	closedir(d);
	return r;
}

void sessions_done(struct sessions *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->ids[i]);
	free(s->ids);
	free(s->dir);
	*s = (struct sessions){ 0 };
}

static int open_id(const struct sessions *s, const char *id, struct trail *ret, struct err *err)
{
	AUTO_BUF struct buf path = { 0 };

	*ret = (struct trail){ .fd = -1 };
	buf_addf(&path, "%s/%s%s", s->dir, id, file_end);
	if (path.failed)
		return err_set(err, ENOMEM, "audit");
	return trail_open(ret, path.data, err);
}

int sessions_open(const struct sessions *s, size_t i, struct trail *ret, struct err *err)
{
	return open_id(s, s->ids[i], ret, err);
}

static int no_session(const struct sessions *s, const char *word, size_t n_found, struct err *err)
{
	char quoted[QUOTE_BYTES], dir[QUOTE_BYTES];

	(void)log_quote(s->dir, strlen(s->dir), dir, sizeof(dir));
	if (s->n == 0)
		return err_set(err, 0, "there is no session yet in %s", dir);
	(void)log_quote(word, strlen(word), quoted, sizeof(quoted));
	if (n_found > 1)
		return err_set(err, 0, "%zu sessions begin with %s; write more of it", n_found,
			quoted);
	return err_set(err, 0,
		"no session begins with %s in %s; agentjail log lists them, the newest is %s", quoted,
		dir, s->ids[0]);
}

int sessions_find(const struct sessions *s, const char *word, struct trail *ret, struct err *err)
{
	const char *found = NULL;
	size_t n = 0;

	*ret = (struct trail){ .fd = -1 };
	if (strchr(word, '/') != NULL)
		return trail_open(ret, word, err);
	if (s->n > 0 && strcmp(word, "last") == 0)
		return sessions_open(s, 0, ret, err);
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->ids[i], word) == 0)
			return sessions_open(s, i, ret, err);
		if (word[0] != '\0' && str_starts(s->ids[i], word)) {
			found = s->ids[i];
			n++;
		}
	}
	return n == 1 ? open_id(s, found, ret, err) : no_session(s, word, n, err);
}

/*
 * Counts without parsing: event and decision stand before anything foreign (audit_begin(), and the
 * first member of each event that has one).
 */
static void count_line(struct session_summary *s, const char *line, size_t n)
{
	static const char event[] = "\",\"event\":\"", exec[] = "exec\",\"decision\":\"";
	const char *at = memmem(line, n, event, strlen(event)), *decision;

	if (at == NULL)
		return;
	at += strlen(event);
	n -= (size_t)(at - line);
	decision = memchr(at, '"', n);
	if (decision == NULL)
		return;
	n -= (size_t)(decision - at);
	if (n > 20 && memcmp(decision, "\",\"decision\":\"deny\"", 19) == 0)
		s->denials++;
	else if (n > 20 && memcmp(at, exec, strlen(exec)) == 0)
		s->commands++;
}

static void set_end(struct session_summary *s, const struct record *last, const struct trail *t)
{
	int64_t value;

	s->end_ms = s->start_ms;
	(void)trail_time(record_text(last, "time"), &s->end_ms);
	s->state = SESSION_CUT;
	if (record_says(last, "event", "end")) {
		if (record_number(last, "status", &value))
			s->state = SESSION_ENDED;
		else if (record_number(last, "signal", &value))
			s->state = SESSION_SIGNALLED;
		else
			value = 0;
		s->status = (int)value;
	} else if (trail_is_running(t, &s->pid)) {
		struct timespec now;

		(void)clock_gettime(CLOCK_REALTIME, &now);
		s->state = SESSION_RUNNING;
		s->end_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	}
}

int sessions_summarise(struct trail *t, struct session_summary *ret, struct err *err)
{
	AUTO_RECORD struct record last = { 0 };
	AUTO_BUF struct buf line = { 0 };
	const char *text;
	size_t n;
	int r;

	*ret = (struct session_summary){ .state = SESSION_CUT };
	memcpy(ret->id, t->id, sizeof(ret->id));
	r = trail_record(t, &ret->first, err);
	if (r <= 0)
		return r;
	(void)trail_time(record_text(&ret->first, "time"), &ret->start_ms);
	while ((r = trail_next(t, &text, &n, err)) > 0) {
		count_line(ret, text, n);
		line.len = 0;
		buf_add(&line, text, n);
	}
	if (r == 0 && line.len > 0)
		(void)record_parse(&last, line.data, line.len);
	set_end(ret, &last, t);
	return r;
}

void sessions_summary_done(struct session_summary *s)
{
	record_done(&s->first);
	*s = (struct session_summary){ 0 };
}

const char *sessions_agent(const struct record *first)
{
	size_t n;
	const char *argv = record_strings(first, "argv", &n);
	const char *slash = strrchr(argv, '/');

	if (n == 0 || record_says(first, "mode", "run") || record_says(first, "mode", "tool"))
		return NULL;
	return slash != NULL ? slash + 1 : argv;
}

/* The session that a run of a tool was called from stands in its first exec. */
static bool is_called_from(const struct sessions *s, struct trail *t, const char *project)
{
	AUTO_RECORD struct record r = { 0 };
	struct err ignored;

	while (trail_record(t, &r, &ignored) > 0) {
		const char *caller = record_text(&r, "caller_session");
		AUTO_TRAIL struct trail other = { .fd = -1 };

		if (caller == NULL)
			continue;
		if (!is_id(caller, strlen(caller)) || open_id(s, caller, &other, &ignored) < 0 ||
			trail_record(&other, &r, &ignored) <= 0)
			return false;
		return record_says(&r, "project", project);
	}
	return false;
}

bool sessions_is_of(const struct sessions *s, const char *id, const char *project)
{
	AUTO_RECORD struct record first = { 0 };
	AUTO_TRAIL struct trail t = { .fd = -1 };
	struct err ignored;

	if (open_id(s, id, &t, &ignored) < 0 || trail_record(&t, &first, &ignored) <= 0)
		return false;
	if (record_says(&first, "project", project))
		return true;
	return record_says(&first, "mode", "tool") && is_called_from(s, &t, project);
}
