/*
 * Runs where profiles are read, for a warning. Our own short list of what credentials are often
 * meant for, no copy of the Public Suffix List: that one has ten thousand lines and changes weekly.
 */
#include "policy/tenants.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <stdbool.h>
#include <string.h>

/* Customers have names at once below these, or (is_deep) at any depth. */
static const struct domain {
	const char *name;
	bool is_deep;
} shared[] = {
	{ "github.io", false },
	{ "githubusercontent.com", true },
	{ "ghe.com", true },
	{ "github.dev", false },
	{ "gitlab.io", true },
	{ "amazonaws.com", true },
	{ "amazonaws.com.cn", true },
	{ "on.aws", true },
	{ "cloudfront.net", false },
	{ "elasticbeanstalk.com", true },
	{ "awsapprunner.com", true },
	{ "azurewebsites.net", true },
	{ "azureedge.net", false },
	{ "azure-api.net", false },
	{ "azurecr.io", false },
	{ "azurecontainerapps.io", true },
	{ "azurestaticapps.net", true },
	{ "cloudapp.net", true },
	{ "cloudapp.azure.com", true },
	{ "windows.net", true },
	{ "vault.azure.net", false },
	{ "openai.azure.com", false },
	{ "visualstudio.com", false },
	{ "storage.googleapis.com", false },
	{ "appspot.com", true },
	{ "run.app", true },
	{ "cloudfunctions.net", true },
	{ "firebaseapp.com", false },
	{ "firebaseio.com", false },
	{ "firebasedatabase.app", true },
	{ "web.app", false },
	{ "googleusercontent.com", true },
	{ "vercel.app", false },
	{ "now.sh", false },
	{ "netlify.app", false },
	{ "pages.dev", true },
	{ "workers.dev", true },
	{ "r2.dev", true },
	{ "r2.cloudflarestorage.com", true },
	{ "trycloudflare.com", false },
	{ "herokuapp.com", false },
	{ "onrender.com", false },
	{ "fly.dev", false },
	{ "railway.app", true },
	{ "deno.dev", false },
	{ "ondigitalocean.app", false },
	{ "digitaloceanspaces.com", true },
	{ "supabase.co", false },
	{ "surge.sh", false },
	{ "glitch.me", false },
	{ "repl.co", true },
	{ "replit.app", false },
	{ "hf.space", false },
	{ "readthedocs.io", false },
	{ "ngrok.io", true },
	{ "ngrok.app", true },
	{ "ngrok.dev", true },
	{ "ngrok-free.app", false },
	{ "ngrok-free.dev", false },
	{ "loca.lt", false },
	{ "atlassian.net", false },
	{ "jira.com", false },
	{ "zendesk.com", false },
	{ "freshdesk.com", false },
	{ "slack.com", false },
	{ "myshopify.com", false },
	{ "salesforce.com", true },
	{ "force.com", true },
	{ "service-now.com", false },
	{ "okta.com", false },
	{ "auth0.com", true },
	{ "snowflakecomputing.com", true },
	{ "databricks.com", true },
	{ "azuredatabricks.net", true },
	{ "jfrog.io", false },
	{ "cloudsmith.io", true },
	{ "sharepoint.com", false },
	{ "wordpress.com", false },
	{ "blogspot.com", false },
	{ "webhook.site", false },
	{ "pipedream.net", true },
};

/* The most common suffixes of two labels below which names are sold. */
static const char *const sold[] = { "co.uk", "org.uk", "me.uk", "ac.uk", "gov.uk", "com.au",
	"net.au", "org.au", "co.nz", "co.jp", "ne.jp", "or.jp", "co.kr", "com.cn", "net.cn",
	"org.cn", "com.tw", "com.hk", "com.sg", "com.my", "co.id", "co.in", "co.th", "com.vn",
	"com.tr", "com.br", "com.ar", "com.mx", "com.co", "com.pe", "co.za", "com.ng", "com.eg",
	"com.sa", "co.il", "com.ua", "com.pl", "co.at", "or.at", "com.es", "com.pt", "com.gr",
	"eu.org", "uk.com", "us.com", "de.com" };

static bool is_below(const char *name, const char *domain)
{
	size_t n = strlen(name), m = strlen(domain);

	return n > m + 1 && name[n - m - 1] == '.' && str_ends(name, domain);
}

enum tenants_kind tenants_of(const char *suffix)
{
	for (size_t i = 0; i < ARRAY_LEN(sold); i++)
		if (strcmp(suffix, sold[i]) == 0)
			return TENANTS_REGISTRY;
	for (size_t i = 0; i < ARRAY_LEN(shared); i++)
		if (strcmp(suffix, shared[i].name) == 0 || is_below(shared[i].name, suffix) ||
			(shared[i].is_deep && is_below(suffix, shared[i].name)))
			return TENANTS_SHARED;
	return TENANTS_NONE;
}
