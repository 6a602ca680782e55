#include "wire/proxymsg.h"

#include <string.h>
#include <sys/socket.h>

static int is_text(const char *field, size_t bytes)
{
	return memchr(field, '\0', bytes) != NULL;
}

int proxymsg_is_valid(const struct proxymsg *msg, size_t n)
{
	return n == sizeof(*msg) && msg->type > 0 && msg->type < PROXYMSG_TYPE_COUNT &&
		msg->via < PROXYMSG_VIA_COUNT && is_text(msg->host, sizeof(msg->host)) &&
		is_text(msg->address, sizeof(msg->address)) && is_text(msg->rule, sizeof(msg->rule)) &&
		is_text(msg->reason, sizeof(msg->reason)) &&
		is_text(msg->method, sizeof(msg->method)) && is_text(msg->path, sizeof(msg->path)) &&
		(msg->family == AF_INET || msg->family == AF_INET6 || msg->family == 0);
}

int proxymsg_is_denial(const struct proxymsg *msg)
{
	return msg->type == PROXYMSG_DENIED ||
		(msg->type == PROXYMSG_REQUEST && msg->is_denied != 0);
}
