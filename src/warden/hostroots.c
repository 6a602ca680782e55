/* Runs in the warden. The files are the host's own. */
#include "warden/hostroots.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>

/* Where distributions keep it: Debian and Arch, Fedora, SUSE, Alpine. */
static const char *const bundles[] = { "/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem" };

int hostroots_open(struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(bundles); i++) {
		int fd = open(bundles[i], O_RDONLY | O_CLOEXEC);

		if (fd >= 0)
			return fd;
	}
	return err_set(err, ENOENT, "no bundle of certificate authorities, such as %s", bundles[0]);
}
