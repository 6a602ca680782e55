/*
 * Answering in a keeper's place. Runs in the warden. Hostile: the proxy's messages, of which
 * nothing is believed: they are taken out, answered on the channel that came along, and dropped.
 */
#include "warden/keeper.h"

#include "base/cleanup.h"
#include "wire/fdpass.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * One connection: KEEPMSG_FAILED on its channel, which comes first of its two descriptors. The
 * channel stays open for a while: closed with a request in it, it would be a reset at the proxy,
 * which comes before the answer (unix(7)).
 */
static void refuse_one(
	struct keeperctl *k, const struct keeper *keeper, const int *fds, size_t n_fds)
{
	struct {
		uint32_t type, status;
		char reason[KEEPMSG_REASON_MAX];
	} msg = { .type = KEEPMSG_FAILED, .status = 502 };
	size_t len = strlen(keeper->reason);

	memcpy(msg.reason, keeper->reason, len);
	if (n_fds > 0) {
		int *kept = &k->refused[k->n_refused++ % KEEPER_REFUSED];

		(void)send(fds[0], &msg, 2 * sizeof(uint32_t) + len, MSG_DONTWAIT | MSG_NOSIGNAL);
		cleanup_close(kept);
		*kept = fds[0];
	}
	for (size_t i = 1; i < n_fds; i++)
		(void)close(fds[i]);
}

void keeper_refuse_waiting(struct keeperctl *k, const struct keeper *keeper)
{
	struct pollfd p = { .fd = keeper->ours, .events = POLLIN };

	for (unsigned i = 0; i < KEEPER_BATCH && poll(&p, 1, 0) == 1 && (p.revents & POLLIN) != 0;
		i++) {
		struct keepmsg_open open;
		int fds[2];
		size_t n_fds = 0;

		if (fdpass_recv(keeper->ours, &open, sizeof(open), fds, 2, &n_fds) >= 0)
			refuse_one(k, keeper, fds, n_fds);
	}
}
