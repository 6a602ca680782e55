/*
 * The connection to a host. Runs in a keeper. Hostile: every byte of the server.
 */
#include "keeper/link.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

static bool is_address(const char *host)
{
	unsigned char bytes[16];

	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* Whom the certificate has to name. */
static bool expect_host(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	X509_VERIFY_PARAM_set_hostflags(param,
		X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
	return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 &&
	       SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
		       (void *)(size_t)host) == 1; /* the macro's cast drops const */
}

/* What is offered (RFC 7301): the whole of it, or from the second entry on. */
static const unsigned char both[] = "\x02h2\x08http/1.1";

int link_open(struct link *link, int fd, SSL_CTX *ctx, const char *host, struct err *err)
{
	int flags = fcntl(fd, F_GETFL), on = 1;

	*link = (struct link){ .fd = fd };
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_set(err, errno, "the server's socket");
	/* Fails on sockets that are not TCP's; then there is nothing to set. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (ctx == NULL)
		return 0;
	link->ssl = SSL_new(ctx);
	if (link->ssl == NULL || SSL_set_fd(link->ssl, fd) != 1 ||
		!expect_host(link->ssl, host) || SSL_set_alpn_protos(link->ssl, both + 3, 9) != 0)
		return err_set(err, ENOMEM, "TLS");
	SSL_set_connect_state(link->ssl);
	return 0;
}

void link_close(struct link *link)
{
	/* Said for politeness: nobody waits for the answer. */
	if (link->ssl != NULL && !link->is_broken && SSL_is_init_finished(link->ssl) == 1)
		(void)SSL_shutdown(link->ssl);
	ERR_clear_error();
	SSL_free(link->ssl);
	link->ssl = NULL;
	cleanup_close(&link->fd);
}

void link_offer_h2(struct link *link)
{
	if (link->ssl != NULL)
		(void)SSL_set_alpn_protos(link->ssl, both, sizeof(both) - 1);
}

/* Is it a matter of waiting? Sets what for. */
static bool must_wait(struct link *link, int result, bool is_writing)
{
	int what = SSL_get_error(link->ssl, result);

	if (what == SSL_ERROR_WANT_WRITE)
		link->read_wants_write = !is_writing;
	else if (what == SSL_ERROR_WANT_READ)
		link->write_wants_read = is_writing;
	return what == SSL_ERROR_WANT_WRITE || what == SSL_ERROR_WANT_READ;
}

static int handshake_failed(const struct link *link, const char *host, struct err *err)
{
	long verdict = SSL_get_verify_result(link->ssl);
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	ERR_clear_error();
	if (verdict != X509_V_OK)
		return err_set(err, 0, "the certificate of %s is refused: %s", host,
			X509_verify_cert_error_string(verdict));
	return err_set(err, 0, "TLS with %s: %s", host,
		reason != NULL ? reason : "the server broke it off");
}

int link_handshake(struct link *link, const char *host, struct err *err)
{
	int r;

	if (link->ssl == NULL)
		return 0;
	ERR_clear_error();
	link->read_wants_write = link->write_wants_read = false;
	r = SSL_do_handshake(link->ssl);
	if (r != 1 && must_wait(link, r, false))
		return -EAGAIN;
	/* Once more in our own words: without a verified certificate nothing is written. */
	if (r != 1 || SSL_get_verify_result(link->ssl) != X509_V_OK)
		return handshake_failed(link, host, err);
	return 0;
}

bool link_is_h2(const struct link *link)
{
	const unsigned char *name = NULL;
	unsigned n = 0;

	if (link->ssl != NULL)
		SSL_get0_alpn_selected(link->ssl, &name, &n);
	return n == 2 && memcmp(name, "h2", 2) == 0;
}

static ssize_t plain_result(ssize_t n)
{
	return n < 0 ? (errno == EINTR ? -EAGAIN : -errno) : n;
}

ssize_t link_read(struct link *link, char *out, size_t max)
{
	int n;

	if (link->ssl == NULL)
		return plain_result(read(link->fd, out, max));
	ERR_clear_error();
	link->read_wants_write = false;
	n = SSL_read(link->ssl, out, max > INT_MAX ? INT_MAX : (int)max);
	if (n > 0)
		return n;
	if (must_wait(link, n, false))
		return -EAGAIN;
	link->is_broken = SSL_get_error(link->ssl, n) != SSL_ERROR_ZERO_RETURN;
	ERR_clear_error();
	return link->is_broken ? -EPROTO : 0;
}

ssize_t link_write(struct link *link, const char *bytes, size_t n)
{
	int r;

	if (link->is_broken || n == 0)
		return n == 0 ? 0 : -EPIPE;
	if (link->ssl == NULL)
		return plain_result(write(link->fd, bytes, n));
	ERR_clear_error();
	link->write_wants_read = false;
	r = SSL_write(link->ssl, bytes, n > INT_MAX ? INT_MAX : (int)n);
	if (r > 0)
		return r;
	if (must_wait(link, r, true))
		return -EAGAIN;
	link->is_broken = true;
	ERR_clear_error();
	return -EPIPE;
}

void link_shut(struct link *link)
{
	if (link->ssl != NULL && !link->is_broken) {
		ERR_clear_error();
		(void)SSL_shutdown(link->ssl);
		ERR_clear_error();
	}
	(void)shutdown(link->fd, SHUT_WR);
}
