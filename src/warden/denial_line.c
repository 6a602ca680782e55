/* What a denial is called. Runs in the warden. Hostile: host, method and path, the cell's own
 * words. */
#include "warden/warden.h"

#include "base/log.h"
#include "wire/proxymsg.h"

#include <stdio.h>
#include <string.h>

bool denial_is_one(const struct proxymsg *msg)
{
	return msg->type == PROXYMSG_DENIED ||
	       (msg->type == PROXYMSG_REQUEST && msg->is_denied != 0);
}

void denial_line(
	const struct proxymsg *msg, const char *note, uint64_t seq, char *line, size_t line_bytes)
{
	char host[300], method[100], path[300], port[8] = "";
	unsigned long long id = seq;
	int n;

	(void)log_quote(msg->host, strlen(msg->host), host, sizeof(host));
	(void)log_quote(msg->method, strlen(msg->method), method, sizeof(method));
	(void)log_quote(msg->path, strlen(msg->path), path, sizeof(path));
	if (msg->port != 443 && msg->port != 80)
		(void)snprintf(port, sizeof(port), ":%u", msg->port);
	if (msg->type == PROXYMSG_REQUEST)
		n = snprintf(line, line_bytes,
			"agentjail: %s %s://%s%s%s denied by [inject]%s; see: agentjail why %llu\n",
			method, msg->port == 80 ? "http" : "https", host, port, path, note, id);
	else if (strcmp(msg->reason, PROXYMSG_REASON_UNTRUSTED) == 0)
		n = snprintf(line, line_bytes,
			"agentjail: %s%s: this program does not trust the session's certificate%s; give it "
			"the file in $SSL_CERT_FILE, or take the rule out; see: agentjail why %llu\n",
			host, port, note, id);
	else
		n = snprintf(line, line_bytes,
			"agentjail: connect %s:%u denied by [egress]%s; see: agentjail why %llu\n",
			host, msg->port, note, id);
	if (n <= 0 || (size_t)n >= line_bytes)
		line[0] = '\0';
}
