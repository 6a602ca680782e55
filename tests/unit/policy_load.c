/*
 * Proves: layers come in order and later ones win, append or take away; whatever a profile gets
 * wrong refuses all of it with file, line and remedy.
 */
#include "policy_fixture.h"

static void check_layers(void)
{
	static const char *const overrides[] = { "env.keep=CLI", "sandbox.home=closed",
		"env.hide=!SYSTEM", "files.read=\"/a b\"", "sandbox.home=open" };
	struct policy_request request = request_of("a");
	struct policy *policy;
	struct err err;
	size_t n = 0;

	clear();
	puts_at("profiles/default.ini", "[env]\nkeep = DEFAULT\n[sandbox]\nhome = open\n");
	puts_at("system.ini", "[env]\nkeep = SYSTEM\nhide = SYSTEM OTHER\n");
	puts_at("profiles/a.ini",
		"[env]\nkeep = INSTALLED\nkeep = SECOND\n[profile]\ninherit = b\n");
	puts_at("profiles/b.ini", "[env]\nkeep = PARENT\n[agent]\ntmp = private\n");
	puts_at("config/profiles/a.ini", "[env]\nkeep = OWN\n");
	puts_at("config/agentjail.ini", "# comment\n; comment\n\n   \n[env]\nkeep = USER "
					"!SYSTEM\n[sandbox]\nhome = closed\n");
	request.overrides = overrides;
	request.n_overrides = sizeof(overrides) / sizeof(overrides[0]);
	policy = load(request, &err);
	if (!tap_ok(policy != NULL, "all layers load %s", err.text))
		return;
	tap_is(joined(policy, PK_ENV_KEEP), "DEFAULT|PARENT|INSTALLED|SECOND|OWN|USER|CLI",
		"in order");
	tap_is(joined(policy, PK_ENV_HIDE), "OTHER", "taken away on the command line");
	tap_is(joined(policy, PK_FILES_READ), "/a b", "one entry in quotes");
	tap_is(policy_value(policy, PK_SANDBOX_HOME)->value, "open", "the last one wins");
	tap_is(policy_value(policy, PK_SANDBOX_HOME)->origin.file, "(command line)",
		"and says where");
	tap_is(policy_value(policy, PK_AGENT_TMP)->value, "private", "inherited");
	tap_is(policy_value(policy, PK_SANDBOX_TTY)->origin.file, "(built-in)", "built in");
	tap_ok(policy_list(policy, PK_ENV_KEEP, &n)[3].origin.line == 3 &&
			strstr(policy_list(policy, PK_ENV_KEEP, &n)[3].origin.file,
				"profiles/a.ini"),
		"origin of an entry");
	tap_ok(policy_has_agent_profile(policy), "the agent has a profile");
	policy_free(policy);
	policy = load(request_of("unknown"), &err);
	tap_ok(policy != NULL && !policy_has_agent_profile(policy), "an unknown agent has none");
	policy_free(policy);
	policy = load(request_of("../a"), &err);
	tap_ok(policy != NULL && !policy_has_agent_profile(policy), "a name is no path");
	policy_free(policy);
}

/* text as the user's own file; part of the message with its line. */
static const struct bad {
	const char *text, *part;
} bad[] = {
	{ "[fils]\nread = /a\n", "agentjail.ini:1: unknown section [fils]; did you mean [files]?" },
	{ "[zzzzzzz]\n", ":1: unknown section [zzzzzzz]; there are: profile agent sandbox" },
	{ "[files x]\nread = /a\n", ":1: [files] takes no name; write [files]" },
	{ "[inject]\nhost = a.test\n", ":1: [inject] needs a name; write [inject NAME]" },
	{ "[inject a/b]\n", ":1: [inject NAME]: 'a/b' is no name" },
	{ "[files]\n\nreed = /a\n", ":3: unknown key 'reed' in [files]; did you mean 'read'?" },
	{ "[files]\nallow = a.test\n",
		":2: unknown key 'allow' in [files]; it belongs into [egress]" },
	{ "[audit]\nzzzzzzzz = 1\n",
		":2: unknown key 'zzzzzzzz' in [audit]; there are: path level" },
	{ "[inject a]\nhots = b.test\n",
		":2: unknown key 'hots' in [inject]; did you mean 'host'?" },
	{ "[tool a]\nmach = git *\n", ":2: unknown key 'mach' in [tool]; did you mean 'match'?" },
	{ "read = /a\n", ":1: 'read = /a' stands before the first section" },
	{ "[files]\nread\n", ":2: 'read' is no KEY = VALUE" },
	{ "[files]\nread: /a\n", ":2: 'read: /a' is no KEY = VALUE" },
	{ "[files]\n= /a\n", ":2: '= /a' is no KEY = VALUE" },
	{ "[files\nread = /a\n", ":1: no ']'" },
	{ "[files] # x\n", ":1: text follows [SECTION]" },
	{ "[]\n", ":1: blanks or nothing" },
	{ "[ files ]\n", ":1: blanks or nothing" },
	{ "[files]\n read = /a\n", ":2: the line is indented" },
	{ "[files]\nread = /a\n\t/b\n", ":3: the line is indented" },
	{ "[files]\nread = /a ;b\n", ":2: ' ;' would cut the value" },
	{ "[files]\nread = ;b\n", ":2: ' ;' would cut the value" },
	{ "[files]\nread = /a # b\n", ":2: [files] read: '#' would start a comment" },
	{ "[files]\nread = /a #b\n", ":2: [files] read: '#b' would start a comment" },
	{ "[files]\nread = /a\r\n", ":2: the line ends with a carriage return" },
	{ "[files]\nread = /a\rb\n", ":2: byte 0x0d" },
	{ "[files]\nread = /a\x1b[2J\n", ":2: byte 0x1b" },
	{ "\xef\xbb\xbf[files]\n", ":1: starts with a byte order mark" },
	{ "[files]\nread =\n", ":2: [files] read has no entry" },
	{ "[files]\nread = \"\"\n", ":2: [files] read: \"\" is an empty entry" },
	{ "[files]\nread = \"/a b\n", ":2: [files] read: a double quote is not closed" },
	{ "[files]\nread = \"/a\"b\n", ":2: [files] read: text follows a closing double quote" },
	{ "[files]\nread = /a\"b\"\n", ":2: [files] read: '/a\"b\"' has a double quote inside" },
	{ "[files]\nread = !\n", ":2: [files] read: ! takes away nothing" },
	{ "[files]\nread = /abc\nread = !/abd\n", ":3: [files] read: '!/abd' takes away what no "
						  "earlier line has; did you mean '!/abc'?" },
	{ "[files]\nread = !/a\n", "takes away what no earlier line has; delete it" },
	{ "[files]\nread = a/b\n",
		":2: [files] read: 'a/b' is relative to nothing; write './a/b'" },
	{ "[files]\nread = ../b\n", ":2: [files] read: '..' in a path" },
	{ "[files]\nread = /a/../b\n", ":2: [files] read: '..' in a path" },
	{ "[files]\nread = ..\n", ":2: [files] read: '..' in a path" },
	{ "[files]\nread = ~bob/x\n", "names another user's home" },
	{ "[files]\nread = /\n", "'/' is everything" },
	{ "[files]\nwrite = //\n", "'/' is everything" },
	{ "[files]\nread = ~\n", "say [sandbox] home = open instead" },
	{ "[files]\nread = /**\n", "say [sandbox] home = open instead" },
	{ "[files]\nwrite = ~\n", "is HOME or more" },
	{ "[files]\noverlay = ~/*\n", "is HOME or more" },
	{ "[files]\nwrite = ~/**\n", "is HOME or more" },
	{ "[files]\nwrite = /tmp\n", "is HOME or more" }, /* the test's HOME is in there */
	{ "[agent]\nkeep = ~/.\n", "is HOME or more" },
	{ "[files]\nhide = *\n", "is a rule for every name" },
	{ "[files]\noverlay = name\n", "'name' is not a path; write './name'" },
	{ "[agent]\nkeep = name\n", "'name' is not a path" },
	{ "[sandbox]\nhome = opn\n",
		":2: [sandbox] home: 'opn' is not valid; write closed or open" },
	{ "[sandbox]\nhome =\n", "'' is not valid; write closed or open" },
	{ "[sandbox]\nhome = open\nuserns = no\nhome = open\n",
		":4: [sandbox] home is set on line 2 already" },
	{ "[sandbox]\nhome = open\n[env]\n[sandbox]\nhome = closed\n",
		":5: [sandbox] home is set on line 2" },
	{ "[env]\nkeep = A=b\n", "'A=b' has a value; write the name here" },
	{ "[env]\nkeep = A-B\n", "'A-B' is no name of a variable" },
	{ "[env]\nkeep = 1A\n", "'1A' is no name of a variable" },
	{ "[env]\nset = A\n", ":2: [env] set: no NAME=VALUE" },
	{ "[env]\nset = A=b # c\n", "' #' looks like a comment" },
	{ "[egress]\nallow = https://a.test/\n", "'https://a.test/' is a URL or a network" },
	{ "[egress]\nallow = 10.0.0.0/8\n", "'10.0.0.0/8' is a URL or a network" },
	{ "[egress]\nallow = *.test\n", "'*.test' is too wide; name the domain" },
	{ "[egress]\nallow = **.test\n", "'**.test' is too wide" },
	{ "[egress]\nallow = a.*.test\n", "'a.*.test' has a wildcard inside" },
	{ "[egress]\nallow = *a.test\n", "'*a.test' has a wildcard inside" },
	{ "[egress]\nallow = .a.test\n", "starts with a dot" },
	{ "[egress]\nallow = localhost\n", "'localhost' needs its port; write localhost:PORT" },
	{ "[egress]\nallow = a.test:http\n", "has no valid port" },
	{ "[egress]\nallow = a.test:0\n", "has no valid port" },
	{ "[egress]\nallow = a.test:65536\n", "has no valid port" },
	{ "[egress]\nallow = ::1:80x\n", "is ambiguous; write an IPv6 address" },
	{ "[egress]\nallow = 0x7f.1\n", "'0x7f.1' is no canonical address" },
	{ "[egress]\nallow = 1.2.3\n", "'1.2.3' is no canonical address" },
	{ "[egress]\nallow = b\xc3\xbc"
	  "cher.test\n",
		"'b\\xc3\\xbccher.test' is no host name" },
	{ "[egress]\nprivate = *\n", "would let every name lead into your network" },
	{ "[agent]\ntrusted = ps -A\n", ":2: [agent] trusted: 'ps' is no file" },
	{ "[agent]\ntrusted = {agnt} *\n", "'{agnt}' is no file" },
	{ "[agent]\ntrusted = /** *\n", "would trust every program" },
	{ "[agent]\ntrusted = /a/../b *\n", "has '..'" },
	{ "[agent]\ntrusted = /bin/x a argv0=b\n", "is not the first one" },
	{ "[agent]\ntrusted = /bin/x {agnt}\n", "'{agnt}' is not known" },
	{ "[agent]\ntrusted =\n", "no file; write trusted" },
	{ "[profile]\nname = a/b\n", "'a/b' is no name" },
	{ "[profile]\ninherit = nobody\n", ":2: [profile] inherit: there is no profile 'nobody'" },
	{ "[profile]\ninherit = ../x\n", ":2: [profile] inherit: '../x' is no name" },
	{ "[audit]\npath = ./log\n", "'./log' is no directory" },
	{ "[locked]\nkey = files.hide\n", ":2: [locked] counts in the system's file only" },
	/* known, checked, and not there yet */
	{ "[tool x]\nask = yes\n", ":2: [tool] ask is not supported yet; take it out" },
	{ "[inject github]\nsecret = ghp_123\n",
		":2: [inject github] secret: a secret is named, not written" },
	{ "[tool push]\nmatch = git push *\n", ":1: [tool push] gives nothing" },
	{ "[sandbox]\nisolation = commands\n", ":2: [sandbox] isolation: 'commands' is not valid" },
	{ "[sandbox]\ntty = filter\n", ":2: [sandbox] tty = filter is not supported yet" },
	{ "[egress]\nask = a.test\n", ":2: [egress] ask is not supported yet" },
	{ "[egress]\npublish = 3000\n", ":2: [egress] publish is not supported yet" },
	{ "[egress]\nparent-proxy = socks5://p:1\n",
		":2: [egress] parent-proxy: 'socks5://p:1' is no parent proxy" },
	{ "[egress]\nproxy-env = on\n", ":2: [egress] proxy-env: 'on' is not valid; write no or yes" },
	{ "[agent]\negress = localhost\n", "'localhost' needs its port; write localhost:PORT" },
	{ "[limits]\nmemory = 512X\n", ":2: [limits] memory: '512X' is no limit; write none, or bytes with K" },
	{ "[limits]\nmemory = 1M\n", "'1M' is no limit" },
	{ "[limits]\nmemory = 99999999T\n", "is no limit" },
	{ "[limits]\nmemory = 1G 2G\n", "'1G 2G' is no limit" },
	{ "[limits]\npids = 4\n", "'4' is no limit; write none, or a number" },
	{ "[limits]\npids = many\n", "'many' is no limit" },
	{ "[limits]\ncpu = 1.5 2\n", "'1.5 2' is no limit; write none, or processors" },
	{ "[limits]\ncpu = 0\n", "'0' is no limit" },
	{ "[limits]\ncpu = 1.\n", "'1.' is no limit" },
	{ "[limits]\nfiles = -1G\n", "'-1G' is no limit" },
	{ "[limits]\ntime = 30\n", "'30' is no limit; write none, or s, m, h or d" },
	{ "[limits]\ntime = 1h 2h\n", "'1h 2h' is no limit" },
	{ "[limits]\ntime = 1h/minute\n", "'1h/minute' is no limit" },
	{ "[limits]\nmemory = much\n", ":2: [limits] memory: 'much' is no limit" },
	{ "[audit]\nlevel = all\n", ":2: [audit] level = all is not supported yet" },
	/* a wrong name is told before what is not supported */
	{ "[limits]\nmemory = 1G\nmemry = 2G\n", ":3: unknown key 'memry'" },
};

static void check_bad(void)
{
	clear();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		puts_at("config/agentjail.ini", bad[i].text);
		refused(request_of(NULL), bad[i].part, bad[i].part);
	}
	put("config/agentjail.ini", "[files]\nread = /a\0b\n", 20);
	refused(request_of(NULL), ":2: byte 0x00", "a NUL byte");
}

static void check_line_length(void)
{
	char text[512] = "[files]\nread = /";
	struct policy *policy;
	struct err err;
	size_t n = strlen(text);

	clear();
	memset(text + n, 'a', sizeof(text) - n);
	text[8 + 199] = '\n';
	put("config/agentjail.ini", text, 8 + 200);
	policy = load(request_of(NULL), &err);
	tap_ok(policy != NULL && strlen(joined(policy, PK_FILES_READ)) == 199 - 7,
		"a line of 199 bytes arrives whole %s", err.text);
	policy_free(policy);
	text[8 + 199] = 'a';
	text[8 + 200] = '\n';
	put("config/agentjail.ini", text, 8 + 201);
	refused(request_of(NULL), ":2: the line has 200 bytes, 199 is the most; repeat the key",
		"a line of 200 is refused");
	text[8] = '#';
	put("config/agentjail.ini", text, 8 + 201);
	refused(request_of(NULL), ":2: the line has 200 bytes", "a comment of 200 too");
}

static const struct good {
	const char *text;
	enum policy_key key;
	const char *want; /* with P for the project, H for HOME at its start */
} good[] = {
	{ "[files]\nread = ~/x ./y /z//a/./b/ . n.*\n", PK_FILES_READ, "H/x|P/y|/z/a/b|P|n.*" },
	{ "[files]\nread=/a\nread= /b  \"/c d\"\t/e\n", PK_FILES_READ, "/a|/b|/c d|/e" },
	{ "[files]\nread = /a /b /a\nread = !/a\n", PK_FILES_READ, "/b" },
	{ "[files]\nread = \"/a b\" /c\nread = !\"/a b\"\n", PK_FILES_READ, "/c" },
	{ "[files]\nread = /a=b /c;d \"#x\"\n", PK_FILES_READ, "/a=b|/c;d|#x" },
	{ "[files]\nhide = ~/.x\n[env]\n[files]\nhide = !~/.x .y\n", PK_FILES_HIDE, ".y" },
	{ "[env]\nset = A=b c\nset = B=\"x # y\"\nset = C=\nset = D=\"\n", PK_ENV_SET,
		"A=b c|B=x # y|C=|D=\"" },
	{ "[env]\nset = A=b\nset = !A=b\n", PK_ENV_SET, "" },
	{ "[egress]\nallow = A.Test:22 *.B.test 1.2.3.4 [::1]:80 FD00::1 localhost:1 * **.c.test\n",
		PK_EGRESS_ALLOW,
		"a.test:22|*.b.test|1.2.3.4|[::1]:80|[fd00::1]|localhost:1|*|**.c.test" },
	{ "[egress]\nallow = A.test\nallow = !a.TEST\n", PK_EGRESS_ALLOW, "" },
	{ "[egress]\nproxy-env = no\n[files]\nhoney = no\n[agent]\negress = * A.test\n",
		PK_AGENT_EGRESS, "*|a.test" },
	{ "[agent]\ntrusted = {root}/x/*/y argv0=z* {agent} \"a b\" *\n", PK_AGENT_TRUSTED,
		"{root}/x/*/y argv0=z* {agent} \"a b\" *" },
	{ "[agent]\ntrusted = /bin/x a\ntrusted = !/bin/x a\n", PK_AGENT_TRUSTED, "" },
};

static void check_good(void)
{
	clear();
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		char want[512] = "", *out = want;
		struct policy *policy;
		struct err err;

		for (const char *s = good[i].want; *s != '\0'; s++) {
			bool is_start = s == good[i].want || s[-1] == '|';

			if (is_start && (*s == 'P' || *s == 'H'))
				out += snprintf(out, 128, "%s", at(*s == 'P' ? "project" : "home"));
			else
				*out++ = *s;
		}
		puts_at("config/agentjail.ini", good[i].text);
		policy = load(request_of(NULL), &err);
		tap_ok(policy != NULL, "loads %s", err.text);
		if (policy != NULL)
			tap_is(joined(policy, good[i].key), want, good[i].want);
		policy_free(policy);
	}
}

static void check_inherit(void)
{
	struct policy_request request = request_of("a");
	struct policy *policy;
	struct err err;

	clear();
	puts_at("profiles/a.ini", "[profile]\ninherit = b\n");
	puts_at("profiles/b.ini", "[profile]\ninherit = a\n");
	refused(request, "b.ini:2: [profile] inherit: 'a' inherits itself", "a circle");
	puts_at("profiles/b.ini", "[profile]\ninherit = c\n[env]\nkeep = B\n");
	puts_at("profiles/c.ini", "[env]\nkeep = C\n");
	puts_at("config/agentjail.ini", "[profile]\ninherit = c\n");
	policy = load(request, &err);
	tap_is(policy != NULL ? joined(policy, PK_ENV_KEEP) : err.text, "C|B", "each parent once");
	policy_free(policy);
	puts_at("profiles/c.ini", "[env]\nkep = C\n");
	refused(request, "profiles/c.ini:2: unknown key 'kep'",
		"an error in a parent names the parent");
	puts_at("profiles/c.ini", "[profile]\ninherit = default\n");
	policy = load(request, &err);
	tap_is(policy != NULL ? joined(policy, PK_FILES_WRITE) : err.text, at("project"),
		"default is not read twice");
	policy_free(policy);
}

static void check_profile_option(void)
{
	struct policy_request request = request_of("a");
	struct policy *policy;
	struct err err;

	clear();
	puts_at("profiles/a.ini", "[env]\nkeep = A\n");
	puts_at("profiles/b.ini", "[env]\nkeep = B\n");
	request.profile = "b";
	policy = load(request, &err);
	tap_is(policy != NULL ? joined(policy, PK_ENV_KEEP) : err.text, "B",
		"-p NAME stands for the agent");
	policy_free(policy);
	request.profile = at("profiles/b.ini");
	policy = load(request, &err);
	tap_is(policy != NULL ? joined(policy, PK_ENV_KEEP) : err.text, "B", "-p PATH too");
	policy_free(policy);
	request.profile = "nope";
	refused(request, "-p nope: there is no such profile", "-p NAME has to be there");
	request.profile = "./nope.ini";
	refused(request, "-p ./nope.ini: No such file", "-p PATH has to be there");
	request.profile = "a b";
	refused(request, "-p: 'a b' is no name", "-p takes names");
	request = request_of(NULL);
	(void)unlink(at("profiles/default.ini"));
	refused(request, "profiles/default.ini: the profile that everything rests on is missing",
		"default.ini has to be there");
}

static void check_overrides(void)
{
	static const struct {
		const char *text, *part;
	} rows[] = {
		{ "files", "(command line): 'files' is no SECTION.KEY=VALUE" },
		{ "files.read", "is no SECTION.KEY=VALUE" },
		{ "a=b.c", "is no SECTION.KEY=VALUE" },
		{ "files.reed=/a",
			"(command line): unknown key 'reed' in [files]; did you mean 'read'?" },
		{ "sandbox.home=opn", "(command line): [sandbox] home: 'opn' is not valid" },
		{ "profile.inherit=a", "(command line): [profile] inherit is for files" },
		{ "env.set=A=b\nc", "has a control character" },
		{ "tool x.ask=yes", "(command line): [tool] ask is not supported yet" },
		{ "files.read=", "(command line): [files] read has no entry" },
	};
	struct policy_request request = request_of(NULL);
	const char *override;

	clear();
	request.overrides = &override;
	request.n_overrides = 1;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		override = rows[i].text;
		refused(request, rows[i].part, rows[i].part);
	}
}

static void check_check_file(void)
{
	struct policy *checked = NULL;
	struct err err = { 0 };

	puts_at("x.ini", "[files]\nread = !/not-known-here /a\n[profile]\ninherit = nobody\n"
			 "[locked]\nkey = files.hide\n");
	tap_ok(policy_check_file(at("x.ini"), &checked, &err) == 0, "check stands alone %s",
		err.text);
	policy_free(checked);
	puts_at("x.ini", "[files]\nread = a/b\n");
	tap_ok(policy_check_file(at("x.ini"), &checked, &err) < 0 &&
			strstr(err.text, "x.ini:2:") != NULL,
		"check finds errors");
	tap_ok(policy_check_file(at("nope.ini"), &checked, &err) < 0, "check needs a file");
}

static void check_keys(void)
{
	for (size_t i = 0; i < PK_COUNT; i++) {
		const char *name = policy_key_name((enum policy_key)i);

		if (policy_key_find(name) != (enum policy_key)i)
			tap_ok(false, "%s is found", name);
	}
	tap_ok(policy_key_find("files.nope") == PK_COUNT, "unknown keys are not");
	tap_ok(policy_key_is_list(PK_FILES_READ) && policy_key_is_list(PK_ENV_SET) &&
			!policy_key_is_list(PK_SANDBOX_HOME),
		"lists and single values");
}

int main(void)
{
	if (!fixture_make())
		return 1;
	check_layers();
	check_bad();
	check_line_length();
	check_good();
	check_inherit();
	check_profile_option();
	check_overrides();
	check_check_file();
	check_keys();
	fixture_remove();
	return tap_done();
}
