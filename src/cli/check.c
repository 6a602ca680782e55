/* `agentjail check FILE...`: is this profile valid. The files may be hostile: they are only read.
 */
#include "base/buf.h"
#include "base/log.h"
#include "cli/listing.h"
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

#define QUOTE_BYTES 256

/* What the file says of secrets, since a rule is more than its single lines. */
static int print_checked(const char *file, const struct policy *policy, bool quiet, struct err *err)
{
	AUTO_BUF struct buf rules = { 0 };
	const char *const *lines = NULL;
	size_t n = policy_warnings(policy, &lines);
	char quoted[QUOTE_BYTES];

	for (size_t i = 0; i < n; i++)
		log_warn("%s", lines[i]);
	if (quiet)
		return 0;
	printf("%s: ok\n", log_quote(file, strlen(file), quoted, sizeof(quoted)));
	(void)listing_add_rules(policy, &rules);
	(void)listing_add_tools(policy, &rules);
	return rules.len > 0 ? listing_print(&rules, err) : 0;
}

int check_verb(struct launch *launch, struct err *err)
{
	const struct options *o = &launch->options;
	int status = 0;

	if (o->n_operands == 0)
		return err_set(err, 0, "check: no FILE given; see agentjail --help");
	for (size_t i = 0; i < o->n_operands; i++) {
		struct policy *policy = NULL;
		int r = policy_check_file(o->operands[i], &policy, err);

		if (r == 0)
			r = print_checked(o->operands[i], policy, o->quiet, err);
		if (r < 0) {
			log_error("%s", err->text);
			status = EXIT_AGENTJAIL;
		}
		policy_free(policy);
	}
	*err = (struct err){ 0 };
	return status;
}
