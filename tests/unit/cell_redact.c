/*
 * Proves: of a file with secrets none is left in its copy, the rest is as it was, and what is not
 * strictly of its format is refused, whatever bytes it is made of.
 */
#include "cell/redact.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "tap.h"

#include <errno.h>
#include <string.h>

#define SECRET "S3cr3tS3cr3tS3cr3tS3cr3t"
#define NPM "npm_" SECRET "abcdefghijkl"

/* want: what the copy is, '@' for a fake; NULL: it is refused. */
static const struct row {
	enum redactform form;
	const char *text, *want;
} rows[] = {
	{ REDACTFORM_NPMRC, "registry=https://a.test/\n", "registry=https://a.test/\n" },
	{ REDACTFORM_NPMRC, "//a.test/:_authToken=" NPM "\n", "//a.test/:_authToken=@\n" },
	{ REDACTFORM_NPMRC, "//a.test/:_authToken=${TOKEN}\n", "//a.test/:_authToken=${TOKEN}\n" },
	{ REDACTFORM_NPMRC, "//a.test/:_authToken=${TOKEN}" SECRET, "//a.test/:_authToken=@" },
	{ REDACTFORM_NPMRC, "//a.test/:_authToken = \"" NPM "\"", "//a.test/:_authToken=\"@\"" },
	{ REDACTFORM_NPMRC, "; " SECRET "\n# " SECRET "\na", "\n\na" },
	{ REDACTFORM_NPMRC, "unheard-of=" SECRET, "unheard-of=@" },
	{ REDACTFORM_NPMRC, "_password=1234", "_password=@" },
	{ REDACTFORM_NPMRC, "fetch-retries=3", "fetch-retries=3" },
	{ REDACTFORM_NPMRC, "registry=https://u:" SECRET "@a.test/x?token=" SECRET "&b=",
		"registry=https://u:@@a.test/x?token=@&b=" },
	{ REDACTFORM_NPMRC, "registry=https://u:" SECRET ";x@a.test/", "registry=https://u:@@a.test/" },
	{ REDACTFORM_NPMRC, "registry=https://u:a/" SECRET "@a.test/", "registry=https://u:@@a.test/" },
	{ REDACTFORM_NPMRC, "registry=https://a.test/" SECRET "/npm/", "registry=https://a.test/@/npm/" },
	{ REDACTFORM_NPMRC, "registry=https://a.test/ ;" SECRET, "registry=@" },
	{ REDACTFORM_NPMRC, "registry=https://" NPM "@a.test/", "registry=https://@@a.test/" },
	{ REDACTFORM_NPMRC, "registry=" NPM, "registry=@" },
	{ REDACTFORM_NPMRC, "a=b\r\nc=" SECRET "\r\n", "a=@\nc=@\n" },
	{ REDACTFORM_NPMRC, "GOPROXY=https://u:" SECRET "@a.test,direct\nGOPRIVATE=*.corp.test\n",
		"GOPROXY=https://u:@@a.test,direct\nGOPRIVATE=*.corp.test\n" },
	{ REDACTFORM_NPMRC, "a=\\\n" SECRET, NULL },
	{ REDACTFORM_NPMRC, " a=1", NULL },
	{ REDACTFORM_NPMRC, "a=\"" SECRET, NULL },
	{ REDACTFORM_NPMRC, "a=\"x\"" SECRET "\"", NULL },
	{ REDACTFORM_NPMRC, "a b=1", NULL },
	{ REDACTFORM_NPMRC, "=" SECRET, NULL },
	{ REDACTFORM_NPMRC, "a=1\rb=" SECRET, NULL },
	{ REDACTFORM_NPMRC, "a=1\vb=" SECRET, NULL },
	{ REDACTFORM_NPMRC, "a=\x1b[31m", NULL },
	{ REDACTFORM_NPMRC, "", "" },
	{ REDACTFORM_INI, "[pypi]\nusername = __token__\npassword = pypi-" SECRET,
		"[pypi]\nusername =__token__\npassword =@" },
	{ REDACTFORM_INI, "[distutils]\nindex-servers =\n    pypi\n", "[distutils]\nindex-servers=\n    pypi\n" },
	{ REDACTFORM_INI, "[a]\npassword =\n    " SECRET "\n", NULL },
	{ REDACTFORM_INI, "[a]\nindex-servers =\n    " SECRET SECRET "\n", NULL },
	{ REDACTFORM_INI, "[a]\nindex-servers =\n    a:b\n", NULL },
	{ REDACTFORM_INI, "[a\nb=1", NULL },
	{ REDACTFORM_INI, "alone\n", NULL },
	{ REDACTFORM_TOML, "[registry]\ntoken = \"" SECRET "\"\n", "[registry]\ntoken=\"@\"\n" },
	{ REDACTFORM_TOML, "token = '" SECRET "'\n", "token='@'\n" },
	{ REDACTFORM_TOML, "token = \"\"\"\n" SECRET "\n\"\"\"\n", NULL },
	{ REDACTFORM_TOML, "token = \"\"\"" SECRET "\"\"\"", NULL },
	{ REDACTFORM_TOML, "token = \"\\u0041" SECRET "\"", NULL },
	{ REDACTFORM_TOML, "registry = { token = \"" SECRET "\" }", NULL },
	{ REDACTFORM_TOML, "token = \"a\" # \"" SECRET "\"", NULL },
	{ REDACTFORM_TOML, "\"token\" = \"a\"", NULL },
	{ REDACTFORM_TOML, "a = [\n\"" SECRET "\"\n]", NULL },
	{ REDACTFORM_YAML, "github.com:\n    user: me\n    oauth_token: gho_" SECRET "\n",
		"github.com:\n    user: me\n    oauth_token: @\n" },
	{ REDACTFORM_YAML, "a: |\n  " SECRET "\n", NULL },
	{ REDACTFORM_YAML, "a: >-\n  " SECRET "\n", NULL },
	{ REDACTFORM_YAML, "a: &x " SECRET "\n", NULL },
	{ REDACTFORM_YAML, "a: { b: " SECRET " }", NULL },
	{ REDACTFORM_YAML, "- " SECRET "\n", NULL },
	{ REDACTFORM_YAML, "a: b\n  " SECRET "\n", NULL },
	{ REDACTFORM_YAML, "? " SECRET "\n: b\n", NULL },
	{ REDACTFORM_YAML, "\"a\": b\n", NULL },
	{ REDACTFORM_YAML, "user: me # " SECRET "\n", NULL },
	{ REDACTFORM_YAML, "user: me " SECRET "\n", "user: @\n" },
	{ REDACTFORM_JSON, "{\"auths\": {\"a.test\": {\"auth\": \"" SECRET "\"}}}",
		"{\"auths\": {\"a.test\": {\"auth\": \"@\"}}}" },
	{ REDACTFORM_JSON, "{\"credHelpers\": {\"a\": \"ecr\"}, \"x\": [\"" SECRET "\", true, null]}",
		"{\"credHelpers\": {\"a\": \"ecr\"}, \"x\": [\"@\", true, null]}" },
	{ REDACTFORM_JSON, "{\"https://u:" SECRET "@a.test\": {}}", "{\"https://u:@@a.test\": {}}" },
	{ REDACTFORM_JSON, "{\"auth\": \"\"}", "{\"auth\": \"\"}" },
	{ REDACTFORM_JSON, "{\"a\": \"b\\\"" SECRET "\"}", NULL },
	{ REDACTFORM_JSON, "{\"a\": 12345678901234567890}", NULL },
	{ REDACTFORM_JSON, "{\"a\": 1} " SECRET, NULL },
	{ REDACTFORM_JSON, "{\"a\": \"b\", }", NULL },
	{ REDACTFORM_JSON, "{\"a\" \"b\"}", NULL },
	{ REDACTFORM_JSON, "{'a': '" SECRET "'}", NULL },
	{ REDACTFORM_JSON, "// " SECRET "\n{}", NULL },
	{ REDACTFORM_JSON, "{\"a\": \"" SECRET, NULL },
	{ REDACTFORM_JSON, "", NULL },
	{ REDACTFORM_JSON, "[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]", NULL },
	{ REDACTFORM_NETRC, "machine a login me password " SECRET "\n", "machine a login me password @\n" },
	{ REDACTFORM_NETRC, "machine a\n\tpassword " SECRET "\n\taccount " SECRET,
		"machine a\n\tpassword @\n\taccount @" },
	{ REDACTFORM_NETRC, "# " SECRET "\ndefault", "\ndefault" },
	{ REDACTFORM_NETRC, "macdef init\necho " SECRET "\n\n", NULL },
	{ REDACTFORM_NETRC, "machine a password \"" SECRET " x\"", NULL },
	{ REDACTFORM_NETRC, "machine a password", NULL },
	{ REDACTFORM_NETRC, "machine a password " SECRET "\\ x", NULL },
	{ REDACTFORM_NETRC, SECRET, NULL },
	{ REDACTFORM_URLS, "https://me:" SECRET "@a.test\n", "https://me:@@a.test\n" },
	{ REDACTFORM_URLS, "https://me:" SECRET "%40@a.test:8443/x\n", "https://me:@@a.test:8443/x\n" },
	{ REDACTFORM_URLS, "me:" SECRET "@a.test\n", NULL },
	{ REDACTFORM_URLS, "https://a.test " SECRET "\n", NULL },
	{ REDACTFORM_GIT, "[user]\n\tname = A B\n", "[user]\n\tname = A B\n" },
	{ REDACTFORM_GIT, "[remote \"o\"]\n\turl = https://me:" SECRET "@a.test/x\n",
		"[remote \"o\"]\n\turl = https://me:@@a.test/x\n" },
	{ REDACTFORM_GIT, "\turl = git@a.test:me/x.git\n", "\turl = git@a.test:me/x.git\n" },
	{ REDACTFORM_GIT, "\turl = https://me@a.test/x\n", "\turl = https://me@a.test/x\n" },
	{ REDACTFORM_GIT, "[url \"https://" SECRET "@a.test/\"]\n", "[url \"https://@@a.test/\"]\n" },
	{ REDACTFORM_GIT, "\textraheader = AUTHORIZATION: basic " SECRET "\n",
		"\textraheader = AUTHORIZATION: basic @\n" },
	{ REDACTFORM_GIT, "\ttoken = " SECRET "\n", "\ttoken = @\n" },
	{ REDACTFORM_GIT, "\thelper = \"!f() { echo password=" SECRET "; }; f\"\n",
		"\thelper = \"!f() { echo password=@\"\n" },
	{ REDACTFORM_GIT, "\tx = a " NPM " b\n", "\tx = a @ b\n" },
	{ REDACTFORM_GIT, "\tsigningkey = ABCDEF\n", "\tsigningkey = ABCDEF\n" },
	{ REDACTFORM_GIT, "\tst = \"!f() { \\\n\tgit status; }; f\"\n", "\tst = \"!f() { \\\n\tgit status; }; f\"\n" },
	{ REDACTFORM_GIT, "\thelper = \"!f() { \\\n\techo password=" SECRET "; }; f\"\n", NULL },
	{ REDACTFORM_GIT, "\textraheader = \\\n" SECRET "\n", NULL },
};

/* Does the copy match, each '@' of want standing for a fake (of letters, at least eight) or itself? */
static bool matches(const char *want, const char *got)
{
	size_t n;

	for (; *want != '\0'; want++) {
		if (*want == '@' && *got != '@') {
			n = strspn(got, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
			if (n < 8)
				return false;
			got += n;
		} else if (*want == *got) {
			got++;
		} else if (*want != ' ' && *got == ' ') {
			got++; /* blanks around a sign are nobody's business */
			want--;
		} else if (*want != ' ') {
			return false;
		}
	}
	return *got == '\0';
}

static void check_row(const struct row *row)
{
	AUTO_BUF struct buf out = { 0 };
	struct err err = { 0 };
	unsigned n = 0;
	int r = redact_file(row->form, row->text, strlen(row->text), &out, &n, &err);
	const char *got = out.data != NULL ? out.data : "";
	bool has_fake = row->want != NULL && strstr(row->text, SECRET) != NULL &&
		strchr(row->want, '@') != NULL;
	char title[256], shown[512];

	(void)log_quote(row->text, strlen(row->text), title, sizeof(title));
	if (row->want == NULL) {
		tap_ok(r == -EINVAL && strstr(err.text, SECRET) == NULL, "%d refuses %s", row->form,
			title);
		return;
	}
	if (!tap_ok(r == 0 && matches(row->want, got) && strstr(got, SECRET) == NULL &&
			    (!has_fake || n > 0),
		    "%d %s", row->form, title))
		printf("# got: %d %s %s\n", r, log_quote(got, strlen(got), shown, sizeof(shown)), err.text);
}

/* A secret in a valid file, every byte of it changed to every other: never is it whole in the copy. */
static void check_mutations(enum redactform form, const char *text)
{
	size_t n = strlen(text), refused = 0, leaks = 0;
	char *bytes = strdup(text);

	for (size_t i = 0; bytes != NULL && i < n; i++)
		for (unsigned c = 0; c < 256; c++) {
			AUTO_BUF struct buf out = { 0 };
			struct err err = { 0 };
			unsigned fakes;

			bytes[i] = (char)c;
			if (redact_file(form, bytes, n, &out, &fakes, &err) < 0)
				refused++;
			else if (out.data != NULL && memmem(out.data, out.len, SECRET, strlen(SECRET)) != NULL)
				leaks++;
			bytes[i] = text[i];
		}
	tap_ok(leaks == 0 && refused > 0, "form %d: %zu changes, %zu refused, %zu leaks", form, n * 256,
		refused, leaks);
	free(bytes);
}

static void check_cuts(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = strlen(rows[i].text);

		for (size_t k = 0; k <= n; k++) {
			AUTO_BUF struct buf out = { 0 };
			struct err err = { 0 };
			unsigned fakes;
			/* a copy that ends where the text does: a read beyond it is seen by a sanitizer */
			char *cut = malloc(k + 1);

			if (cut == NULL)
				return;
			memcpy(cut, rows[i].text, k);
			cut[k] = '\0';
			(void)redact_file(rows[i].form, cut, k, &out, &fakes, &err);
			free(cut);
		}
	}
	tap_ok(true, "every beginning of every text is read to its end");
}

int main(void)
{
	AUTO_BUF struct buf large = { 0 }, out = { 0 };
	struct err err = { 0 };
	unsigned fakes;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(&rows[i]);
	check_mutations(REDACTFORM_NPMRC, "//a.test/:_authToken=" SECRET "\n");
	check_mutations(REDACTFORM_INI, "[a]\nusername = x\npassword = " SECRET "\n");
	check_mutations(REDACTFORM_TOML, "[a]\ntoken = \"" SECRET "\"\n");
	check_mutations(REDACTFORM_YAML, "a.test:\n    oauth_token: " SECRET "\n");
	check_mutations(REDACTFORM_JSON, "{\"auths\": {\"a\": {\"auth\": \"" SECRET "\"}}}");
	check_mutations(REDACTFORM_NETRC, "machine a login b password " SECRET "\n");
	check_mutations(REDACTFORM_URLS, "https://u:" SECRET "@a.test\n");
	check_cuts();
	for (size_t i = 0; i < REDACT_BYTES_MAX; i++)
		buf_adds(&large, "\n");
	tap_ok(redact_file(REDACTFORM_NPMRC, large.data, large.len, &out, &fakes, &err) == 0, "the largest file");
	buf_adds(&large, "\n");
	tap_ok(redact_file(REDACTFORM_NPMRC, large.data, large.len, &out, &fakes, &err) == -EINVAL,
		"one byte more");
	return tap_done();
}
