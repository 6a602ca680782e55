/* Entries of [egress] -> their canonical text. Pure; the text may be a hostile project's. */
#include "policy/values.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "policy/hostmatch.h"

#include <string.h>

static const char *const faults[] = {
	[HOSTMATCH_OK] = "",
	[HOSTMATCH_IS_URL] = "is a URL or a network; write HOST or HOST:PORT",
	[HOSTMATCH_BAD_PORT] = "has no valid port; write a number from 1 to 65535",
	[HOSTMATCH_BARE_V6] = "is ambiguous; write an IPv6 address with a port as [ADDRESS]:PORT",
	[HOSTMATCH_STAR_INSIDE] = "has a wildcard inside; only *.SUFFIX, **.SUFFIX and * are known",
	[HOSTMATCH_STAR_TOO_WIDE] = "is too wide; name the domain, as in *.example.com",
	[HOSTMATCH_LEADING_DOT] = "starts with a dot; write *.SUFFIX",
	[HOSTMATCH_ODD_NUMBER] = "is no canonical address; write four decimal numbers",
	[HOSTMATCH_BAD_NAME] = "is no host name; use letters, digits and '-' (others as xn--)",
};
_Static_assert(ARRAY_LEN(faults) == HOSTMATCH_FAULT_COUNT, "one text a fault");

int values_host(const struct keys_info *info, const struct keys_places *places, const char *text,
	struct buf *out, struct err *err)
{
	struct hostmatch entry = { 0 };
	enum hostmatch_fault fault = hostmatch_parse(text, &entry);
	char shown[100], canonical[320];

	(void)places;
	if (fault != HOSTMATCH_OK)
		return err_set(err, 0, "'%s' %s",
			log_quote(text, strlen(text), shown, sizeof(shown)), faults[fault]);
	if ((info->flags & KEYS_NEEDS_PORT) != 0 && entry.kind == HOSTMATCH_NAME &&
		entry.port == 0 && strcmp(entry.name, "localhost") == 0)
		return err_set(err, 0, "'localhost' needs its port; write localhost:PORT");
	if ((info->flags & KEYS_NO_STAR) != 0 && entry.kind == HOSTMATCH_ANY)
		return err_set(err, 0,
			"'*' would let every name lead into your network; name the hosts");
	hostmatch_format(&entry, canonical, sizeof(canonical));
	buf_adds(out, canonical);
	return 0;
}
