/*
 * Proves which head a judged request becomes: what a rule's keeper is told, what is left out for
 * it, what `else = pass` leaves in, and what HTTP/2 may and may not say. (What HTTP/1 says is
 * judged over connections in proxy_rules.)
 */
#include "proxy/judge.h"

#include "base/cleanup.h"
#include "tap.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define T(s)                                                                                       \
	{                                                                                          \
		s, sizeof(s) - 1                                                                   \
	}

static const char profile[] =
	"[profile]\nname = default\n"
	"[inject api]\nhost = api.test\nmethod = GET POST\npath = /v1/*\n"
	"header = Authorization: Bearer {secret}\nsecret = env:TOKEN\n"
	"[inject rest]\nhost = api.test\nmethod = GET\npath = /v2/*\nquery = api_key={secret}\n"
	"secret = env:TOKEN\nelse = pass\n"
	"[inject aws]\nhost = s3.test\nsign = aws\nsecret = env:TOKEN\nkey-id = env:ID\n"
	"[inject wild]\nhost = *.wild.test\nport = 443 8443\nheader = X-Api-Key: {secret}\n"
	"secret = env:TOKEN\n";

static struct proxy proxy;

static void load(void)
{
	char dir[] = "/tmp/proxy_judge.XXXXXX", path[64];
	struct policy_request request = { .project = "/tmp",
		.home = "/nonexistent",
		.config_dir = "/nonexistent/config",
		.profiles_dir = dir,
		.system_file = "/nonexistent/system.ini" };
	struct policy *policy;
	struct err err;
	int fd;

	if (mkdtemp(dir) == NULL)
		exit(1);
	(void)snprintf(path, sizeof(path), "%s/default.ini", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	(void)write_all(fd, profile, sizeof(profile) - 1);
	(void)close(fd);
	if (policy_load(&request, &policy, &err) < 0) {
		printf("Bail out! %s\n", err.text);
		exit(1);
	}
	proxy.policy = policy;
	(void)unlink(path);
	(void)rmdir(dir);
}

/* The verdict as text: "RULE METHOD PATH?QUERY flags|name: value|...", or "STATUS REASON". */
static const char *judged(const char *host, const struct judge_request *q)
{
	static char text[2000];
	struct judge_result r;
	struct target target;
	struct keepmsg_head *head = &r.head;
	int n;

	(void)target_from_host(host, strlen(host), 443, &target);
	judge(&proxy, &target, q, &r);
	if (r.verdict == JUDGE_REFUSED) {
		(void)snprintf(text, sizeof(text), "%u %s", r.status, r.reason);
		judge_done(&r);
		return text;
	}
	n = snprintf(text, sizeof(text), "%s %.*s %.*s%s%.*s %u", rules_name(r.rule),
		(int)head->method.n, head->method.at, (int)head->path.n, head->path.at,
		head->query.at != NULL ? "?" : "", (int)head->query.n,
		head->query.at != NULL ? head->query.at : "", head->flags);
	for (size_t i = 0; i < head->n_fields; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "|%.*s: %.*s",
			(int)head->fields[i].name.n, head->fields[i].name.at,
			(int)head->fields[i].value.n, head->fields[i].value.at);
	judge_done(&r);
	return text;
}

static struct judge_request get(const char *host, const char *target)
{
	return (struct judge_request){ .method = T("GET"),
		.target = { target, strlen(target) },
		.authorities = { { host, strlen(host) } },
		.n_authorities = 1 };
}

static void test_rules(void)
{
	struct judge_request q = get("api.test", "/v1/a?b=c");

	tap_is(judged("api.test", &q), "api GET /v1/a?b=c 0", "the first rule that matches");
	q = get("api.test", "/v2/a");
	tap_is(judged("api.test", &q), "rest GET /v2/a 0", "a later one");
	q = get("api.test", "/v2/a?api_key=fake");
	tap_is(judged("api.test", &q), "rest GET /v2/a?api_key=fake 0",
		"a parameter that the rule writes itself may be there");
	q = get("api.test", "/v2/a?access_token=x");
	tap_ok(strncmp(judged("api.test", &q), "403 ", 4) == 0, "another credential may not");
	q = get("a.wild.test", "/");
	tap_is(judged("a.wild.test", &q), "wild GET / 0", "a rule for a suffix");
	q = get("a.wild.test", "/");
	tap_ok(strncmp(judged("b.wild.test", &q), "421 ", 4) == 0,
		"a name of the same rule is another name");
	q = get("api.test", "/v1/a");
	q.is_plain = true;
	tap_ok(strncmp(judged("api.test", &q), "403 ", 4) == 0, "no rule is for cleartext here");
}

static void test_pass(void)
{
	struct judge_request q = get("api.test", "/other?access_token=x");

	q.fields[q.n_fields++] = (struct keepmsg_field){ T("Cookie"), T("a=b") };
	q.fields[q.n_fields++] = (struct keepmsg_field){ T("Authorization"), T("mine") };
	q.fields[q.n_fields++] = (struct keepmsg_field){ T("Connection"), T("X-Hop") };
	q.fields[q.n_fields++] = (struct keepmsg_field){ T("X-Hop"), T("1") };
	tap_is(judged("api.test", &q),
		"rest GET /other?access_token=x 1|cookie: a=b|authorization: mine",
		"a request that passes keeps what is its own, and loses what is for one hop");
	q.target = (struct keepmsg_text)T("/v1/a");
	tap_is(judged("api.test", &q), "api GET /v1/a 0", "that of a rule does not keep it");
}

static void test_signing(void)
{
	struct judge_request q = get("s3.test", "/bucket/key");

	q.fields[q.n_fields++] = (struct keepmsg_field){ T("Authorization"), T("AWS4 fake") };
	q.fields[q.n_fields++] = (struct keepmsg_field){ T("X-Amz-Date"), T("now") };
	q.fields[q.n_fields++] = (struct keepmsg_field){ T("X-Amz-Security-Token"), T("fake") };
	q.fields[q.n_fields++] = (struct keepmsg_field){ T("Cookie"), T("a=b") };
	tap_is(judged("s3.test", &q),
		"aws GET /bucket/key 0|authorization: AWS4 fake|x-amz-date: "
		"now|x-amz-security-token: "
		"fake",
		"what is signed anew can still be read");
}

static void test_h2(void)
{
	static const char *const names[] = { "connection", "keep-alive", "transfer-encoding",
		"upgrade", "proxy-connection", "http2-settings", "host" };
	struct judge_request q = get("api.test", "/v1/a");

	q.is_h2 = true;
	q.fields[q.n_fields++] = (struct keepmsg_field){ T("te"), T("trailers") };
	q.fields[q.n_fields++] = (struct keepmsg_field){ T("content-length"), T("0") };
	tap_is(judged("api.test", &q), "api GET /v1/a 4|te: trailers", "gRPC's TE stays");
	q.fields[0].value = (struct keepmsg_text)T("trailers, chunked");
	tap_is(judged("api.test", &q), "api GET /v1/a 4", "another one does not");
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		q.fields[0] = (struct keepmsg_field){ { names[i], strlen(names[i]) }, T("x") };
		tap_ok(strncmp(judged("api.test", &q), "400 ", 4) == 0, "%s is malformed there",
			names[i]);
	}
	q = get("api.test", "/v1/a");
	q.is_h2 = true;
	q.authorities[q.n_authorities++] = (struct keepmsg_text)T("evil.test");
	tap_ok(strncmp(judged("api.test", &q), "421 ", 4) == 0, ":authority and host must agree");
	q.n_authorities = 0;
	tap_ok(strncmp(judged("api.test", &q), "400 ", 4) == 0, "and one must be there");
}

static void test_flags(void)
{
	struct judge_request q = get("api.test", "/v1/a");

	q.has_upgrade = true;
	tap_is(judged("api.test", &q), "api GET /v1/a 2", "an upgrade");
	q.framing = KEEPMSG_LENGTH;
	q.length = 1;
	tap_ok(strncmp(judged("api.test", &q), "400 ", 4) == 0, "not with a body");
	q.has_upgrade = false;
	q.expects_continue = true;
	tap_is(judged("api.test", &q), "api GET /v1/a 8", "a client that waits");
	q.framing = KEEPMSG_NO_BODY;
	tap_is(judged("api.test", &q), "api GET /v1/a 0", "but not without a body");
}

/* Bytes that the parsers should have refused are refused once more. */
static void test_bytes(void)
{
	struct judge_request q = get("api.test", "/v1/a");

	q.fields[q.n_fields++] = (struct keepmsg_field){ T("x"), T("a\r\nb: c") };
	tap_ok(strncmp(judged("api.test", &q), "400 ", 4) == 0, "a line end in a value");
	q.fields[0] = (struct keepmsg_field){ T("x"), T("a\0b") };
	tap_ok(strncmp(judged("api.test", &q), "400 ", 4) == 0, "NUL in a value");
	q.fields[0] = (struct keepmsg_field){ T(""), T("a") };
	tap_ok(strncmp(judged("api.test", &q), "400 ", 4) == 0, "an empty name");
	q.fields[0] = (struct keepmsg_field){ T("x"), T("\t a \t") };
	tap_is(judged("api.test", &q), "api GET /v1/a 0|x: a", "blanks around a value go");
	q = get("api.test", "/v1/a b");
	tap_ok(strncmp(judged("api.test", &q), "400 ", 4) == 0, "a blank in the target");
	q = get("api.test", "/v1/a");
	q.method = (struct keepmsg_text)T("G\0T");
	tap_ok(strncmp(judged("api.test", &q), "400 ", 4) == 0, "NUL in the method");
}

int main(void)
{
	load();
	test_rules();
	test_pass();
	test_signing();
	test_h2();
	test_flags();
	test_bytes();
	return tap_done();
}
