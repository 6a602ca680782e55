/*
 * Moving bytes. Runs in the proxy; the bytes are not looked at.
 */
#include "proxy/flow.h"

#include "base/cleanup.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/socket.h>

/* Rationale: a pipe is needed only while bytes are in it; these few spare most of the making. */
#define SPARE_PIPES_MAX 32u

static int spare_pipes[SPARE_PIPES_MAX][2];
static size_t n_spare_pipes;

void flow_init(struct flow *flow)
{
	*flow = (struct flow){ .pipe = { -1, -1 } };
}

void flow_done(struct flow *flow)
{
	buf_done(&flow->out);
	cleanup_close(&flow->pipe[0]);
	cleanup_close(&flow->pipe[1]);
}

bool flow_is_empty(const struct flow *flow)
{
	return flow->out.len == 0 && flow->in_pipe == 0;
}

static int take_pipe(struct flow *flow)
{
	if (flow->pipe[0] >= 0)
		return 0;
	if (n_spare_pipes > 0) {
		n_spare_pipes--;
		flow->pipe[0] = spare_pipes[n_spare_pipes][0];
		flow->pipe[1] = spare_pipes[n_spare_pipes][1];
		return 0;
	}
	return pipe2(flow->pipe, O_CLOEXEC | O_NONBLOCK) < 0 ? -errno : 0;
}

static void give_pipe_back(struct flow *flow)
{
	assert(flow->in_pipe == 0);
	if (flow->pipe[0] < 0)
		return;
	if (n_spare_pipes < SPARE_PIPES_MAX) {
		spare_pipes[n_spare_pipes][0] = take_fd(&flow->pipe[0]);
		spare_pipes[n_spare_pipes++][1] = take_fd(&flow->pipe[1]);
		return;
	}
	cleanup_close(&flow->pipe[0]);
	cleanup_close(&flow->pipe[1]);
}

static int flush_out(struct flow *flow, int sink)
{
	while (flow->out_at < flow->out.len) {
		ssize_t n = send(sink, flow->out.data + flow->out_at, flow->out.len - flow->out_at,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		flow->out_at += (size_t)n;
		flow->bytes += (size_t)n;
	}
	flow->out.len = flow->out_at = 0;
	return 0;
}

int flow_flush(struct flow *flow, int sink)
{
	int r = flush_out(flow, sink);

	while (r == 0 && flow->in_pipe > 0) {
		ssize_t n = splice(flow->pipe[0], NULL, sink, NULL, flow->in_pipe,
			SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		flow->in_pipe -= (size_t)n;
		flow->bytes += (size_t)n;
	}
	if (r == 0)
		give_pipe_back(flow);
	return r;
}

ssize_t flow_fill(struct flow *flow, int source)
{
	ssize_t n;
	int r = take_pipe(flow);

	if (r < 0)
		return r;
	do
		n = splice(source, NULL, flow->pipe[1], NULL, FLOW_SPLICE_BYTES,
			SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		flow->in_pipe = (size_t)n;
	r = n < 0 ? -errno : 0;
	if (n <= 0)
		give_pipe_back(flow);
	return n < 0 ? r : n;
}

void flow_end(struct flow *flow, int sink)
{
	if (flow->is_shut)
		return;
	flow->is_shut = true;
	(void)shutdown(sink, SHUT_WR);
}
