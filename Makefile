# agentjail: GNU make, no configure step. `make help` lists the targets.
VERSION := 0.1.0
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
SYSCONFDIR ?= /etc
DESTDIR ?=

CC ?= cc
PKG_CONFIG ?= pkg-config
B := build

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

# ---- flags: the fixed ones, the hardening ones that this compiler knows, then the user's ----

STD_FLAGS := -std=c17 -D_GNU_SOURCE -Isrc -I$(B)/gen
WARN_FLAGS := -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wundef -Wcast-qual -Wwrite-strings \
	-Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wconversion \
	-Wsign-conversion -Wimplicit-fallthrough -Wswitch-enum
WANTED_FLAGS := -fstack-protector-strong -fstack-clash-protection -fcf-protection=full \
	-ftrivial-auto-var-init=zero -fno-plt
WANTED_LDFLAGS := -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed

probe = $(shell echo 'int main(void){return 0;}' | \
	$(CC) -Werror $(1) -x c - -o /dev/null >/dev/null 2>&1 && echo '$(1)')

# Targets that compile nothing themselves are spared the questions to the compiler.
ifneq ($(filter-out clean help deps uninstall check demo fuzz,$(or $(MAKECMDGOALS),all)),)
HARD_FLAGS := $(foreach f,$(WANTED_FLAGS),$(call probe,$(f)))
HARD_LDFLAGS := $(foreach f,$(WANTED_LDFLAGS),$(call probe,$(f)))
STATIC_PIE := $(call probe,-fPIE -static-pie)
endif

ifdef FUZZER
OPT_FLAGS := -O1 -g -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer
LINK_SAN := -fsanitize=address,undefined
else ifdef SAN
OPT_FLAGS := -O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer
LINK_SAN := -fsanitize=address,undefined
else
OPT_FLAGS := -O2 -g -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif
ifdef WERROR
WARN_FLAGS += -Werror
endif

ALL_CFLAGS = $(STD_FLAGS) $(WARN_FLAGS) $(OPT_FLAGS) $(HARD_FLAGS) -fPIE \
	-include src/base/banned.h -MMD -MP $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pie $(HARD_LDFLAGS) $(LINK_SAN) $(LDFLAGS)

# Libraries of the one executable. Static where the distribution has the archive: every shared
# library costs each command line 0.2 ms of loading, and agentjail is a prefix of command lines.
# STATIC_LIBS=no links all of them dynamically.
STATIC_LIBS ?= yes
libfile = $(shell $(CC) -print-file-name=lib$(1).a 2>/dev/null)
link = $(if $(and $(filter yes,$(STATIC_LIBS)),$(filter /%,$(call libfile,$(1)))),$(call libfile,$(1)),-l$(1))
LIBS = $(call link,inih)

# The executable itself has no shared library where the C library's archive is there too (static-pie:
# its addresses are as random as before): loading that one costs a command line 0.8 ms, since each
# process that is forked copies the mappings as well. STATIC=no links the shared one.
STATIC ?= yes
PIE = $(or $(if $(and $(filter yes,$(STATIC)),$(filter-out -l%,$(LIBS))),$(if $(LINK_SAN),,$(STATIC_PIE))),-pie)

# Libraries of the program for the network, which lies inside the executable like the shim: a command
# line that never uses the network does not load them. TLS is always the distribution's, shared:
# its security updates have to reach us.
NET_LIBS = $(LIBS) $(call link,event_core) $(call link,cares) -lnghttp2 -lbrotlidec -lzstd -lz \
	-lssl -lcrypto

# ---- sources: a folder is a trust domain; a library each, so that tests link what they test ----

DOMAINS := base wire policy cli warden cell helper
NET_DOMAINS := base wire policy proxy keeper
# What fetches the keepers' secrets is the main program's, and needs none of the network's libraries.
SOURCES := $(wildcard src/keeper/source*.c)
sources = $(foreach d,$(1),$(wildcard src/$(d)/*.c))
objects = $(patsubst src/%.c,$(B)/obj/%.o,$(1))
# Tools of the build, no part of the program.
SECCOMP_SRCS := src/cell/seccomp_gen.c src/cell/seccomp_pack.c
BUILD_SRCS := $(SECCOMP_SRCS) src/policy/builtin_gen.c
domain_objs = $(patsubst src/%.c,$(B)/obj/%.o,$(filter-out $(BUILD_SRCS),$(wildcard src/$(1)/*.c)))
MAIN_SRCS := $(filter-out $(BUILD_SRCS),$(call sources,$(DOMAINS))) $(SOURCES) src/main.c \
	src/shim/attach.c
NET_SRCS := $(filter-out $(SOURCES) $(BUILD_SRCS),$(call sources,$(NET_DOMAINS))) src/main_net.c
SRCS := $(sort $(MAIN_SRCS) $(NET_SRCS))
BLOBS := $(addprefix $(B)/obj/,shim_blob.o door_blob.o net_blob.o)
OBJS := $(call objects,$(MAIN_SRCS)) $(BLOBS)
NET_OBJS := $(call objects,$(NET_SRCS))
# Two small programs without a C library: the shim, and a tool's link.
FRONT_SRCS := src/shim/front.c src/shim/attach.c src/shim/start.S
SHIM_SRCS := src/shim/shim.c $(FRONT_SRCS)
DOOR_SRCS := src/shim/door.c $(FRONT_SRCS)
SHIM_HDRS := src/wire/hello.h src/wire/door.h $(wildcard src/shim/*.h)
PROGRAM := $(B)/agentjail

# What is done in one word each; V=1 shows the commands.
ifneq ($(V),1)
Q := @
say = @printf '  %-4s %s\n' $(1) $@
endif

all: $(PROGRAM) ## build the program

# Made anew only when a flag, the compiler or a directory has changed; everything depends on it.
STAMP := $(B)/flags
STAMP_TEXT = $(CC) $(filter-out -Werror,$(ALL_CFLAGS)) $(PIE) $(ALL_LDFLAGS) $(VERSION) $(PREFIX) $(DATADIR) $(SYSCONFDIR)

$(STAMP): FORCE
	@mkdir -p $(@D)
	@echo '$(STAMP_TEXT)' | cmp -s - $@ || echo '$(STAMP_TEXT)' > $@

.PHONY: FORCE
FORCE:

$(PROGRAM): $(OBJS)
	$(call say,LINK)
	$(Q)$(CC) $(PIE) $(filter-out -pie,$(ALL_LDFLAGS)) -o $@ $(OBJS) $(LIBS)

$(B)/obj/%.o: src/%.c $(STAMP) | $(B)/gen/seccomp_blob.h
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -DAGENTJAIL_VERSION='"$(VERSION)"' -DAGENTJAIL_PREFIX='"$(PREFIX)"' \
		-DAGENTJAIL_DATADIR='"$(DATADIR)"' -DAGENTJAIL_SYSCONFDIR='"$(SYSCONFDIR)"' -c -o $@ $<

# The cell's system call filters: made by libseccomp here, once, and not at every start.
$(B)/seccomp_gen: $(SECCOMP_SRCS) src/cell/seccomp_pack.h
	@mkdir -p $(@D)
	$(call say,CC)
	$(Q)$(CC) $(STD_FLAGS) $(WARN_FLAGS) -O1 -g $(CPPFLAGS) $(CFLAGS) -o $@ $(SECCOMP_SRCS) $(LDFLAGS) -lseccomp

$(B)/gen/seccomp_blob.h: $(B)/seccomp_gen
	@mkdir -p $(@D)
	$(call say,GEN)
	$(Q)$(B)/seccomp_gen > $@.tmp && mv $@.tmp $@

# The default profile, read once: by the reader's own objects, without what is made of it.
$(B)/builtin.a: $(filter-out %/builtin.o,$(call domain_objs,base) $(call domain_objs,wire) $(call domain_objs,policy))
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rc $@ $^

$(B)/builtin_gen: $(B)/obj/policy/builtin_gen.o $(B)/builtin.a
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(B)/gen/builtin_blob.h: $(B)/builtin_gen profiles/default.ini
	@mkdir -p $(@D)
	$(call say,GEN)
	$(Q)$(B)/builtin_gen profiles/default.ini > $@.tmp && mv $@.tmp $@

$(B)/obj/policy/builtin.o: $(B)/gen/builtin_blob.h

# The shim: no libc, no relocation, static; inside the program as bytes.
SHIM_FLAGS := -std=c17 -Isrc $(WARN_FLAGS) -Os -ffreestanding -fno-builtin -nostdlib -static \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fno-pie -fno-plt \
	-fcf-protection=none -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,norelro -Wl,-s
SHIM_ARM_FLAGS = $(filter-out -fcf-protection=none,$(SHIM_FLAGS))

$(B)/shim: $(SHIM_SRCS) $(SHIM_HDRS)
$(B)/door: $(DOOR_SRCS) $(SHIM_HDRS)
$(B)/shim $(B)/door:
	@mkdir -p $(@D)
	$(call say,SHIM)
	$(Q)$(CC) $(if $(findstring x86_64,$(shell $(CC) -dumpmachine)),$(SHIM_FLAGS),$(SHIM_ARM_FLAGS)) \
		-o $@ $(filter %.c %.S,$^)

$(B)/shim-aarch64: $(SHIM_SRCS) $(SHIM_HDRS)
$(B)/door-aarch64: $(DOOR_SRCS) $(SHIM_HDRS)
$(B)/shim-aarch64 $(B)/door-aarch64:
	@mkdir -p $(@D)
	$(call say,SHIM)
	$(Q)aarch64-linux-gnu-gcc $(SHIM_ARM_FLAGS) -o $@ $(filter %.c %.S,$^)

# What handles the network: proxy, keepers, the session's authority.
$(B)/agentjail-net: $(NET_OBJS)
	$(call say,LINK)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $(NET_OBJS) $(NET_LIBS)

$(B)/net: $(B)/agentjail-net
	$(Q)strip -o $@ $<

# A file's bytes between two symbols, NAME_blob and NAME_blob_end.
$(B)/obj/%_blob.o: $(B)/%
	@mkdir -p $(@D)
	$(Q)printf '.section .rodata\n.globl $*_blob\n.globl $*_blob_end\n.balign 16\n$*_blob:\n.incbin "$(B)/$*"\n$*_blob_end:\n.byte 0\n.section .note.GNU-stack,"",%%progbits\n' > $(B)/obj/$*_blob.S
	$(Q)$(CC) -c -o $@ $(B)/obj/$*_blob.S

-include $(wildcard $(B)/obj/*/*.d $(B)/obj/*.d $(B)/test/unit/*.d $(B)/test/fuzz/*.d)

# ---- tests ----

UNIT_SRCS := $(wildcard tests/unit/*.c)
UNIT_BINS := $(patsubst tests/unit/%.c,$(B)/test/unit/%,$(UNIT_SRCS))
# The domain that a test is named after; proxy_live makes itself a cell's network as well.
unit_domain = $(firstword $(subst _, ,$(1)))
unit_others = $(if $(filter proxy_live,$(1)),cell)
unit_objs = $(sort $(call domain_objs,base) $(call domain_objs,wire) $(call domain_objs,policy) \
	$(foreach d,$(call unit_domain,$(1)) $(call unit_others,$(1)),$(call domain_objs,$(d))) \
	$(if $(filter warden cell,$(call unit_domain,$(1)) $(call unit_others,$(1))),$(B)/obj/shim/attach.o $(BLOBS)))
unit_libs = $(if $(filter proxy keeper,$(call unit_domain,$(1))),$(NET_LIBS),$(LIBS))

.SECONDEXPANSION:
$(B)/test/unit/%: tests/unit/%.c tests/unit/tap.h $$(call unit_objs,$$*)
	@mkdir -p $(@D)
	$(call say,TEST)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(call unit_objs,$*) $(call unit_libs,$*)

# Fuzz targets, as their replays over the corpus that is kept (tests/fuzz/seeds.py writes the first
# inputs of some). From an archive: what a target defines itself takes the place of the program's.
FUZZ_SRCS := $(filter-out tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c))
FUZZ_BINS := $(patsubst tests/fuzz/%.c,$(B)/test/fuzz/%,$(FUZZ_SRCS))
FUZZ_MAIN := $(if $(FUZZER),-fsanitize=fuzzer,tests/fuzz/replay.c)

$(B)/test/net.a: $(filter-out %/main_net.o,$(NET_OBJS))
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rc $@ $^

$(B)/test/fuzz/%: tests/fuzz/%.c $(B)/test/net.a tests/fuzz/replay.c tests/fuzz/input.h tests/unit/tap.h
	@mkdir -p $(@D)
	$(call say,TEST)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(FUZZ_MAIN) $(B)/test/net.a $(NET_LIBS)

FUZZ ?= $(notdir $(FUZZ_BINS))
FUZZ_SECONDS ?= 60

fuzz: ## fuzz what reads hostile bytes: FUZZ="NAME..." FUZZ_SECONDS=60 (each)
	$(MAKE) $(JOBS) CC=clang FUZZER=1 B=$(B)/fuzz $(addprefix $(B)/fuzz/test/fuzz/,$(FUZZ))
	tests/fuzz/run $(B)/fuzz $(FUZZ_SECONDS) $(FUZZ)

CLI_SUITES := $(wildcard tests/cli/*.bats)
# Who runs them changes nothing in these: programs of others behind the proxy, and the tree's own texts.
ROOT_SUITES := $(filter-out $(patsubst %,tests/cli/%.bats,agreement install parent registries rules trust), \
	$(CLI_SUITES))
OTHER_SUITES := tests/tool/run tests/litter/run tests/escape/run tests/escape/storm-run \
	tests/inject/clients/run tests/e2e/check $(wildcard tests/workflows/run)
JOBS := -j$(shell nproc 2>/dev/null || echo 2)
BUILD_OF_CHECK := $(PROGRAM) $(UNIT_BINS) $(FUZZ_BINS) \
	$(if $(shell printf '\043include <signal.h>\n\043include <asm/unistd.h>\n' | \
		aarch64-linux-gnu-gcc -x c -c - -o /dev/null 2>/dev/null && echo yes),$(B)/shim-aarch64 $(B)/door-aarch64)

# First what is missing is installed, then make starts again and sees it.
check: deps ## build and run all tests
	$(MAKE) $(JOBS) $(if $(CI),WERROR=1) $(BUILD_OF_CHECK)
	$(MAKE) $(if $(CI),WERROR=1) run-check

run-check: $(BUILD_OF_CHECK)
	AGENTJAIL=$(abspath $(PROGRAM)) tests/run \
		$(addprefix user:,$(abspath $(UNIT_BINS) $(FUZZ_BINS))) \
		$(addprefix user:,$(CLI_SUITES)) $(addprefix root:,$(ROOT_SUITES)) \
		$(addprefix self:,$(OTHER_SUITES)) beside:tests/inject/run

E2E_AGENTS ?= claude codex gemini opencode qwen pi cline copilot

demo: ## build, then play one poisoned instruction to Claude Code, and an attack to each --mode
	tests/deps.sh demo
	$(MAKE) $(JOBS) all
	tests/e2e/demo.sh
	@echo
	$(PROGRAM) demo

e2e: all ## run eight agents from npm, bare and jailed (half an hour); writes a table to build/agents.md
	tests/deps.sh demo
	AGENTJAIL=$(abspath $(PROGRAM)) tests/e2e/check $(E2E_AGENTS)
	AGENTJAIL=$(abspath $(PROGRAM)) tests/e2e/features --table $(B)/agents.md $(E2E_AGENTS)

deps: ## install what building and testing need and is not there
	tests/deps.sh

bench: all ## measure what agentjail costs
	AGENTJAIL=$(abspath $(PROGRAM)) tests/bench/run
	AGENTJAIL=$(abspath $(PROGRAM)) tests/bench/net

# ---- checks without running anything ----

LINT_SRCS := $(SRCS) $(BUILD_SRCS)
LINT_FLAGS = $(STD_FLAGS) $(WARN_FLAGS) $(filter-out -O2 -g,$(OPT_FLAGS)) \
	-include src/base/banned.h -DAGENTJAIL_VERSION='"$(VERSION)"' -DAGENTJAIL_PREFIX='"$(PREFIX)"' \
	-DAGENTJAIL_DATADIR='"$(DATADIR)"' -DAGENTJAIL_SYSCONFDIR='"$(SYSCONFDIR)"'
LINT_RULES := $(wildcard tests/lint/*.sh)
SCRIPTS = $(shell grep -rlE '^\#!/bin/(ba)?sh' .ci tests) $(wildcard tests/*/*.bash)

lint: lint-gcc lint-clang lint-tidy lint-cppcheck lint-text lint-rules ## all static checks

# malloc-leak: the analyzer of gcc 12 loses what is stored into a structure.
lint-gcc: $(B)/gen/seccomp_blob.h $(B)/gen/builtin_blob.h
	for f in $(LINT_SRCS); do \
		gcc $(LINT_FLAGS) -O2 -fanalyzer -Wno-analyzer-malloc-leak -Werror \
			-c -o /dev/null $$f || exit 1; done

lint-clang:
	$(MAKE) CC=clang B=$(B)/clang WERROR=1 all

lint-tidy: $(B)/gen/seccomp_blob.h $(B)/gen/builtin_blob.h
	clang-tidy --quiet --warnings-as-errors='*' $(LINT_SRCS) -- $(LINT_FLAGS) -Wno-unused-value

lint-cppcheck:
	cppcheck --quiet --std=c11 --enable=warning,portability,performance --inline-suppr \
		--suppressions-list=tests/lint/cppcheck.txt --error-exitcode=1 -Isrc -D_GNU_SOURCE \
		-D__x86_64__ -D__linux__ src

lint-text:
	shellcheck -x -P SCRIPTDIR $(SCRIPTS) completions/agentjail.bash
	shellcheck -x -P SCRIPTDIR -e SC2154 $(CLI_SUITES) # bats and `load` set variables
	mandoc -Tlint -Wwarning agentjail.1

lint-rules:
	status=0; for rule in $(LINT_RULES); do $$rule || status=1; done; exit $$status

# ---- installing ----

INSTALL ?= install
BASH_DIR := $(DATADIR)/bash-completion/completions
ZSH_DIR := $(DATADIR)/zsh/site-functions
FISH_DIR := $(DATADIR)/fish/vendor_completions.d
PROFILES := $(wildcard profiles/*.ini)
PRESETS := $(wildcard profiles/inject/*.ini)

install: all ## install into PREFIX (DESTDIR is put in front)
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(BASH_DIR) \
		$(DESTDIR)$(ZSH_DIR) $(DESTDIR)$(FISH_DIR) $(DESTDIR)$(DATADIR)/agentjail/profiles/inject
	$(INSTALL) -m 755 $(PROGRAM) $(DESTDIR)$(BINDIR)/agentjail
	$(INSTALL) -m 644 agentjail.1 $(DESTDIR)$(MANDIR)/man1/agentjail.1
	$(INSTALL) -m 644 completions/agentjail.bash $(DESTDIR)$(BASH_DIR)/agentjail
	$(INSTALL) -m 644 completions/_agentjail $(DESTDIR)$(ZSH_DIR)/_agentjail
	$(INSTALL) -m 644 completions/agentjail.fish $(DESTDIR)$(FISH_DIR)/agentjail.fish
	$(INSTALL) -m 644 $(PROFILES) $(DESTDIR)$(DATADIR)/agentjail/profiles
	$(INSTALL) -m 644 $(PRESETS) $(DESTDIR)$(DATADIR)/agentjail/profiles/inject

# Our own directories go, and of the shared ones below share/ those that are empty then. A staging
# directory is emptied.
uninstall: ## take out what install put in
	rm -f $(DESTDIR)$(BINDIR)/agentjail $(DESTDIR)$(MANDIR)/man1/agentjail.1 \
		$(DESTDIR)$(BASH_DIR)/agentjail $(DESTDIR)$(ZSH_DIR)/_agentjail \
		$(DESTDIR)$(FISH_DIR)/agentjail.fish
	rm -rf $(DESTDIR)$(DATADIR)/agentjail
	cd $(or $(DESTDIR),/) && rmdir $(if $(DESTDIR),-p) --ignore-fail-on-non-empty \
		$(patsubst /%,%,$(if $(DESTDIR),$(BINDIR)) $(MANDIR)/man1 $(BASH_DIR) $(ZSH_DIR) \
		$(FISH_DIR)) 2>/dev/null || true

clean: ## take the build directory away
	rm -rf $(B)

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 12

.PHONY: all check run-check demo e2e deps bench fuzz lint lint-gcc lint-clang lint-tidy lint-cppcheck \
	lint-text lint-rules install uninstall clean help
