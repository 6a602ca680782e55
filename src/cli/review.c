/*
 * `agentjail review [--apply|--drop] [PATH...]`: what commands changed of held files, and what to do with
 * it. Runs with the user's rights. Hostile: everything in the store, and the project's directories.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "cli/entry.h"
#include "cli/listing.h"
#include "cli/recordtext.h"
#include "cli/reviewask.h"
#include "cli/reviewitem.h"
#include "cli/reviewlisted.h"
#include "cli/reviewtext.h"
#include "cli/verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define QUOTE_BYTES 256
/* Rationale: a small terminal. */
#define SCREEN_LINES 20

enum review_status { REVIEW_DONE, REVIEW_LEFT };

struct review;
typedef int item_function(struct review *review, const struct reviewitem *item);

/* One run. item is what is done with each file that waits and is meant. */
struct review {
	struct launch *launch;
	const struct options *options;
	const char *project_path;
	int project;
	struct heldstore store;
	char **wanted; /* below the project, as many as operands; "" is the project itself */
	bool *is_found;
	item_function *item;
	struct buf out;
	size_t n_items, n_applied, n_dropped, n_failed;
	bool is_over;
	struct err *err;
};

static const char *quote(const char *text, char quoted[QUOTE_BYTES])
{
	return log_quote(text, strlen(text), quoted, QUOTE_BYTES);
}

static const char *name_of(const struct reviewitem *item, char quoted[QUOTE_BYTES])
{
	return quote(item->path != NULL ? item->path : item->id, quoted);
}

static int list_item(struct review *review, const struct reviewitem *item)
{
	if (review->options->json) {
		buf_adds(&review->out, review->n_items > 1 ? ", " : "");
		reviewtext_add_json(item, &review->out);
		return 0;
	}
	buf_adds(&review->out, review->n_items > 1 ? "\n" : "");
	reviewtext_add(item, &review->out);
	return 0;
}

/* A file that cannot be dealt with is said and stays; the others are dealt with. */
static void fail(struct review *review, const struct reviewitem *item, const struct err *err)
{
	char quoted[QUOTE_BYTES];

	review->n_failed++;
	log_error("%s: %s", name_of(item, quoted), err->text);
}

static void say(const struct review *review, const struct reviewitem *item, const char *what)
{
	char quoted[QUOTE_BYTES];

	if (!review->options->quiet)
		printf("%s: %s\n", name_of(item, quoted), what);
}

static int drop_item(struct review *review, const struct reviewitem *item)
{
	struct err err = { 0 };

	if (reviewitem_drop(item, &review->store, &err) < 0) {
		fail(review, item, &err);
		return 0;
	}
	review->n_dropped++;
	say(review, item, "dropped");
	return 0;
}

/* Unseen: what has changed on the host since is no longer what the copy was made from. */
static int apply_item(struct review *review, const struct reviewitem *item)
{
	struct err err = { 0 };

	if (item->is_stale && item->state != REVIEWITEM_SAME && item->state != REVIEWITEM_BAD)
		(void)err_set(&err, 0, "the host's file has changed since; look at it on a terminal: "
				       "agentjail review");
	else
		(void)reviewitem_apply(item, review->project, &review->store, &err);
	if (err.code != 0) {
		fail(review, item, &err);
		return 0;
	}
	review->n_applied++;
	say(review, item, "applied");
	return 0;
}

/* Next to the question: a long file must not push what counts off the screen. */
static int show(const struct reviewitem *item, struct err *err)
{
	AUTO_BUF struct buf out = { 0 };
	size_t lines = 0;

	buf_adds(&out, "\n");
	reviewtext_add(item, &out);
	for (size_t i = 0; i < out.len; i++)
		lines += out.data[i] == '\n';
	if (lines > SCREEN_LINES) {
		buf_adds(&out, "\n");
		reviewtext_add_head(item, &out);
	}
	return listing_print(&out, err);
}

/* 1: it is to be shown again, as it is now. */
static int carry_out(struct review *review, const struct reviewitem *item,
	enum reviewask_answer answer)
{
	struct err err = { 0 };

	switch (answer) {
	case REVIEWASK_APPLY:
		if (reviewitem_apply(item, review->project, &review->store, &err) == 0) {
			review->n_applied++;
			return 0;
		}
		if (err.code != ESTALE) {
			fail(review, item, &err);
			return 0;
		}
		printf("It has changed meanwhile. As it is now:\n");
		return 1;
	case REVIEWASK_DROP:
		if (reviewitem_drop(item, &review->store, &err) < 0)
			fail(review, item, &err);
		else
			review->n_dropped++;
		return 0;
	case REVIEWASK_AGAIN:
		return 1;
	case REVIEWASK_QUIT:
		review->is_over = true;
		return 0;
	case REVIEWASK_SKIP:
	default:
		return 0;
	}
}

static int reload(const struct review *review, const struct reviewitem *item, struct reviewitem *ret,
	struct err *err)
{
	AUTO_HELDENTRY struct heldstore_entry e = { .dir = -1 };

	if (item->path == NULL)
		return reviewitem_bad(item->id, item->reason, ret, err);
	if (heldstore_find(&review->store, item->path, &e, err) < 0)
		return -err->code;
	return reviewitem_load(&e, review->project, ret, err);
}

static int ask_item(struct review *review, const struct reviewitem *first)
{
	AUTO_REVIEWITEM struct reviewitem again = { 0 };
	const struct reviewitem *item = first;
	enum reviewask_answer answer;
	int r = 1;

	while (r == 1) {
		if (show(item, review->err) < 0 ||
			reviewask(item->state != REVIEWITEM_BAD, &answer, review->err) < 0)
			return -review->err->code;
		r = carry_out(review, item, answer);
		if (r == 0)
			return 0;
		reviewitem_done(&again);
		if (reload(review, first, &again, review->err) < 0)
			return -review->err->code;
		item = &again;
	}
	return 0;
}

/* Without paths all are meant; a path means itself and all below it. */
static bool is_wanted(const struct review *review, const char *path)
{
	bool found = review->options->n_operands == 0;

	for (size_t i = 0; i < review->options->n_operands; i++) {
		const char *wanted = review->wanted[i];
		size_t n = strlen(wanted);

		if (n == 0 || (path != NULL && strncmp(path, wanted, n) == 0 &&
				      (path[n] == '/' || path[n] == '\0'))) {
			review->is_found[i] = true;
			found = true;
		}
	}
	return found;
}

/* Dropping looks at nothing: it works where the project is gone. */
static int load(const struct review *review, const struct heldstore_entry *e, struct reviewitem *ret,
	struct err *err)
{
	if (review->item != drop_item)
		return reviewitem_load(e, review->project, ret, err);
	*ret = (struct reviewitem){ .path = strdup(e->path) };
	memcpy(ret->id, e->id, sizeof(ret->id));
	return ret->path == NULL ? err_set(err, ENOMEM, "a held file") : 0;
}

static int visit(const struct heldstore_entry *e, const char *id, const char *text, void *context)
{
	struct review *review = context;
	AUTO_REVIEWITEM struct reviewitem item = { 0 };
	struct err err = { 0 };
	int r;

	if (review->is_over || !is_wanted(review, e != NULL ? e->path : NULL))
		return 0;
	r = e == NULL ? reviewitem_bad(id, text, &item, &err) : load(review, e, &item, &err);
	if (e != NULL && !heldstore_differs(e) && (r < 0 || reviewitem_mode_change(&item) == 0))
		return 0;
	review->n_items++;
	if (r < 0) {
		/* The host's file is no longer one that a review can write. */
		item.state = REVIEWITEM_BAD;
		(void)snprintf(item.reason, sizeof(item.reason), "%s", err.text);
	}
	return review->item(review, &item);
}

static int find_wanted(struct review *review, struct err *err)
{
	const struct options *o = review->options;
	size_t n = strlen(review->project_path);

	review->wanted = calloc(o->n_operands + 1, sizeof(char *));
	review->is_found = calloc(o->n_operands + 1, sizeof(bool));
	if (review->wanted == NULL || review->is_found == NULL)
		return err_set(err, ENOMEM, "review");
	for (size_t i = 0; i < o->n_operands; i++) {
		AUTO_FREE char *path = NULL;
		char quoted[QUOTE_BYTES];

		if (entry_absolute(o->operands[i], &path, err) < 0)
			return -err->code;
		if (strncmp(path, review->project_path, n) != 0 || (path[n] != '/' && path[n] != '\0'))
			return err_set(err, 0, "review: %s is not in the project %s; see --project",
				quote(path, quoted), review->project_path);
		review->wanted[i] = strdup(path + n + (path[n] == '/'));
		if (review->wanted[i] == NULL)
			return err_set(err, ENOMEM, "review");
	}
	return 0;
}

/* What was meant and is not there. */
static void say_missing(struct review *review)
{
	char quoted[QUOTE_BYTES];

	for (size_t i = 0; i < review->options->n_operands; i++)
		if (!review->is_found[i] && review->wanted[i] != NULL && review->wanted[i][0] != '\0') {
			review->n_failed++;
			log_error("%s: nothing of it waits", quote(review->wanted[i], quoted));
		}
}

static void add_end(struct review *review)
{
	const struct options *o = review->options;
	size_t n = review->n_items;

	if (o->json) {
		buf_adds(&review->out, "]");
		(void)reviewlisted_add(review->launch, true, &review->out);
		buf_adds(&review->out, "}");
	} else if (review->item == list_item && n > 0) {
		buf_addf(&review->out, "\n%zu file%s wait%s: agentjail review --apply or --drop, with or "
				       "without PATH...\n",
			n, n == 1 ? "" : "s", n == 1 ? "s" : "");
	} else if (n == 0 && o->n_operands == 0 && !o->quiet) {
		buf_adds(&review->out, "no file waits\n");
	} else if (review->item == ask_item) {
		buf_addf(&review->out, "\n%zu applied, %zu dropped, %zu left\n", review->n_applied,
			review->n_dropped, n - review->n_applied - review->n_dropped);
	}
	if (!o->json && !o->apply && !o->drop && !o->quiet && o->n_operands == 0)
		(void)reviewlisted_add(review->launch, false, &review->out);
}

static int print(struct review *review, struct err *err)
{
	AUTO_BUF struct buf line = { 0 };
	struct buf *out = &review->out;

	if (!review->options->json || out->failed)
		return out->len > 0 ? listing_print(out, err) : 0;
	recordtext_add_json(out->data, out->len, isatty(STDOUT_FILENO) != 0, &line);
	return listing_print(&line, err);
}

static int run(struct review *review, struct err *err)
{
	int r = find_wanted(review, err);

	if (r < 0)
		return r;
	if (review->options->json) {
		buf_adds(&review->out, "{\"project\": ");
		buf_add_json(&review->out, review->project_path, strlen(review->project_path));
		buf_adds(&review->out, ", \"held\": [");
	}
	if (review->store.dir >= 0 && heldstore_walk(&review->store, visit, review, err) < 0) {
		/* What was found is shown all the same, and can be dropped. */
		log_error("%s", err->text);
		err->code = 0;
		review->n_failed++;
	}
	if (!review->is_over)
		say_missing(review);
	add_end(review);
	r = print(review, err);
	return r < 0 ? r : review->n_failed > 0 ? REVIEW_LEFT : REVIEW_DONE;
}

/* A project that is gone can still be dropped what waits of, by its path. */
static int find_project(struct launch *launch, struct review *review, struct err *err)
{
	const char *dir = launch->options.project;
	char quoted[QUOTE_BYTES];
	int r;

	if (dir != NULL && dir[0] == '/' && access(dir, F_OK) < 0 && errno == ENOENT) {
		if (!launch->options.drop)
			return err_set(err, 0, "review: %s is gone; --drop forgets what waits for it",
				quote(dir, quoted));
		r = paths_find_home(&launch->paths, err);
		launch->paths.project = strdup(dir);
		review->project_path = launch->paths.project;
		return r < 0 || review->project_path != NULL ? r : err_set(err, ENOMEM, "review");
	}
	r = paths_find(dir, &launch->paths, err);
	if (r < 0)
		return r;
	review->project_path = launch->paths.project;
	review->project = open(review->project_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return review->project < 0 ? err_set(err, errno, "the project") : 0;
}

static int check_options(const struct options *o, struct err *err)
{
	if (o->apply && o->drop)
		return err_set(err, 0, "review: --apply or --drop, not both");
	if (o->json && (o->apply || o->drop))
		return err_set(err, 0, "review: --json lists, it neither applies nor drops");
	return 0;
}

static item_function *choose(const struct options *o)
{
	if (o->apply)
		return apply_item;
	if (o->drop)
		return drop_item;
	return o->json || o->quiet || !reviewask_can() ? list_item : ask_item;
}

int review_verb(struct launch *launch, struct err *err)
{
	const struct options *o = &launch->options;
	struct review review = { .launch = launch, .options = o, .project = -1, .store = HELDSTORE_NONE,
		.item = choose(o), .err = err };
	int r = check_options(o, err);

	if (r == 0)
		r = find_project(launch, &review, err);
	if (r == 0)
		r = heldstore_open(launch->paths.state_dir, review.project_path, false, &review.store, err);
	if (r == -ENOENT && review.project_path != NULL) {
		err->code = 0; /* nothing was ever held */
		r = 0;
	}
	if (r == 0)
		r = run(&review, err);
	for (size_t i = 0; review.wanted != NULL && i < o->n_operands; i++)
		free(review.wanted[i]);
	free(review.wanted);
	free(review.is_found);
	buf_done(&review.out);
	cleanup_close(&review.project);
	heldstore_done(&review.store);
	return r;
}
