/* Runs in the warden and in the helpers; both ends are our own code. */
#include "wire/helpmsg.h"

#include "wire/fdpass.h"

#include <errno.h>
#include <string.h>

#define HEAD_BYTES offsetof(struct helpmsg, text)

int helpmsg_send(int sock, enum helpmsg_type type, uint32_t value, const char *text, const int *fds,
	size_t n_fds)
{
	struct helpmsg msg;
	size_t n = text != NULL ? strlen(text) + 1 : 1;

	if (n > sizeof(msg.text))
		return -ENAMETOOLONG;
	msg.type = (uint32_t)type;
	msg.value = value;
	memcpy(msg.text, text != NULL ? text : "", n);
	return fdpass_send(sock, &msg, HEAD_BYTES + n, fds, n_fds);
}

int helpmsg_recv(int sock, struct helpmsg *ret, int *fds, size_t max_fds, size_t *ret_n_fds)
{
	ssize_t n = fdpass_recv(sock, ret, sizeof(*ret), fds, max_fds, ret_n_fds);

	if (n <= 0)
		return (int)n;
	if ((size_t)n <= HEAD_BYTES || ((const char *)ret)[n - 1] != '\0')
		return -EBADMSG;
	return 1;
}
