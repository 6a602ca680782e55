/* Redirected processes whose shim has not spoken yet, by thread group. Runs in the warden. */
#include "warden/warden.h"

#include <stdlib.h>

static struct pending *slot_of(struct warden *w, pid_t pid)
{
	return &w->pending[(unsigned)pid % PENDING_MAX];
}

/* Linear probing over a short run; the oldest of the run makes room: its process is long dead. */
#define PENDING_RUN 8u

void pending_put(struct warden *w, pid_t pid, char *path)
{
	struct pending *oldest = NULL;

	for (unsigned i = 0; i < PENDING_RUN; i++) {
		struct pending *p = slot_of(w, pid + (pid_t)i);

		if (p->pid == pid || p->pid == 0) {
			oldest = p;
			break;
		}
		if (oldest == NULL || w->next_stamp - p->stamp > w->next_stamp - oldest->stamp)
			oldest = p;
	}
	free(oldest->path);
	*oldest = (struct pending){ .pid = pid, .stamp = w->next_stamp++, .path = path };
}

char *pending_take(struct warden *w, pid_t pid)
{
	for (unsigned i = 0; i < PENDING_RUN; i++) {
		struct pending *p = slot_of(w, pid + (pid_t)i);

		if (p->pid == pid) {
			char *path = p->path;

			*p = (struct pending){ 0 };
			return path;
		}
	}
	return NULL;
}
