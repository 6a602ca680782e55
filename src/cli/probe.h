/*
 * What `agentjail doctor` tries on this machine. Every probe does the thing itself, in a child
 * process where it would leave traces; files under /proc only explain a failure.
 *
 * Runs in the `agentjail` process and its children with the user's rights. No hostile input.
 */
#ifndef CLI_PROBE_H
#define CLI_PROBE_H

#include <stdbool.h>
#include <stddef.h>

enum probe_state { PROBE_OK, PROBE_DEGRADED, PROBE_MISSING, PROBE_STATE_COUNT };

/* What the machine says about itself. */
struct probe_facts {
	char distro[96]; /* PRETTY_NAME of os-release(5) */
	char ids[96];    /* " ID ID_LIKE... ", each between blanks */
	char kernel[64];
	bool is_root, is_chroot, is_container,
		is_filtered;                            /* filtered: a seccomp filter is on us */
	long userns_clone, max_userns, apparmor_userns; /* sysctl values, -1: not there */
	long ptrace_scope, memfd_noexec, max_watches, max_instances, max_queued;
	char self[256]; /* this program's file */
};

/* Steps of the child in namespaces of its own, in order. */
enum probe_step {
	STEP_USERNS,     /* unshare(CLONE_NEWUSER) */
	STEP_MAPS,       /* uid_map, setgroups, gid_map */
	STEP_NAMESPACES, /* mount, pid, net, ipc, uts, cgroup */
	STEP_MOUNT,      /* a tmpfs */
	STEP_OVERLAY,
	STEP_OPEN_TREE,
	STEP_SETATTR,
	STEP_MOVE_MOUNT,
	STEP_BENEATH,
	STEP_MNTNS, /* fanotify on the mount namespace */
	STEP_NFT,
	STEP_PROC, /* a /proc of the new pid namespace */
	STEP_COUNT
};

#define STEP_NOT_TRIED (-1)

struct probe_steps {
	int errors[STEP_COUNT]; /* 0, an errno, or STEP_NOT_TRIED */
};

struct probe_result {
	enum probe_state state;
	bool is_optional; /* degraded, but nothing that is promised needs it yet */
	char found[160], lost[200], fix[512];
};

/* probe_facts.c */
void probe_facts_read(struct probe_facts *ret);
bool probe_facts_is(const struct probe_facts *facts, const char *id);

/* probe_steps.c: runs the child. */
void probe_steps_run(struct probe_steps *ret);

/* probe_nft.c: one transaction in the caller's network namespace. 0 or -errno. */
int probe_nft_try(void);

/* The rest: one function a row of the table in doctor.c. result starts as {0}. */
typedef void probe_function(const struct probe_facts *facts, const struct probe_steps *steps,
	struct probe_result *result);

/* probe_userns.c */
probe_function probe_userns, probe_userns_mount, probe_userns_proc;

/* probe_files.c */
probe_function probe_files_mount_api, probe_files_beneath, probe_files_overlay, probe_files_mntns,
	probe_files_inotify;

/* probe_exec.c */
probe_function probe_exec_notify, probe_exec_killable, probe_exec_addfd, probe_exec_ptrace,
	probe_exec_memfd, probe_exec_pidfd;

/* probe_belts.c */
probe_function probe_belts_landlock, probe_belts_nft, probe_belts_secret, probe_belts_cgroup;

/* Fills result; fix may be NULL. */
__attribute__((format(printf, 2, 3))) void probe_found(
	struct probe_result *result, const char *format, ...);
void probe_fail(
	struct probe_result *result, enum probe_state state, const char *lost, const char *fix);

#endif
