/*
 * Between requests and sigv4. Runs in a keeper. Hostile: the request.
 */
#include "keeper/sign.h"

#include <errno.h>
#include <time.h>

static bool is_signed(const struct keeper *keeper, const struct keepmsg_head *head)
{
	return rules_says(keeper->rule, RULES_SIGN, "aws") && (head->flags & KEEPMSG_PASS) == 0;
}

static int read_signature(const struct keepmsg_head *head, struct sigv4 *ret, struct err *err)
{
	struct timespec now = { 0 };
	int r;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	r = sigv4_read(head, now.tv_sec, ret, err);
	if (r == -ENOENT)
		return err_set(err, 0,
			"the rule signs requests anew, and this one is not signed: give the client "
			"the rule's fake keys");
	return r;
}

int sign_needs_body(const struct keeper *keeper, const struct keepmsg_head *head, struct err *err)
{
	struct sigv4 signature;
	int r;

	if (!is_signed(keeper, head))
		return 0;
	r = read_signature(head, &signature, err);
	return r < 0 ? r : signature.needs_body;
}

int sign_hash(const void *bytes, size_t n, char ret_hex[SIGN_HASH_BYTES])
{
	return sigv4_hash(bytes, n, ret_hex);
}

/* The request as a head again, for what signs heads. */
static int as_head(
	const struct inject_request *request, struct keepmsg_head *ret, struct err *err)
{
	if (request->n_fields + 2 > KEEPMSG_FIELDS_MAX)
		return err_set(err, 0, "too many fields to sign");
	*ret = (struct keepmsg_head){ .method = request->method,
		.path = request->path,
		.query = request->query,
		.framing = request->framing,
		.length = request->length,
		.n_fields = request->n_fields };
	for (size_t i = 0; i < request->n_fields; i++)
		ret->fields[i] = (struct keepmsg_field){ request->fields[i].name,
			request->fields[i].value };
	return 0;
}

static void add(struct inject_request *request, const char *name, struct keepmsg_text value)
{
	request->fields[request->n_fields++] = (struct inject_field){
		.name = { name, strlen(name) }, .value = value, .is_ours = true };
}

int sign_request(const struct keeper *keeper, const struct keepmsg_head *head,
	const char *body_hash, struct inject_request *request, struct err *err)
{
	const struct keepmsg_text *values = keeper->secrets.values;
	const struct sigv4_keys keys = { .key_id = values[KEEPMSG_SLOT_KEY_ID],
		.secret = values[KEEPMSG_SLOT_SECRET],
		.session = values[KEEPMSG_SLOT_SESSION] };
	struct sigv4 signature;
	struct keepmsg_head sent;
	struct sigv4_request what = { .head = &sent, .host = request->host,
		.body_hash = body_hash };
	int r;

	if (!is_signed(keeper, head))
		return 0;
	if (keys.key_id.at == NULL || keys.secret.at == NULL)
		return err_set(err, 0, "the rule has no key-id or no secret to sign with");
	r = read_signature(head, &signature, err);
	if (r == 0)
		r = as_head(request, &sent, err);
	if (r == 0)
		r = sigv4_sign(&signature, &what, &keys, &request->signature, err);
	if (r == 0 && request->signature.failed)
		r = err_set(err, ENOMEM, "signature");
	if (r < 0)
		return r;
	add(request, "authorization",
		(struct keepmsg_text){ request->signature.data, request->signature.len });
	if (keys.session.at != NULL)
		add(request, "x-amz-security-token", keys.session);
	return 0;
}
