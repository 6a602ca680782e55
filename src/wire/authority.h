/*
 * What the session's authority (`agentjail @authority N_EXTRA`) is given and what it delivers: it
 * fills memfds that the warden made, and ends.
 */
#ifndef WIRE_AUTHORITY_H
#define WIRE_AUTHORITY_H

#include <stdint.h>

/* Descriptor numbers of the role. */
enum authority_fd {
	AUTHORITY_FD_POLICY = 3, /* memfd, policy_undump(): the hosts of its rules */
	AUTHORITY_FD_KEY,        /* out: certificate and private key, PEM; for the proxy alone */
	AUTHORITY_FD_ROOTS,      /* out: the host's authorities, PEM; for the keepers */
	AUTHORITY_FD_BUNDLE,     /* out: those, the extra ones and the session's, PEM; for cells */
	AUTHORITY_FD_KEYSTORE,   /* out: the same as a Java key store (JKS) */
	AUTHORITY_FD_CERT,       /* out: the session's certificate alone, PEM */
	AUTHORITY_FD_REPORT,     /* out: struct authority_report */
	AUTHORITY_FD_HOST,       /* in: the host's bundle, or its directory of certificates */
	AUTHORITY_FD_EXTRA       /* in: more for cells alone, as many as argv[2]: what programs there
				    believed without us, by a variable or because the system does */
};

/* Rationale: the system's, and one for each variable of the table in warden/environ_trust.c. */
#define AUTHORITY_EXTRA_MAX 24u

/* Rationale: ten times what distributions ship; a directory may hold every file twice. */
#define AUTHORITY_ROOTS_MAX 2048u

#define AUTHORITY_REPORT_VERSION 1u

struct authority_report {
	uint32_t version;
	uint32_t n_roots; /* certificates in AUTHORITY_FD_ROOTS */
	char hash[9];     /* subject hash of the session's certificate: its file is HASH.0 */
	char padding[3];
	char error[160];  /* not empty: it failed, for people */
};

#endif
