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

ifeq ($(filter clean help deps uninstall,$(MAKECMDGOALS)),)
HARD_FLAGS := $(foreach f,$(WANTED_FLAGS),$(call probe,$(f)))
HARD_LDFLAGS := $(foreach f,$(WANTED_LDFLAGS),$(call probe,$(f)))
endif

ifdef SAN
OPT_FLAGS := -O1 -g -fsanitize=address,undefined -fno-omit-frame-pointer
LINK_SAN := -fsanitize=address,undefined
else
OPT_FLAGS := -O2 -g -D_FORTIFY_SOURCE=2
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
LIBS = $(call link,inih) $(call link,event_core) $(call link,cares)

# ---- sources: a folder is a trust domain; a library each, so that tests link what they test ----

DOMAINS := base wire policy cli warden cell helper proxy keeper
SRCS := $(foreach d,$(DOMAINS),$(wildcard src/$(d)/*.c)) src/main.c src/shim/attach.c
SRCS := $(filter-out src/cell/seccomp_gen.c,$(SRCS))
OBJS := $(patsubst src/%.c,$(B)/obj/%.o,$(SRCS)) $(B)/obj/shim_blob.o
SHIM_SRCS := $(wildcard src/shim/*.c) $(wildcard src/shim/*.S)
PROGRAM := $(B)/agentjail

all: $(PROGRAM) ## build the program

$(PROGRAM): $(OBJS)
	$(CC) $(ALL_LDFLAGS) -o $@ $(OBJS) $(LIBS)

$(B)/obj/%.o: src/%.c | $(B)/gen/seccomp_blob.h
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -DAGENTJAIL_VERSION='"$(VERSION)"' -DAGENTJAIL_PREFIX='"$(PREFIX)"' \
		-DAGENTJAIL_DATADIR='"$(DATADIR)"' -DAGENTJAIL_SYSCONFDIR='"$(SYSCONFDIR)"' -c -o $@ $<

# The cell's system call filters: made by libseccomp here, once, and not at every start.
$(B)/seccomp_gen: src/cell/seccomp_gen.c
	@mkdir -p $(@D)
	$(CC) $(STD_FLAGS) $(WARN_FLAGS) -O1 -g $(CPPFLAGS) $(CFLAGS) -o $@ $< $(LDFLAGS) -lseccomp

$(B)/gen/seccomp_blob.h: $(B)/seccomp_gen
	@mkdir -p $(@D)
	$(B)/seccomp_gen > $@.tmp && mv $@.tmp $@

# The shim: no libc, no relocation, static; inside the program as bytes.
SHIM_FLAGS := -std=c17 -Isrc $(WARN_FLAGS) -Os -ffreestanding -fno-builtin -nostdlib -static \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fno-pie -no-pie -fno-plt \
	-fcf-protection=none -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,norelro -Wl,-s
SHIM_ARM_FLAGS = $(filter-out -fcf-protection=none,$(SHIM_FLAGS))

$(B)/shim: $(SHIM_SRCS) src/wire/hello.h $(wildcard src/shim/*.h)
	@mkdir -p $(@D)
	$(CC) $(if $(findstring x86_64,$(shell $(CC) -dumpmachine)),$(SHIM_FLAGS),$(SHIM_ARM_FLAGS)) \
		-o $@ $(SHIM_SRCS)

$(B)/shim-aarch64: $(SHIM_SRCS) src/wire/hello.h $(wildcard src/shim/*.h)
	@mkdir -p $(@D)
	aarch64-linux-gnu-gcc $(SHIM_ARM_FLAGS) -o $@ $(SHIM_SRCS)

$(B)/obj/shim_blob.o: $(B)/shim
	@mkdir -p $(@D)
	printf '.section .rodata\n.globl shim_blob\n.globl shim_blob_end\n.balign 16\nshim_blob:\n.incbin "$(B)/shim"\nshim_blob_end:\n.byte 0\n.section .note.GNU-stack,"",%%progbits\n' > $(B)/obj/shim_blob.S
	$(CC) -c -o $@ $(B)/obj/shim_blob.S

-include $(wildcard $(B)/obj/*/*.d $(B)/obj/*.d $(B)/test/unit/*.d)

# ---- tests ----

UNIT_SRCS := $(wildcard tests/unit/*.c)
UNIT_BINS := $(patsubst tests/unit/%.c,$(B)/test/unit/%,$(UNIT_SRCS))
domain_objs = $(filter-out %/seccomp_gen.o,$(patsubst src/%.c,$(B)/obj/%.o,$(wildcard src/$(1)/*.c)))
unit_domain = $(firstword $(subst _, ,$(1)))
unit_objs = $(sort $(call domain_objs,base) $(call domain_objs,wire) $(call domain_objs,policy) \
	$(call domain_objs,$(call unit_domain,$(1))) \
	$(if $(filter warden cell,$(call unit_domain,$(1))),$(B)/obj/shim/attach.o $(B)/obj/shim_blob.o))

.SECONDEXPANSION:
$(B)/test/unit/%: tests/unit/%.c tests/unit/tap.h $$(call unit_objs,$$*)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(call unit_objs,$*) $(LIBS)
.SUFFIXES:
