/* SPDX-License-Identifier: MIT
 *
 * cgroup - what the kernel lets the process have (lib/os/cgroup.h), in trees of files that stand
 * for the kernel's.  Nothing here needs threads: cgroup_find runs while there is one.
 */
#include "support/core.h"
#include "support/tree.h"

#include "os/cgroup.h"
#include "os/os.h"

#include <errno.h>

/* A group of version 2; no maximum: its memory controller is off. */
static void put_group(const char *path, const char *max, const char *high, const char *current,
                      const char *inactive)
{
	static const char *const names[] = { "memory.max", "memory.high", "memory.current" };
	const char *values[] = { max, high, current };
	char name[PATH_MAX], text[512];

	for (unsigned i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "/sys/fs/cgroup%s/%s", path, names[i]);
		snprintf(text, sizeof(text), "%s\n", values[i]);
		if (values[i])
			tree_put(name, text);
	}
	snprintf(name, sizeof(name), "/sys/fs/cgroup%s/memory.stat", path);
	snprintf(text, sizeof(text), "anon 77\ninactive_anon 5\nactive_file 6\ninactive_file %s\n",
	         inactive);
	tree_put(name, text);
}

/* A tree in which the process is in group `line` of a machine with 1000 MiB, of which 300 are in
 * use. */
static void begin(const char *line, const char *mounts)
{
	tree_remove();
	tree_put("/proc/meminfo", "MemTotal:        1024000 kB\nMemFree:  1 kB\n"
	                          "MemAvailable:     716800 kB\n");
	tree_put("/proc/self/statm", "9000 256 90 1 0 80 0\n");
	tree_put("/proc/self/cgroup", line);
	tree_put("/proc/self/mountinfo", mounts);
}

#define V2 "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"

/* What is at this level: its limit and what is in use, in MiB. */
static bool is_level(unsigned level, enum cgroup_kind kind, size_t limit, size_t used)
{
	struct cgroup_use use;

	if (level >= cgroup_levels() || cgroup_kind(level) != kind || !cgroup_read(level, &use))
		return false;
	return use.limit == limit * MIB && use.used == used * MIB;
}

static void test_machine(void)
{
	struct cgroup_use use;

	begin("0::/\n", V2);
	cgroup_find(tree);
	ok(cgroup_levels() == 1 && is_level(0, CGROUP_MACHINE, 1000, 300),
	   "in the root group it is the machine that counts");
	ok(cgroup_read_own(&use) && use.limit == SIZE_MAX && use.used == 256 * os_page_size(),
	   "and for the process itself, its resident pages");
	tree_remove();
	cgroup_find(tree);
	ok(cgroup_levels() == 0 && !cgroup_read_own(&use), "in an empty tree nothing is known");
}

static void test_groups(void)
{
	struct cgroup_use use;

	begin("0::/outer/middle/inner\n", V2);
	put_group("/outer", "524288000", "max", "314572800", "104857600");
	put_group("/outer/middle", "max", "209715200", "104857600", "0");
	put_group("/outer/middle/inner", "max", "max", "52428800", "1048576");
	cgroup_find(tree);
	ok(cgroup_levels() == 2, "groups without a limit are no level, also the process's own");
	ok(is_level(0, CGROUP_V2, 200, 100), "the nearest one comes first, here with memory.high");
	ok(is_level(1, CGROUP_V2, 500, 200), "then one above it, less its inactive files");
	ok(cgroup_read_own(&use) && use.used == 49 * MIB && use.limit == SIZE_MAX,
	   "its own group is known without a limit");
	put_group("/outer/middle", "104857600", "209715200", "52428800", "0");
	ok(is_level(0, CGROUP_V2, 100, 50), "what is changed later is seen");
	tree_put("/sys/fs/cgroup/outer/middle/memory.current", "");
	ok(!cgroup_read(0, &use), "a file that is empty is no answer");
	put_group("/outer", "1048576000000", "max", "1048576", "2097152");
	put_group("/outer/middle", "max", "max", "1048576", "0");
	cgroup_find(tree);
	ok(cgroup_levels() == 1 && cgroup_kind(0) == CGROUP_MACHINE,
	   "a limit above the memory of the machine is none");
	put_group("/outer", "99999999999999999999999999", "max", "1048576", "2097152");
	cgroup_find(tree);
	ok(cgroup_kind(0) == CGROUP_MACHINE, "nor is one that fits into no word");
	put_group("/outer", "104857600", "max", "1048576", "2097152");
	cgroup_find(tree);
	ok(is_level(0, CGROUP_V2, 100, 0), "more inactive files than memory: nothing is in use");
}

/* The path of the process and the root of the mount, and the folder that they lead to. */
static void test_paths(void)
{
	static const struct {
		const char *line, *mounts, *folder, *what;
	} cases[] = {
		{ "0::/a\n", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "/a",
		  "below the mount" },
		{ "0::/\n", "30 23 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 none rw\n", "",
		  "a namespace of groups whose root is mounted" },
		{ "0::/docker/x\n", "30 23 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 c rw\n", "",
		  "a container without a namespace of groups" },
		{ "0::/docker/x/y\n", "30 23 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 c rw\n",
		  "/y", "a group below that" },
		{ "0::/docker/xy\n", "30 23 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 c rw\n", "",
		  "a name that only begins alike" },
		{ "0::/../other\n", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 c rw\n", "",
		  "a group outside of the namespace" },
		{ "0::/gone\n", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 c rw\n", "",
		  "a group that is not in the mount" },
		{ "1:name=systemd:/s\n0::/a\n",
		  "29 23 0:25 / /sys rw - sysfs sysfs rw\n"
		  "30 23 0:26 / /sys/fs/cgroup rw shared:4 master:2 - "
		  "cgroup2 c rw\n",
		  "/a", "other mounts and other groups, and optional fields" },
		{ "0::/with space\n", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 c rw\n",
		  "/with space", "a name with a blank" },
	};
	char wanted[PATH_MAX];

	for (size_t i = 0; i < array_length(cases); i++) {
		begin(cases[i].line, cases[i].mounts);
		put_group(cases[i].folder, "104857600", "max", "52428800", "0");
		cgroup_find(tree);
		snprintf(wanted, sizeof(wanted), "%s/sys/fs/cgroup%s", tree, cases[i].folder);
		ok(is_level(0, CGROUP_V2, 100, 50) && strcmp(cgroup_name(0), wanted) == 0, "%s",
		   cases[i].what);
	}
	begin("0::/a\n", "30 23 0:26 / /sys/fs/my\\040groups rw - cgroup2 c rw\n");
	tree_put("/sys/fs/my groups/a/memory.max", "104857600\n");
	tree_put("/sys/fs/my groups/a/memory.current", "52428800\n");
	cgroup_find(tree);
	ok(is_level(0, CGROUP_V2, 100, 50), "a mount whose name has a blank, and no memory.stat");
	begin("0::/a\n", "30 23 0:25 / /sys rw - sysfs sysfs rw\n");
	cgroup_find(tree);
	ok(cgroup_kind(0) == CGROUP_MACHINE, "groups that are not mounted");
	begin("nonsense\n:\n0:\n", "nonsense - \n - - -\n30 23\n");
	cgroup_find(tree);
	ok(cgroup_kind(0) == CGROUP_MACHINE, "lines that are none");
}

#define HYBRID                                                              \
	"32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"       \
	"35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" \
	"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"

static void test_first_version(void)
{
	begin("5:cpu,memory:/job\n2:cpu:/job\n0::/elsewhere\n", HYBRID);
	tree_put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	tree_put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "314572800\n");
	tree_put("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "209715200\n");
	tree_put("/sys/fs/cgroup/memory/job/memory.usage_in_bytes", "104857600\n");
	tree_put("/sys/fs/cgroup/memory/job/memory.stat",
	         "cache 1\ninactive_file 4096\ntotal_inactive_file 10485760\n");
	cgroup_find(tree);
	ok(cgroup_levels() == 1 && is_level(0, CGROUP_V1, 200, 90),
	   "where both versions are, the one whose line names memory counts");
	begin("4:memory:/\n0::/job\n", HYBRID);
	tree_put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	tree_put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "314572800\n");
	cgroup_find(tree);
	ok(cgroup_kind(0) == CGROUP_MACHINE, "the unlimited root of version 1 is no level");
}

/* The ninth group from the process on is not looked at. */
static void test_depth(void)
{
	char line[128] = "0::", *path = line + 3;

	begin("", V2);
	for (int i = 0; i < 12; i++) {
		strcat(line, "/d");
		put_group(path, "104857600", "max", "52428800", "0");
	}
	tree_put("/proc/self/cgroup", line);
	cgroup_find(tree);
	ok(cgroup_levels() == CGROUP_LEVELS, "of many levels the nearest are taken");
}

static void test_errno(void)
{
	struct cgroup_use use;

	begin("0::/a\n", V2);
	put_group("/a", "104857600", "max", "52428800", "0");
	cgroup_find(tree);
	tree_remove();
	errno = 77;
	ok(!cgroup_read(0, &use) && errno == 77, "what cannot be read leaves errno alone");
}

int main(void)
{
	tree_make();
	test_machine();
	test_groups();
	test_paths();
	test_first_version();
	test_depth();
	test_errno();
	tree_remove();
	return done();
}
