/*
 * See recordtext.h. Hostile: argv, paths, hosts, methods and reasons that records quote, and the
 * words of a record itself where the file was changed.
 */
#include "cli/recordtext.h"

#include "base/cleanup.h"
#include "cli/listing.h"
#include "cli/trail.h"

#include <string.h>

/* Rationale: a few lines of a terminal; `why` shows all of it. */
#define ARGV_BYTES 300

static void add_argument(struct buf *out, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "_-./:=@%+,^";
	bool is_plain = text[0] != '\0' && text[strspn(text, plain)] == '\0';

	if (is_plain) {
		buf_adds(out, text);
		return;
	}
	buf_adds(out, "'");
	while (*text != '\0') {
		size_t n = strcspn(text, "'");
		AUTO_FREE char *part = strndup(text, n);

		if (part == NULL) {
			out->failed = true;
			return;
		}
		listing_add_quoted(out, part);
		if (text[n] == '\'')
			buf_adds(out, "'\\''");
		text += n + (text[n] == '\'');
	}
	buf_adds(out, "'");
}

void recordtext_add_argv(const struct record *r, size_t max, struct buf *out)
{
	size_t n, start = out->len;
	const char *text = record_strings(r, "argv", &n);

	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_adds(out, " ");
		add_argument(out, text);
		if (out->len - start > max) {
			out->len = start + max;
			buf_adds(out, "...");
			return;
		}
		text += strlen(text) + 1;
	}
	if (record_is_true(r, "cut"))
		buf_adds(out, " ...");
}

static void add_text(const struct record *r, const char *key, const char *before, struct buf *out)
{
	const char *text = record_text(r, key);

	if (text == NULL)
		return;
	buf_adds(out, before);
	listing_add_quoted(out, text);
}

static void add_number(const struct record *r, const char *key, const char *before, struct buf *out)
{
	int64_t value;

	if (record_number(r, key, &value))
		buf_addf(out, "%s%lld", before, (long long)value);
}

void recordtext_add_place(const struct record *r, struct buf *out)
{
	const char *host = record_text(r, "host");
	bool is_request = record_text(r, "method") != NULL;
	int64_t port = 0;

	(void)record_number(r, "port", &port);
	if (is_request) {
		add_text(r, "method", "", out);
		buf_adds(out, port == 80 ? " http://" : " https://");
	}
	if (host != NULL && strchr(host, ':') != NULL && host[0] != '[') {
		add_text(r, "host", "[", out);
		buf_adds(out, "]");
	} else {
		add_text(r, "host", "", out);
	}
	if (!is_request || (port != 80 && port != 443))
		buf_addf(out, ":%lld", (long long)port);
	add_text(r, "path", "", out);
}

void recordtext_add_time(int64_t ms, struct buf *out)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	char text[32];

	if (ms <= 0 || localtime_r(&seconds, &tm) == NULL ||
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) == 0)
		buf_adds(out, "(no time)          ");
	else
		buf_adds(out, text);
}

static void say_session(const struct record *r, struct buf *out)
{
	recordtext_add_argv(r, ARGV_BYTES, out);
	add_text(r, "project", "  in ", out);
	add_text(r, "mode", "  mode ", out);
	add_text(r, "version", ", agentjail ", out);
}

static void say_masks(const struct record *r, struct buf *out)
{
	buf_addf(out, "%zu paths hidden", record_count(r, "paths"));
}

static void say_changed(const struct record *r, struct buf *out)
{
	size_t n;
	const char *path = record_strings(r, "paths", &n);

	for (size_t i = 0; i < n; i++, path += strlen(path) + 1) {
		buf_adds(out, i > 0 ? " " : "");
		add_argument(out, path);
	}
}

static void say_exec(const struct record *r, struct buf *out)
{
	size_t n;

	add_number(r, "command", "#", out);
	if (out->len > 0 && out->data[out->len - 1] != ' ')
		buf_adds(out, " ");
	(void)record_strings(r, "argv", &n);
	if (n > 0)
		recordtext_add_argv(r, ARGV_BYTES, out);
	else
		add_text(r, "file", "", out);
	add_text(r, "cwd", "  in ", out);
	add_text(r, "reason", ": ", out);
}

static void say_exit(const struct record *r, struct buf *out)
{
	add_number(r, "command", "#", out);
	add_text(r, "tool", "", out);
	add_number(r, "status", " status ", out);
	add_number(r, "signal", " signal ", out);
}

static void say_place(const struct record *r, struct buf *out)
{
	recordtext_add_place(r, out);
	add_number(r, "status", "  answered ", out);
	add_text(r, "address", "  at ", out);
	add_number(r, "bytes_out", "  sent ", out);
	add_number(r, "bytes_in", " received ", out);
	add_number(r, "command", "  #", out);
	add_number(r, "pid", " pid ", out);
	add_text(r, "reason", ": ", out);
	add_text(r, "rule", "  ", out);
}

static void say_tool(const struct record *r, struct buf *out)
{
	add_text(r, "tool", "[tool ", out);
	buf_adds(out, record_text(r, "tool") != NULL ? "] " : "");
	recordtext_add_argv(r, ARGV_BYTES, out);
	add_text(r, "reason", ": ", out);
}

static void say_rule(const struct record *r, struct buf *out)
{
	add_text(r, "rule", "[inject ", out);
	buf_adds(out, record_text(r, "rule") != NULL ? "] " : "");
	add_text(r, "key", "", out);
	add_text(r, "kind", " ", out);
	add_text(r, "state", " ", out);
	add_text(r, "result", " ", out);
	add_text(r, "reason", ": ", out);
}

static void say_end(const struct record *r, struct buf *out)
{
	add_number(r, "status", "status ", out);
	add_number(r, "signal", "signal ", out);
}

static void say_other(const struct record *r, struct buf *out)
{
	for (size_t i = 0; i < r->n; i++) {
		const char *key = r->members[i].key;

		if (strcmp(key, "id") == 0 || strcmp(key, "time") == 0 || strcmp(key, "event") == 0 ||
			strcmp(key, "prev") == 0 || strcmp(key, "decision") == 0)
			continue;
		listing_add_quoted(out, key);
		add_text(r, key, "=", out);
		add_number(r, key, "=", out);
		buf_adds(out, " ");
	}
}

static void say_limit(const struct record *r, struct buf *out)
{
	add_number(r, "command", "#", out);
	add_text(r, "reason", out->len > 0 && out->data[out->len - 1] != ' ' ? ": " : "", out);
	add_text(r, "rule_file", "  ", out);
	add_number(r, "rule_line", ":", out);
}

static const struct event {
	const char *name;
	void (*say)(const struct record *r, struct buf *out);
} events[] = {
	{ "session", say_session },
	{ "masks", say_masks },
	{ "changed", say_changed },
	{ "exec", say_exec },
	{ "exit", say_exit },
	{ "connect", say_place },
	{ "disconnect", say_place },
	{ "request", say_place },
	{ "tool", say_tool },
	{ "tool-end", say_exit },
	{ "keeper", say_rule },
	{ "source", say_rule },
	{ "limit", say_limit },
	{ "end", say_end },
};

static void add_clock(const struct record *r, struct buf *out)
{
	int64_t ms;
	time_t seconds;
	struct tm tm;

	if (!trail_time(record_text(r, "time"), &ms)) {
		buf_adds(out, "--:--:--.---");
		return;
	}
	seconds = (time_t)(ms / 1000);
	if (localtime_r(&seconds, &tm) == NULL)
		tm = (struct tm){ 0 };
	buf_addf(out, "%02d:%02d:%02d.%03d", tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(ms % 1000));
}

/* Pads what was added since start. */
static void pad(struct buf *out, size_t start, size_t width)
{
	do
		buf_adds(out, " ");
	while (!out->failed && out->len - start < width);
}

void recordtext_add(const struct record *r, struct buf *out)
{
	const char *event = record_text(r, "event");
	void (*say)(const struct record *r, struct buf *out) = say_other;
	int64_t id = 0;
	size_t start;

	for (size_t i = 0; event != NULL && i < ARRAY_LEN(events); i++)
		if (strcmp(event, events[i].name) == 0)
			say = events[i].say;
	add_clock(r, out);
	(void)record_number(r, "id", &id);
	buf_addf(out, " %5lld  ", (long long)id);
	start = out->len;
	listing_add_quoted(out, event != NULL ? event : "?");
	pad(out, start, 12);
	start = out->len;
	add_text(r, "decision", "", out);
	pad(out, start, 8);
	say(r, out);
	buf_adds(out, "\n");
}

void recordtext_add_json(const char *line, size_t n, bool is_terminal, struct buf *out)
{
	for (size_t i = 0; i < n;) {
		const unsigned char *s = (const unsigned char *)line + i;
		size_t len = 1, left = n - i;
		unsigned c = s[0];

		if (!is_terminal || (c >= 0x20 && c < 0x7f)) {
			buf_add(out, s, 1);
			i++;
			continue;
		}
		if (c >= 0xf0 && left >= 4)
			len = 4;
		else if (c >= 0xe0 && c < 0xf0 && left >= 3)
			len = 3;
		else if (c >= 0xc0 && c < 0xe0 && left >= 2)
			len = 2;
		c = len == 1 ? c : c & (0xffu >> (len + 1));
		for (size_t k = 1; k < len; k++)
			c = c << 6 | (s[k] & 0x3fu);
		if (c >= 0x10000)
			buf_addf(out, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10 & 0x3ff),
				0xdc00 + (c & 0x3ff));
		else
			buf_addf(out, "\\u%04x", c);
		i += len;
	}
	buf_adds(out, "\n");
}
