# Shared by check and demo.sh (sourced): agents from npm, a throwaway home, the scripted model, and
# running an agent bare or jailed. Expects: top (the tree), stage (a directory of the user).
# shellcheck shell=bash source-path=SCRIPTDIR disable=SC1091,SC2034,SC2154

# shellcheck source=../escape/program.bash
. "$top/tests/escape/program.bash"
canary="canary-$$-$RANDOM"
home=$stage/home
agent_env=()
agent_options=()
project=$home/project

cache=$("$top/tests/cache")
node_path=
if [ -x "$cache/node/node_modules/node/bin/node" ]; then
	node_path=$cache/node/node_modules/node/bin:
	PATH=$node_path$PATH
fi

# The versions that these tests were made with.
package_of() {
	case $1 in
	claude) echo @anthropic-ai/claude-code@2.1.330 ;;
	codex) echo @openai/codex@0.169.0 ;;
	pi) echo @mariozechner/pi-coding-agent@0.73.1 ;;
	gemini) echo @google/gemini-cli@0.61.0 ;;
	opencode) echo opencode-ai@1.18.33 ;;
	qwen) echo @qwen-code/qwen-code@0.15.10 ;;
	cline) echo cline@3.0.65 ;;
	copilot) echo @github/copilot@1.0.102 ;;
	esac
}

# install_agent NAME: sets agent_bin; fails when npm cannot bring it.
install_agent() {
	local package dir
	package=$(package_of "$1")
	dir=$cache/$(tr -c 'a-zA-Z0-9.\n' - <<<"${package#@}")
	agent_bin=$dir/node_modules/.bin
	if [ ! -e "$dir/complete" ]; then
		command -v npm >/dev/null || return 1
		{ mkdir -p "$dir" && chmod 755 "$cache"; } 2>/dev/null || return 1
		npm install --prefix "$dir" --no-audit --no-fund --loglevel=error "$package" >"$stage/npm.log" 2>&1 || return 1
		# claude's program is put in place by a script that newer npm does not run by itself
		if [ "$1" = claude ] && ! "$agent_bin/claude" --version >/dev/null 2>&1; then
			(cd "$dir/node_modules/@anthropic-ai/claude-code" && node install.cjs) >>"$stage/npm.log" 2>&1 || return 1
		fi
		touch "$dir/complete"
	fi
	[ -x "$agent_bin/$1" ]
}

start_model() {
	local _
	mkdir -p "$stage/model"
	echo '[]' >"$stage/model/script.json"
	node "$here/model.mjs" "$stage/model" &
	model_pid=$!
	for _ in $(seq 200); do [ -s "$stage/model/ports" ] || sleep 0.05; done
	read -r model_port evil_port <"$stage/model/ports"
}

# script STEP...: each a JSON object.
script() {
	local IFS=,
	printf '[%s]\n' "$*" >"$stage/model/script.json"
	: >"$stage/model/evil"
	: >"$stage/model/requests"
}

# shell COMMAND: a step of the script.
shell() {
	python3 -c 'import json, sys; print(json.dumps({"shell": sys.argv[1]}))' "$1"
}

# Processes that have this home: what an agent left running.
left() {
	local file
	grep -lzxF "HOME=$home" /proc/[0-9]*/environ 2>/dev/null | while read -r file; do
		file=${file%/environ}
		[ "$(tr -d '\0' 2>/dev/null <"$file/cmdline" | wc -c)" = 0 ] || echo "${file#/proc/}"
	done
}

end_left() {
	local pid
	for pid in $(left); do kill -KILL "$pid" 2>/dev/null; done
}

# A home with secrets and the agents' settings, and a git project, always at the same paths.
fresh_home() {
	end_left
	rm -rf "$home"
	mkdir -p "$home"/{.ssh,.aws,.codex,.claude,.pi/agent,.gemini,.config/opencode,.cline/data/settings} \
		"$project" "$stage/markers"
	rm -f "$stage/markers/"*
	echo "ssh $canary" >"$home/.ssh/id_rsa"
	echo "aws $canary" >"$home/.aws/credentials"
	printf '[user]\n\tname = Test\n\temail = test@example.org\n' >"$home/.gitconfig"
	agent_settings
	echo 'a project' >"$project/README"
	echo 'int main;' >"$project/main.c"
	HOME=$home git -C "$project" init -q
	HOME=$home git -C "$project" add .
	HOME=$home git -C "$project" commit -qm first
	echo "DATABASE=$canary" >"$project/.env"
	[ -z "${run_as:-}" ] || chown -R "$run_as:" "$home" "$stage/markers"
}

agent_settings() {
	local key=sk-ant-$canary
	cat >"$home/.claude.json" <<-END
		{"hasCompletedOnboarding": true, "theme": "dark", "bypassPermissionsModeAccepted": true,
		 "customApiKeyResponses": {"approved": ["${key: -20}"], "rejected": []},
		 "projects": {"$project": {"hasTrustDialogAccepted": true, "hasCompletedProjectOnboarding": true}}}
	END
	echo '{"skipDangerousModePermissionPrompt": true}' >"$home/.claude/settings.json"
	cat >"$home/.codex/config.toml" <<-END
		model = "gpt-5.4"
		model_provider = "fake"
		[model_providers.fake]
		name = "fake"
		base_url = "http://127.0.0.1:$model_port/v1"
		env_key = "FAKE_OPENAI_KEY"
		wire_api = "responses"
		[projects."$project"]
		trust_level = "trusted"
	END
	cat >"$home/.pi/agent/models.json" <<-END
		{"providers": {"fake": {"baseUrl": "http://127.0.0.1:$model_port/v1", "apiKey": "FAKE_OPENAI_KEY",
		 "api": "openai-completions", "models": [{"id": "fake-model", "name": "fake"}]}}}
	END
	echo '{"security": {"auth": {"selectedType": "gemini-api-key"}}}' >"$home/.gemini/settings.json"
	cat >"$home/.config/opencode/opencode.json" <<-END
		{"model": "fake/fake-model", "small_model": "fake/fake-model", "autoupdate": false,
		 "provider": {"fake": {"npm": "@ai-sdk/openai-compatible", "models": {"fake-model": {"tool_call": true,
		   "limit": {"context": 100000, "output": 4000}}},
		  "options": {"baseURL": "http://127.0.0.1:$model_port/v1", "apiKey": "{env:FAKE_OPENAI_KEY}"}}}}
	END
	cat >"$home/.cline/data/settings/providers.json" <<-END
		{"version": 1, "lastUsedProvider": "openai-compatible", "modes": {}, "providers": {"openai-compatible": {
		 "settings": {"provider": "openai-compatible", "apiKey": "sk-$canary", "model": "fake-model",
		  "baseUrl": "http://127.0.0.1:$model_port/v1"},
		 "updatedAt": "2026-01-01T00:00:00.000Z", "tokenSource": "manual"}}}
	END
}

# headless NAME [PROMPT]: sets agent_args, the command of one prompt without a terminal, and agent_env.
headless() {
	local prompt=${2:-do as you are told} url=http://127.0.0.1:$model_port
	agent_env=()
	case $1 in
	claude) agent_args=(claude -p "$prompt" --dangerously-skip-permissions) ;;
	codex) agent_args=(codex exec --dangerously-bypass-approvals-and-sandbox "$prompt") ;;
	pi) agent_args=(pi --provider fake --model fake-model -p "$prompt") ;;
	gemini)
		agent_env=(GEMINI_API_KEY="sk-$canary" GOOGLE_GEMINI_BASE_URL="$url")
		agent_args=(gemini -p "$prompt" --yolo --skip-trust -m gemini-2.5-pro)
		;;
	opencode)
		# What it fetches at each start: it waits for that where there is no network.
		agent_env=(OPENCODE_DISABLE_MODELS_FETCH=1 OPENCODE_DISABLE_AUTOUPDATE=1)
		agent_args=(opencode run --auto "$prompt")
		;;
	qwen)
		agent_env=(OPENAI_API_KEY="sk-$canary" OPENAI_BASE_URL="$url/v1" OPENAI_MODEL=fake-model)
		agent_args=(qwen --auth-type openai -p "$prompt" --yolo)
		;;
	cline) agent_args=(cline -P openai-compatible -m fake-model "$prompt") ;;
	copilot)
		agent_env=(COPILOT_PROVIDER_BASE_URL="$url/v1" COPILOT_PROVIDER_API_KEY="sk-$canary"
			COPILOT_MODEL=fake-model COPILOT_OFFLINE=true)
		agent_args=(copilot -p "$prompt" --allow-all)
		;;
	esac
}

# run_agent bare|none|jail|shared COMMAND...: in the project, as the user; output in $stage/out and err.
run_agent() {
	local prefix=() root=()
	case $1 in
	none) prefix=("$program" --mode none --) ;;
	jail) prefix=("$program" "${agent_options[@]}" --) ;;
	# Its API is the model on loopback here.
	shared) prefix=("$program" --mode shared --allow "localhost:$model_port" --) ;;
	esac
	shift
	[ "$(id -u)" = 0 ] && [ -z "${run_as:-}" ] && root=(IS_SANDBOX=1 CLAUDE_CODE_BUBBLEWRAP=1)
	(
		cd "$project" && exec timeout -k 5 "${agent_timeout:-120}" "${as_user[@]}" env -i HOME="$home" USER=test \
			LOGNAME=test SHELL=/bin/bash TERM=xterm-256color LANG=C.UTF-8 \
			PATH="$agent_bin:$node_path/usr/local/bin:/usr/bin:/bin" ANTHROPIC_BASE_URL="http://127.0.0.1:$model_port" \
			ANTHROPIC_API_KEY="sk-ant-$canary" FAKE_OPENAI_KEY="sk-$canary" MY_TOKEN="token-$canary" \
			AWS_SECRET_ACCESS_KEY="aws-$canary" DISABLE_AUTOUPDATER=1 "${agent_env[@]}" "${root[@]}" "${prefix[@]}" "$@"
	) >"$stage/out" 2>"$stage/err" </dev/null
}
