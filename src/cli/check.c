/* `agentjail check FILE...`: is this profile valid. The files may be hostile: they are only read.
 */
#include "base/log.h"
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

#define QUOTE_BYTES 256

int check_verb(struct launch *launch, struct err *err)
{
	const struct options *o = &launch->options;
	char quoted[QUOTE_BYTES];
	int status = 0;

	if (o->n_operands == 0)
		return err_set(err, 0, "check: no FILE given; see agentjail --help");
	for (size_t i = 0; i < o->n_operands; i++) {
		const char *file = o->operands[i];

		if (policy_check_file(file, err) < 0) {
			log_error("%s", err->text);
			status = EXIT_AGENTJAIL;
		} else if (!o->quiet) {
			printf("%s: ok\n", log_quote(file, strlen(file), quoted, sizeof(quoted)));
		}
	}
	*err = (struct err){ 0 };
	return status;
}
