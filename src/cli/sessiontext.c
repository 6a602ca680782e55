/* See sessiontext.h. Hostile: what the session's record quotes of its command line and project. */
#include "cli/sessiontext.h"

#include "cli/listing.h"
#include "cli/recordtext.h"

#include <stdio.h>
#include <string.h>

void sessiontext_add_head(struct buf *out)
{
	buf_addf(out, "%-23s %-19s %7s  %-9s %5s %6s  %s\n", "SESSION", "START", "TOOK", "STATUS",
		"RUNS", "DENIED", "COMMAND, PROJECT");
}

static void add_duration(int64_t ms, struct buf *out)
{
	int64_t s = ms / 1000;

	if (s >= 86400)
		buf_addf(out, "%3lldd%02lldh", (long long)(s / 86400), (long long)(s % 86400 / 3600));
	else if (s >= 3600)
		buf_addf(out, "%3lldh%02lldm", (long long)(s / 3600), (long long)(s % 3600 / 60));
	else if (s >= 60)
		buf_addf(out, "%3lldm%02llds", (long long)(s / 60), (long long)(s % 60));
	else
		buf_addf(out, "   %2lld.%llds", (long long)s, (long long)(ms % 1000 / 100));
}

static void add_state(const struct session_summary *s, struct buf *out)
{
	char text[24] = "cut off";

	if (s->state == SESSION_RUNNING)
		(void)snprintf(text, sizeof(text), "running");
	else if (s->state == SESSION_ENDED)
		(void)snprintf(text, sizeof(text), "exit %d", s->status);
	else if (s->state == SESSION_SIGNALLED)
		(void)snprintf(text, sizeof(text), "signal %d", s->status);
	buf_addf(out, "  %-9s", text);
}

void sessiontext_add_row(const struct session_summary *s, struct buf *out)
{
	const char *project = record_text(&s->first, "project");

	buf_addf(out, "%-23s ", s->id);
	recordtext_add_time(s->start_ms, out);
	buf_adds(out, " ");
	add_duration(s->end_ms - s->start_ms, out);
	add_state(s, out);
	buf_addf(out, " %5u %6u  ", s->commands, s->denials);
	recordtext_add_argv(&s->first, 60, out);
	buf_adds(out, "  ");
	listing_add_quoted(out, project != NULL ? project : "");
	buf_adds(out, "\n");
}

static void add_json_text(struct buf *out, const char *key, const char *text)
{
	buf_addf(out, ",\"%s\":", key);
	if (text != NULL)
		buf_add_json_text(out, text);
	else
		buf_adds(out, "null");
}

void sessiontext_add_json(const struct session_summary *s, struct buf *out)
{
	static const char *const states[] = { "running", "ended", "signalled", "cut" };
	size_t n;
	const char *argv = record_strings(&s->first, "argv", &n);

	buf_addf(out, "{\"session\":\"%s\"", s->id);
	add_json_text(out, "start", record_text(&s->first, "time"));
	buf_addf(out, ",\"duration_ms\":%lld,\"state\":\"%s\"", (long long)(s->end_ms - s->start_ms),
		states[s->state]);
	if (s->state == SESSION_RUNNING)
		buf_addf(out, ",\"pid\":%d", (int)s->pid);
	if (s->state == SESSION_ENDED || s->state == SESSION_SIGNALLED)
		buf_addf(out, ",\"%s\":%d", s->state == SESSION_ENDED ? "status" : "signal",
			s->status);
	buf_addf(out, ",\"commands\":%u,\"denials\":%u", s->commands, s->denials);
	add_json_text(out, "mode", record_text(&s->first, "mode"));
	add_json_text(out, "agent", sessions_agent(&s->first));
	add_json_text(out, "project", record_text(&s->first, "project"));
	buf_adds(out, ",\"argv\":[");
	for (size_t i = 0; i < n; i++, argv += strlen(argv) + 1) {
		buf_adds(out, i > 0 ? "," : "");
		buf_add_json_text(out, argv);
	}
	buf_adds(out, "]}");
}
