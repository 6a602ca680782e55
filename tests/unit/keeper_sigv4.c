/*
 * Proves that requests are signed as AWS does: published examples with their signatures, AWS's own
 * signer (botocore) on random requests where python3 has it, and that what cannot be signed anew is
 * refused with its reason.
 *
 * The published ones: AWS's Signature Version 4 test suite (service, us-east-1, AKIDEXAMPLE) and
 * the examples of the S3 and IAM manuals.
 */
#include "base/cleanup.h"
#include "keeper/sigv4.h"
#include "tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SUITE_KEY "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define S3_KEY "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define SUITE_NOW 1440938160 /* 2015-08-30T12:36:00Z */
#define S3_NOW 1369353600    /* 2013-05-24T00:00:00Z */
#define FAKE "AKIAFAKEFAKEFAKEFAKE"
#define JUNK "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static struct keepmsg_text text_of(const char *s)
{
	return (struct keepmsg_text){ s, s != NULL ? strlen(s) : 0 };
}

/* A request as a table says it; fields are "name:value" lines. */
struct request {
	const char *method, *path, *query, *fields, *body;
};

static char kept[1 << 16]; /* what the head of make_head() points into */

static struct keepmsg_head make_head(const struct request *r)
{
	struct keepmsg_head head = { .method = text_of(r->method),
		.path = text_of(r->path),
		.query = text_of(r->query),
		.framing = r->body != NULL ? KEEPMSG_LENGTH : KEEPMSG_NO_BODY,
		.length = r->body != NULL ? strlen(r->body) : 0 };
	char *line = kept;

	(void)snprintf(kept, sizeof(kept), "%s", r->fields);
	while (*line != '\0') {
		size_t n = strcspn(line, "\n");
		char *colon = memchr(line, ':', n);

		head.fields[head.n_fields].name =
			(struct keepmsg_text){ line, (size_t)(colon - line) };
		head.fields[head.n_fields++].value =
			(struct keepmsg_text){ colon + 1, n - (size_t)(colon - line) - 1 };
		line += n + (line[n] == '\n');
	}
	return head;
}

static struct err err;

/* The new Authorization, or why there is none. In static memory. */
static const char *sign(
	const struct request *r, const char *host, int64_t now_s, const struct sigv4_keys *keys)
{
	static char ret[4096];
	AUTO_BUF struct buf out = { 0 };
	struct keepmsg_head head = make_head(r);
	struct sigv4_request request = { .head = &head, .host = host };
	char hash[SIGV4_HASH_BYTES];
	struct sigv4 s;

	if (sigv4_read(&head, now_s, &s, &err) < 0)
		return err.text;
	if (s.needs_body && sigv4_hash(r->body, strlen(r->body), hash) == 0)
		request.body_hash = hash;
	if (sigv4_sign(&s, &request, keys, &out, &err) < 0)
		return err.text;
	(void)snprintf(ret, sizeof(ret), "%s", out.data);
	return ret;
}

/* ---- published signatures ---- */

#define SUITE(signed, more)                                                                        \
	"authorization:AWS4-HMAC-SHA256 Credential=" FAKE                                          \
	"/20150830/us-east-1/service/aws4_request, "                                               \
	"SignedHeaders=" signed ", Signature=" JUNK "\n" more "x-amz-date:20150830T123600Z\n"
#define S3(signed, hash, more)                                                                     \
	"authorization:AWS4-HMAC-SHA256 Credential=" FAKE "/20130524/us-east-1/s3/aws4_request,"   \
	"SignedHeaders=" signed ",Signature=" JUNK "\n" more "x-amz-content-sha256:" hash "\n"     \
				"x-amz-date:20130524T000000Z\n"
#define UNRESERVED "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

static const struct published {
	const char *name;
	struct request request;
	const char *signature;
} suite[] = {
	{ "get-vanilla", { "GET", "/", NULL, SUITE("host;x-amz-date", ""), NULL },
		"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
	{ "get-vanilla-query", { "GET", "/", "", SUITE("host;x-amz-date", ""), NULL },
		"5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
	{ "get-vanilla-query-order-key-case",
		{ "GET", "/", "Param2=value2&Param1=value1", SUITE("host;x-amz-date", ""), NULL },
		"b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500" },
	{ "get-vanilla-query-unreserved",
		{ "GET", "/", UNRESERVED "=" UNRESERVED, SUITE("host;x-amz-date", ""), NULL },
		"9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197" },
	{ "get-vanilla-utf8-query",
		{ "GET", "/", "\341\210\264=bar", SUITE("host;x-amz-date", ""), NULL },
		"2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04" },
	{ "get-unreserved", { "GET", "/" UNRESERVED, NULL, SUITE("host;x-amz-date", ""), NULL },
		"07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f" },
	{ "get-utf8", { "GET", "/\341\210\264", NULL, SUITE("host;x-amz-date", ""), NULL },
		"8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85" },
	{ "get-space", { "GET", "/example space/", NULL, SUITE("host;x-amz-date", ""), NULL },
		"652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741" },
	{ "get-header-key-duplicate",
		{ "GET", "/", NULL,
			SUITE("host;my-header1;x-amz-date",
				"my-header1:value2\nmy-header1:value2\nmy-header1:value1\n"),
			NULL },
		"c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea" },
	{ "get-header-value-trim",
		{ "GET", "/", NULL,
			SUITE("host;my-header1;my-header2;x-amz-date",
				"my-header1: value1\nmy-header2: \"a   b   c\"\n"),
			NULL },
		"acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736" },
	{ "post-vanilla", { "POST", "/", NULL, SUITE("host;x-amz-date", ""), NULL },
		"5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
	{ "post-header-key-sort",
		{ "POST", "/", NULL, SUITE("host;my-header1;x-amz-date", "my-header1:value1\n"),
			NULL },
		"c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c" },
	{ "post-x-www-form-urlencoded",
		{ "POST", "/", NULL,
			SUITE("content-type;host;x-amz-date",
				"content-type:application/x-www-form-urlencoded\n"),
			"Param1=value1" },
		"ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a" },
	{ "post-x-www-form-urlencoded-parameters",
		{ "POST", "/", NULL,
			SUITE("content-type;host;x-amz-date",
				"content-type:application/x-www-form-urlencoded; charset=utf8\n"),
			"Param1=value1" },
		"1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe" },
};

static const struct published s3[] = {
	{ "S3: GET Object",
		{ "GET", "/test.txt", NULL,
			S3("host;range;x-amz-content-sha256;x-amz-date", EMPTY,
				"range:bytes=0-9\n"),
			NULL },
		"f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41" },
	{ "S3: PUT Object",
		{ "PUT", "/test%24file.text", NULL,
			S3("date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
				"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
				"date:Fri, 24 May 2013 00:00:00 "
				"GMT\nx-amz-storage-class:REDUCED_REDUNDANCY\n"),
			"Welcome to Amazon S3." },
		"98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd" },
	{ "S3: GET Bucket Lifecycle",
		{ "GET", "/", "lifecycle", S3("host;x-amz-content-sha256;x-amz-date", EMPTY, ""),
			NULL },
		"fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543" },
	{ "S3: List Objects",
		{ "GET", "/", "max-keys=2&prefix=J",
			S3("host;x-amz-content-sha256;x-amz-date", EMPTY, ""), NULL },
		"34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7" },
};

static const struct published iam = { "IAM: ListUsers",
	{ "GET", "/", "Action=ListUsers&Version=2010-05-08",
		"authorization:AWS4-HMAC-SHA256 Credential=" FAKE
		"/20150830/us-east-1/iam/aws4_request, "
		"SignedHeaders=content-type;host;x-amz-date, Signature=" JUNK "\n"
		"content-type:application/x-www-form-urlencoded; "
		"charset=utf-8\nx-amz-date:20150830T123600Z\n",
		NULL },
	"5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7" };

static void check_published(
	const struct published *p, const char *host, int64_t now_s, const struct sigv4_keys *keys)
{
	const char *got = sign(&p->request, host, now_s, keys);
	const char *at = strstr(got, "Signature=");

	tap_is(at != NULL ? at + strlen("Signature=") : got, p->signature, p->name);
}

static const struct sigv4_keys suite_keys = { { "AKIDEXAMPLE", 11 }, { SUITE_KEY, 40 },
	{ NULL, 0 } };

static void test_published(void)
{
	struct sigv4_keys s3_keys = { text_of("AKIAIOSFODNN7EXAMPLE"), text_of(S3_KEY),
		{ NULL, 0 } };

	for (size_t i = 0; i < ARRAY_LEN(suite); i++)
		check_published(&suite[i], "example.amazonaws.com", SUITE_NOW, &suite_keys);
	for (size_t i = 0; i < ARRAY_LEN(s3); i++)
		check_published(&s3[i], "examplebucket.s3.amazonaws.com", S3_NOW, &s3_keys);
	check_published(&iam, "iam.amazonaws.com", SUITE_NOW, &suite_keys);
	tap_is(sign(&suite[0].request, "example.amazonaws.com", SUITE_NOW, &suite_keys),
		"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
		"SignedHeaders=host;x-amz-date, "
		"Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
		"the whole field");
}

/* ---- what is signed ---- */

static const char *canonical(const struct request *r, const char *session)
{
	static char ret[4096];
	AUTO_BUF struct buf out = { 0 };
	struct keepmsg_head head = make_head(r);
	struct sigv4_request request = { .head = &head, .host = "h:8443", .body_hash = "BODY" };
	struct keepmsg_text token = text_of(session);
	struct sigv4 s;

	if (sigv4_read(&head, SUITE_NOW, &s, &err) < 0 ||
		sigv4_canonical(&s, &request, &token, &out, &err) < 0)
		return err.text;
	(void)snprintf(ret, sizeof(ret), "%s", out.data);
	return ret;
}

static void test_canonical(void)
{
	static const struct request session = { "GET", "/", NULL,
		SUITE("host;x-amz-date;x-amz-security-token;x-gone",
			"x-amz-security-token:of-the-client\n"),
		NULL };
	static const struct request length = { "POST", "/a%2Fb", "b&a=%7e+%2b&&c=%zz&b=1&b=0",
		SUITE("content-length;host;x-amz-date", ""), "body" };

	tap_is(canonical(&session, "ours"),
		"GET\n/\n\nhost:h:8443\nx-amz-date:20150830T123600Z\nx-amz-security-token:ours\n\n"
		"host;x-amz-date;x-amz-security-token\n" EMPTY,
		"the session token is ours, a field that is not sent is not signed");
	tap_is(canonical(&session, NULL),
		"GET\n/\n\nhost:h:8443\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date\n" EMPTY,
		"without a session the client's token is not signed");
	tap_is(canonical(&suite[0].request, "ours"),
		"GET\n/\n\nhost:h:8443\nx-amz-date:20150830T123600Z\nx-amz-security-token:ours\n\n"
		"host;x-amz-date;x-amz-security-token\n" EMPTY,
		"a session token that the client did not sign is signed");
	tap_is(canonical(&length, NULL),
		"POST\n/a%252Fb\na=~%20%2B&b=&b=0&b=1&c=%25zz\ncontent-length:4\nhost:h:8443\n"
		"x-amz-date:20150830T123600Z\n\ncontent-length;host;x-amz-date\nBODY",
		"path encoded twice, query in normal form, length from the framing, hash of the "
		"body");
}

/* ---- refusals ---- */

#define DATE "x-amz-date:20150830T123600Z\n"
#define AUTH(scheme, scope, names, signature)                                                      \
	"authorization:" scheme " Credential=" FAKE "/" scope ", SignedHeaders=" names             \
	", Signature=" signature "\n"
#define HMAC "AWS4-HMAC-SHA256"
#define SCOPE "20150830/us-east-1/service/aws4_request"
#define NAMES "host;x-amz-date"
#define UNDATED AUTH(HMAC, SCOPE, NAMES, JUNK)
#define GOOD UNDATED DATE
#define OF_SCHEME(scheme) AUTH(scheme, SCOPE, NAMES, JUNK) DATE
#define OF_SCOPE(scope) AUTH(HMAC, scope, NAMES, JUNK) DATE
#define OF_NAMES(names) AUTH(HMAC, SCOPE, names, JUNK) DATE
#define OF_S3(lines) AUTH(HMAC, "20150830/us-east-1/s3/aws4_request", NAMES, JUNK) DATE lines
#define HASH(hash) "x-amz-content-sha256:" hash "\n"

static const struct refused {
	const char *what, *query, *fields;
	int result;
} refused[] = {
	{ "good", NULL, GOOD, 0 },
	{ "no Authorization", NULL, DATE, -ENOENT },
	{ "Basic", NULL, "authorization:Basic eDp5\n" DATE, -ENOENT },
	{ "Version 2", NULL, "authorization:AWS AKID:c2ln\n" DATE, -EINVAL },
	{ "Version 4a", NULL, OF_SCHEME("AWS4-ECDSA-P256-SHA256"), -EINVAL },
	{ "another hash", NULL, OF_SCHEME("AWS4-HMAC-SHA512"), -EINVAL },
	{ "two Authorization", NULL, GOOD "authorization:Basic eDp5\n", -EINVAL },
	{ "presigned", "X-Amz-Signature=" JUNK, DATE, -EINVAL },
	{ "presigned, junk", "a=b&x-amz-SIGNATURE=1", "authorization:Basic eDp5\n", -EINVAL },
	{ "presigned, and a good Authorization", "a&X-Amz-Algorithm", GOOD, -EINVAL },
	{ "presigned, name percent-encoded", "X%2dAmz-Cr%65dential=x", GOOD, -EINVAL },
	{ "presigned, Version 2", "AWSAccessKeyId=x&Signature=y", DATE, -EINVAL },
	{ "a token in the query", "X-Amz-Security-Token=x", GOOD, -EINVAL },
	{ "like presigned", "X-Amz-Signatures=1&NotX-Amz-Signature=2&=X-Amz-Signature", GOOD, 0 },
	{ "no x-amz-date", NULL, UNDATED, -EINVAL },
	{ "two x-amz-date", NULL, GOOD DATE, -EINVAL },
	{ "another day", NULL, OF_SCOPE("20150829/us-east-1/service/aws4_request"), -EINVAL },
	{ "a malformed date", NULL, UNDATED "x-amz-date:2015-08-30T12:36\n", -EINVAL },
	{ "a month 13", NULL, UNDATED "x-amz-date:20151330T123600Z\n", -EINVAL },
	{ "15 minutes before", NULL, UNDATED "x-amz-date:20150830T122100Z\n", 0 },
	{ "longer before", NULL, UNDATED "x-amz-date:20150830T122059Z\n", -EINVAL },
	{ "15 minutes after", NULL, UNDATED "x-amz-date:20150830T125100Z\n", 0 },
	{ "longer after", NULL, UNDATED "x-amz-date:20150830T125101Z\n", -EINVAL },
	{ "no host", NULL, OF_NAMES("x-amz-date"), -EINVAL },
	{ "no date signed", NULL, OF_NAMES("host"), -EINVAL },
	{ "names not sorted", NULL, OF_NAMES("x-amz-date;host"), -EINVAL },
	{ "names twice", NULL, OF_NAMES("host;host;x-amz-date"), -EINVAL },
	{ "an empty name", NULL, OF_NAMES(";host;x-amz-date"), -EINVAL },
	{ "capital names", NULL, OF_NAMES("Host;x-amz-date"), -EINVAL },
	{ "authorization signed", NULL, OF_NAMES("authorization;host;x-amz-date"), -EINVAL },
	{ "a short signature", NULL, AUTH(HMAC, SCOPE, NAMES, "ab") DATE, -EINVAL },
	{ "a short scope", NULL, OF_SCOPE("20150830/us-east-1/aws4_request"), -EINVAL },
	{ "a long scope", NULL, OF_SCOPE("20150830/us-east-1/a/b/aws4_request"), -EINVAL },
	{ "an empty region", NULL, OF_SCOPE("20150830//service/aws4_request"), -EINVAL },
	{ "a key twice", NULL, OF_SCOPE(SCOPE ", Credential=" FAKE "/" SCOPE), -EINVAL },
	{ "an unknown key", NULL, OF_SCOPE(SCOPE ", X=y"), -EINVAL },
	{ "nothing behind the scheme", NULL, "authorization:" HMAC "\n" DATE, -EINVAL },
	{ "S3 without a hash", NULL, OF_S3(""), -EINVAL },
	{ "S3 with a hash", NULL, OF_S3(HASH(EMPTY)), 0 },
	{ "S3, two hashes", NULL, OF_S3(HASH(EMPTY) HASH(EMPTY)), -EINVAL },
	{ "S3, not signed", NULL, OF_S3(HASH("UNSIGNED-PAYLOAD")), 0 },
	{ "S3, a trailer", NULL, OF_S3(HASH("STREAMING-UNSIGNED-PAYLOAD-TRAILER")), 0 },
	{ "signed chunks", NULL, OF_S3(HASH("STREAMING-AWS4-HMAC-SHA256-PAYLOAD")), -EINVAL },
	{ "both", NULL, OF_S3(HASH("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")), -EINVAL },
	{ "signed events", NULL, GOOD HASH("STREAMING-AWS4-HMAC-SHA256-EVENTS"), -EINVAL },
	{ "a hash of no form", NULL, GOOD HASH("abc"), -EINVAL },
};

static void test_refused(void)
{
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct request r = { "GET", "/", refused[i].query, refused[i].fields, NULL };
		struct keepmsg_head head = make_head(&r);
		struct sigv4 s;
		int result = sigv4_read(&head, SUITE_NOW, &s, &err);

		tap_ok(result == refused[i].result, "%s: %s", refused[i].what,
			result < 0 ? err.text : "signed");
	}
}

static void test_body(void)
{
	struct request r = suite[12].request;
	struct keepmsg_head head = make_head(&r);
	struct sigv4_request request = { .head = &head, .host = "h" };
	AUTO_BUF struct buf out = { 0 };
	struct sigv4 s;

	tap_ok(sigv4_read(&head, SUITE_NOW, &s, &err) == 0 && s.needs_body,
		"a body without a hash is needed");
	tap_ok(sigv4_sign(&s, &request, &suite_keys, &out, &err) == -EINVAL && out.len == 0,
		"and without its hash nothing is signed");
	head.framing = KEEPMSG_UNKNOWN;
	tap_ok(sigv4_read(&head, SUITE_NOW, &s, &err) == 0 && s.needs_body, "nor without a length");
	head.framing = KEEPMSG_LENGTH;
	head.length = 0;
	tap_ok(sigv4_read(&head, SUITE_NOW, &s, &err) == 0 && !s.needs_body,
		"an empty one is known");
}

/* ---- botocore ---- */

/*
 * Prints requests that botocore has signed, with the keys of the suite: method, path, query, fields
 * (count first), body, host, signature, each on a line of its own.
 */
static const char signer[] =
	"import random, datetime, urllib.parse\n"
	"import botocore.auth\n"
	"from botocore.awsrequest import AWSRequest\n"
	"from botocore.credentials import Credentials\n"
	"class Clock(datetime.datetime):\n"
	"    @classmethod\n"
	"    def utcnow(cls): return cls(2015, 8, 30, 12, 36)\n"
	"class Module: datetime = Clock\n"
	"botocore.auth.datetime = Module\n"
	"botocore.auth.get_current_datetime = lambda *a, **k: Clock.utcnow()\n"
	"rnd = random.Random(7)\n"
	"signs = \"abcXYZ019-._~!$'()*,:;@&=/ %+\\u00e4\\u20ac?#[]\"\n"
	"word = lambda n: ''.join(rnd.choice(signs) for _ in range(rnd.randint(0, n)))\n"
	"quote = lambda s: urllib.parse.quote(s, safe='-._~')\n"
	"for i in range(400):\n"
	"    is_s3 = i % 2 == 0\n"
	"    service = 's3' if is_s3 else rnd.choice(['sqs', 'dynamodb', 'bedrock', "
	"'execute-api'])\n"
	"    token = rnd.choice([None, 'token/+=' + 'x' * 40])\n"
	"    keys = Credentials('AKIDEXAMPLE', 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY', token)\n"
	"    path = '/' + '/'.join(quote(word(8)) or 'x' for _ in range(rnd.randint(0, 3)))\n"
	"    path = '/'.join(p if p not in ('.', '..') else 'x' for p in path.split('/'))\n"
	"    query = '&'.join(quote(word(5) + 'k') + rnd.choice(['=' + quote(word(8)), '='])\n"
	"        for _ in range(rnd.randint(0, 5)))\n"
	"    host = service + '.test' + rnd.choice(['', ':8443'])\n"
	"    body = rnd.choice([None, '{\"a\":1}'])\n"
	"    method = 'POST' if body else rnd.choice(['GET', 'DELETE', 'HEAD'])\n"
	"    fields = {'X-Amz-Target': 'a   b  ' + 'c' * rnd.randint(1, 9)}\n"
	"    if rnd.random() < .5: fields['Content-Type'] = 'application/x-amz-json-1.0'\n"
	"    r = AWSRequest(method, 'https://' + host + path + ('?' + query if query else ''), "
	"fields, body)\n"
	"    kind = botocore.auth.S3SigV4Auth if is_s3 else botocore.auth.SigV4Auth\n"
	"    kind(keys, service, 'eu-central-1').add_auth(r)\n"
	"    lines = [method, path, query, str(len(r.headers))]\n"
	"    lines += [n.lower() + ':' + v.strip() for n, v in r.headers.items()]\n"
	"    print('\\n'.join(lines + [body or '', host, token or '']))\n";

/* A line without its end into ret; false at the end of the input. */
static bool take_line(FILE *in, char *ret, size_t n)
{
	if (fgets(ret, (int)n, in) == NULL)
		return false;
	ret[strcspn(ret, "\n")] = '\0';
	return true;
}

static bool take_signed(FILE *in, struct request *r, char lines[8][4096])
{
	size_t n = 0;

	for (size_t i = 0; i < 4; i++)
		if (!take_line(in, lines[i], 4096))
			return false;
	lines[4][0] = '\0';
	for (unsigned long i = strtoul(lines[3], NULL, 10); i > 0; i--) {
		if (!take_line(in, lines[4] + n, 4096 - n))
			return false;
		n += strlen(lines[4] + n);
		lines[4][n++] = '\n';
		lines[4][n] = '\0';
	}
	for (size_t i = 5; i < 8; i++)
		if (!take_line(in, lines[i], 4096))
			return false;
	*r = (struct request){ lines[0], lines[1], lines[2][0] != '\0' ? lines[2] : NULL, lines[4],
		lines[5][0] != '\0' ? lines[5] : NULL };
	return true;
}

/* python3 running the signer; what it prints. */
static FILE *start_signer(void)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return NULL;
	if (fork() == 0) {
		(void)dup2(ends[1], STDOUT_FILENO);
		(void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
		(void)execlp("python3", "python3", "-W", "ignore", "-c", signer, NULL);
		_exit(127);
	}
	(void)close(ends[1]);
	return fdopen(ends[0], "r");
}

static void test_botocore(void)
{
	static char lines[8][4096];
	struct request r;
	int count = 0, equal = 0;
	FILE *in = start_signer();

	while (in != NULL && take_signed(in, &r, lines)) {
		struct sigv4_keys keys = { suite_keys.key_id, suite_keys.secret,
			text_of(lines[7][0] != '\0' ? lines[7] : NULL) };
		const char *theirs = strstr(lines[4], "authorization:");
		const char *ours = sign(&r, lines[6], SUITE_NOW, &keys);

		count++;
		if (theirs != NULL && strncmp(theirs + 14, ours, strlen(ours)) == 0)
			equal++;
		else
			printf("# %s %s?%s\n# %s# ours: %s\n", lines[0], lines[1], lines[2],
				lines[4], ours);
	}
	if (in != NULL)
		(void)fclose(in);
	(void)wait(NULL);
	if (count == 0)
		tap_ok(true, "requests that botocore signed # SKIP python3 has no botocore here");
	else
		tap_ok(equal == count && count == 400, "%d of %d requests that botocore signed",
			equal, count);
}

int main(void)
{
	test_published();
	test_canonical();
	test_refused();
	test_body();
	test_botocore();
	return tap_done();
}
