/*
 * What a client's signature says of itself. Runs in a keeper; hostile input: the request.
 */
#include "keeper/sigv4.h"

#include "base/cleanup.h"
#include "wire/field.h"

#include <string.h>
#include <strings.h>

#define SCHEME "AWS4-HMAC-SHA256"
/* Rationale: AWS's key ids have 16 to 128 bytes, regions and services a few words. */
#define KEY_ID_MAX 128u
#define SCOPE_PART_MAX 64u

static int refuse(struct err *err, const char *why)
{
	return err_set(err, 0, "AWS signature: %s", why);
}

static bool is_text(const struct keepmsg_text *t, const char *s)
{
	return t->at != NULL && t->n == strlen(s) && memcmp(t->at, s, t->n) == 0;
}

static bool starts(const struct keepmsg_text *t, const char *s)
{
	return t->n >= strlen(s) && strncasecmp(t->at, s, strlen(s)) == 0;
}

/* Bytes in front of `mark`, which is taken as well; the rest where there is none. */
static struct keepmsg_text take_until(struct keepmsg_text *t, char mark)
{
	const char *at = t->n > 0 ? memchr(t->at, mark, t->n) : NULL;
	struct keepmsg_text part = { t->at, at != NULL ? (size_t)(at - t->at) : t->n };
	size_t taken = part.n + (at != NULL);

	if (taken > 0)
		*t = (struct keepmsg_text){ t->at + taken, t->n - taken };
	return part;
}

static void trim(struct keepmsg_text *t)
{
	for (; t->n > 0 && (*t->at == ' ' || *t->at == '\t'); t->n--)
		t->at++;
	while (t->n > 0 && (t->at[t->n - 1] == ' ' || t->at[t->n - 1] == '\t'))
		t->n--;
}

/* Letters, digits and the bytes of `more`; 1 to max of them. */
static bool is_word(const struct keepmsg_text *t, const char *more, size_t max)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	for (size_t i = 0; i < t->n; i++)
		if (t->at[i] == '\0' ||
			(strchr(plain, t->at[i]) == NULL && strchr(more, t->at[i]) == NULL))
			return false;
	return t->n > 0 && t->n <= max;
}

static bool is_of(const struct keepmsg_text *t, const char *bytes, size_t n)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->at[i] == '\0' || strchr(bytes, t->at[i]) == NULL)
			return false;
	return t->n == n;
}

/* The one field of this name: 1, none: 0, several: -1. */
static int find_field(const struct keepmsg_head *head, const char *name, struct keepmsg_text *ret)
{
	int found = 0;

	*ret = (struct keepmsg_text){ 0 };
	for (size_t i = 0; i < head->n_fields; i++) {
		if (!is_text(&head->fields[i].name, name))
			continue;
		if (found++ > 0)
			return -1;
		*ret = head->fields[i].value;
	}
	return found;
}

/* ---- the query ---- */

/* Signatures and keys in the query; Version 2 has its key there. */
static bool is_presigned(struct keepmsg_text query)
{
	static const char *const names[] = { "x-amz-signature", "x-amz-algorithm",
		"x-amz-credential", "x-amz-security-token", "awsaccesskeyid" };
	struct keepmsg_text param;
	char decoded[32], end;

	while (field_next_param(&query, &param, &end))
		if (field_is_listed(field_param_name(param, decoded, sizeof(decoded)), names,
			    ARRAY_LEN(names)))
			return true;
	return false;
}

/* ---- the time ---- */

static int64_t number(const char *at, size_t n)
{
	int64_t value = 0;

	for (size_t i = 0; i < n; i++)
		value = value * 10 + (at[i] - '0');
	return value;
}

/* Seconds since 1970 of YYYYMMDDTHHMMSSZ; -1: it is none. */
static int64_t time_of(const struct keepmsg_text *t)
{
	static const char digits[] = "0123456789";
	struct keepmsg_text date = { t->at, 8 }, clock = { t->at + 9, 6 };

	if (t->n != 16 || t->at[8] != 'T' || t->at[15] != 'Z' || !is_of(&date, digits, 8) ||
		!is_of(&clock, digits, 6))
		return -1;
	int64_t year = number(t->at, 4), month = number(t->at + 4, 2), day = number(t->at + 6, 2);
	int64_t hour = number(t->at + 9, 2), minute = number(t->at + 11, 2);
	int64_t second = number(t->at + 13, 2);

	if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 ||
		minute > 59 || second > 60)
		return -1;
	/* Years that begin in March have the leap day at their end. */
	year -= month <= 2;
	int64_t days = 365 * year + year / 4 - year / 100 + year / 400 +
		       (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1 - 719468;

	return days * 86400 + hour * 3600 + minute * 60 + second;
}

static int read_time(
	const struct keepmsg_head *head, int64_t now_s, struct sigv4 *s, struct err *err)
{
	int64_t signed_s;

	if (find_field(head, "x-amz-date", &s->time) != 1)
		return refuse(err, "x-amz-date is missing, or there are several");
	signed_s = time_of(&s->time);
	if (signed_s < 0)
		return refuse(err, "x-amz-date is malformed");
	if (signed_s < now_s - SIGV4_SKEW_S || signed_s > now_s + SIGV4_SKEW_S)
		return refuse(err, "x-amz-date is more than 15 minutes off");
	if (memcmp(s->time.at, s->date.at, 8) != 0)
		return refuse(err, "x-amz-date is not of the day of the credential's scope");
	return 0;
}

/* ---- Authorization ---- */

static int read_credential(struct keepmsg_text value, struct sigv4 *s, struct err *err)
{
	s->key_id = take_until(&value, '/');
	s->date = take_until(&value, '/');
	s->region = take_until(&value, '/');
	s->service = take_until(&value, '/');
	if (!is_word(&s->key_id, "+=_-.", KEY_ID_MAX) || !is_of(&s->date, "0123456789", 8) ||
		!is_word(&s->region, "-_", SCOPE_PART_MAX) ||
		!is_word(&s->service, "-_", SCOPE_PART_MAX) || !is_text(&value, "aws4_request"))
		return refuse(err, "Credential is malformed");
	return 0;
}

static int compare(const struct keepmsg_text *a, const struct keepmsg_text *b)
{
	int r = memcmp(a->at, b->at, a->n < b->n ? a->n : b->n);

	return r != 0 ? r : (a->n > b->n) - (a->n < b->n);
}

static int read_names(struct keepmsg_text value, struct sigv4 *s, struct err *err)
{
	bool has_host = false, has_date = false;

	for (s->n_names = 0; value.n > 0; s->n_names++) {
		struct keepmsg_text *name = &s->names[s->n_names];

		if (s->n_names == SIGV4_SIGNED_MAX)
			return refuse(err, "too many signed fields");
		*name = take_until(&value, ';');
		for (size_t i = 0; i < name->n; i++)
			if (name->at[i] >= 'A' && name->at[i] <= 'Z')
				return refuse(err, "SignedHeaders has capital letters");
		if (!is_word(name, "!#$%&'*+-.^_`|~", KEEPMSG_HEAD_MAX) ||
			is_text(name, "authorization"))
			return refuse(err, "SignedHeaders is malformed");
		if (s->n_names > 0 && compare(name - 1, name) >= 0)
			return refuse(err, "SignedHeaders is not sorted");
		has_host = has_host || is_text(name, "host");
		has_date = has_date || is_text(name, "x-amz-date");
	}
	return has_host && has_date ? 0 : refuse(err, "host and x-amz-date have to be signed");
}

static int read_authorization(struct keepmsg_text value, struct sigv4 *s, struct err *err)
{
	static const char *const keys[] = { "Credential", "SignedHeaders", "Signature" };
	struct keepmsg_text found[3] = { { 0 } };
	int r;

	while (value.n > 0) {
		struct keepmsg_text part = take_until(&value, ',');
		size_t key = 0;

		trim(&part);
		struct keepmsg_text name = take_until(&part, '=');

		while (key < 3 && !is_text(&name, keys[key]))
			key++;
		if (key == 3 || found[key].at != NULL)
			return refuse(err, "Authorization has something unknown or twice");
		found[key] = part;
	}
	if (found[0].at == NULL || found[1].at == NULL || found[2].at == NULL)
		return refuse(err, "Authorization lacks Credential, SignedHeaders or Signature");
	if (!is_of(&found[2], "0123456789abcdef", 64))
		return refuse(err, "Signature is malformed");
	r = read_credential(found[0], s, err);
	return r < 0 ? r : read_names(found[1], s, err);
}

/* ---- the payload ---- */

/* The services that botocore signs as S3. */
static bool is_s3(const struct keepmsg_text *service)
{
	static const char *const names[] = { "s3", "s3express", "s3-object-lambda", "s3-outposts" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (is_text(service, names[i]))
			return true;
	return false;
}

static int read_payload(const struct keepmsg_head *head, struct sigv4 *s, struct err *err)
{
	int found = find_field(head, "x-amz-content-sha256", &s->payload);
	bool has_body = head->framing == KEEPMSG_UNKNOWN ||
			(head->framing == KEEPMSG_LENGTH && head->length > 0);

	if (found < 0)
		return refuse(err, "there are several x-amz-content-sha256");
	s->is_s3 = is_s3(&s->service);
	if (found == 0 && s->is_s3)
		return refuse(err, "S3 needs x-amz-content-sha256");
	s->needs_body = found == 0 && has_body;
	/* The trailer's checksum is not signed: for the signature it is a word like the other one.
	 */
	if (found == 0 || is_of(&s->payload, "0123456789abcdef", 64) ||
		is_text(&s->payload, "UNSIGNED-PAYLOAD") ||
		is_text(&s->payload, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"))
		return 0;
	return refuse(
		err, starts(&s->payload, "STREAMING-")
			     ? "chunks that are signed each (STREAMING-...) cannot be signed anew"
			     : "x-amz-content-sha256 is malformed");
}

int sigv4_read(const struct keepmsg_head *head, int64_t now_s, struct sigv4 *ret, struct err *err)
{
	struct keepmsg_text value, scheme;
	int found = find_field(head, "authorization", &value), r;

	*ret = (struct sigv4){ 0 };
	if (is_presigned(head->query))
		return refuse(
			err, "a presigned query cannot be signed anew; sign by Authorization");
	if (found < 0)
		return refuse(err, "there are several Authorization fields");
	scheme = take_until(&value, ' ');
	if (starts(&scheme, "AWS4-ECDSA-"))
		return refuse(err, "Version 4a (AWS4-ECDSA-P256-SHA256) cannot be signed anew");
	if (found == 0 || (!starts(&scheme, "AWS4-") && !is_text(&scheme, "AWS")))
		return err_set(err, ENOENT, "AWS signature");
	if (!is_text(&scheme, SCHEME))
		return refuse(err, "is not of " SCHEME);
	r = read_authorization(value, ret, err);
	if (r == 0)
		r = read_time(head, now_s, ret, err);
	return r < 0 ? r : read_payload(head, ret, err);
}
