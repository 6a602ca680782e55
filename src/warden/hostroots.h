/* The authorities that the host trusts, for the keepers. */
#ifndef WARDEN_HOSTROOTS_H
#define WARDEN_HOSTROOTS_H

#include "base/err.h"

/* A descriptor of the host's bundle, PEM. The caller's, or -errno with err. */
int hostroots_open(struct err *err);

#endif
