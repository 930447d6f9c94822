/* SPDX-License-Identifier: MIT
 *
 * page - readers outside find the page of a process, what they read belongs together, a writer that
 * stands still stops nobody, and each child of a fork has a page of its own.
 */
#include "support/core.h"

#include "api/page.h"
#include "base/option.h"
#include "os/os.h"

#include <arenite/arenite.h>
#include <arenite/page.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* ---- a reader -------------------------------------------------------------------------------- */

struct found {
	const struct arn_page *page; /* NULL: there is none */
	ino_t inode;
	int pages; /* descriptors that lead to one */
};

/* Look as any reader does: for the links in /proc/PID/fd. */
static struct found find_page(void)
{
	struct found found = { 0 };
	char path[64], target[64];

	for (int fd = 0; fd < 1024; fd++) {
		struct stat status;
		ssize_t n;
		int page;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
		n = readlink(path, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		if (strcmp(target, "/memfd:arenite (deleted)") != 0)
			continue;
		found.pages++;
		page = open(path, O_RDONLY | O_CLOEXEC);
		if (page < 0 || fstat(page, &status) != 0)
			bail("a page that cannot be opened");
		found.inode = status.st_ino;
		found.page = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, page, 0);
		close(page);
		if (found.page == MAP_FAILED ||
		    !arn_page_is_valid(found.page, (size_t)status.st_size))
			found.page = NULL;
	}
	return found;
}

enum { MOST = 64 };

static uint32_t row_of(const struct arn_page *page, const char *name)
{
	uint32_t i = 0;

	while (i < page->rows && strcmp(arn_page_row(page, i)->name, name) != 0)
		i++;
	return i;
}

static uint64_t value_of(const struct arn_page *page, const char *name)
{
	uint32_t row = row_of(page, name);
	uint64_t value[MOST];

	if (row == page->rows)
		return UINT64_MAX;
	while (!arn_page_copy(page, value, page->rows))
		;
	return value[row];
}

static const struct arn_page *page;

static void test_found(void)
{
	struct found found = find_page();
	struct arn_stats stats;
	void *block = arn_mem_malloc(5000);

	page = found.page;
	ok(found.pages == 1 && page && page->rows <= MOST && page->pid == (uint32_t)getpid(),
	   "a page is found by its name");
	if (!page)
		bail("no page");
	arn_stats_read(&stats, sizeof(stats));
	page_write(&stats);
	ok(value_of(page, "live_bytes.mem") == stats.tag[ARN_TAG_MEM].live_bytes &&
	           value_of(page, "live_blocks.mem") == 1 &&
	           value_of(page, "arena_bytes") == stats.arena_bytes &&
	           value_of(page, "version") == ARN_VERSION_NUMBER,
	   "it has the numbers");
	arn_free(block);
}

/* The mapping of the process itself is the only one that can be written to. */
static void test_sealed(void)
{
	char path[64];
	int fd = -1;

	for (int i = 1023; i >= 0 && fd < 0; i--) {
		char target[64] = "";

		snprintf(path, sizeof(path), "/proc/self/fd/%d", i);
		if (readlink(path, target, sizeof(target) - 1) > 0 &&
		    strncmp(target, "/memfd:arenite ", 15) == 0)
			fd = open(path, O_RDWR | O_CLOEXEC);
	}
	ok(fd >= 0 && ftruncate(fd, 0) != 0 && ftruncate(fd, 1 << 20) != 0,
	   "nobody can make it smaller or larger");
	close(fd);
}

/* ---- what is read belongs together ----------------------------------------------------------- */

enum { WRITERS = 3, READERS = 2 };

static atomic_bool stop;

/* Statistics in which all numbers are the same, and which the page shows in many rows. */
static void write_all(size_t number)
{
	struct arn_stats stats = { .made_blocks = number,
		                   .made_bytes = number,
		                   .arenas = number,
		                   .arena_bytes = number,
		                   .raw_live_bytes = number,
		                   .refusals = number };

	for (unsigned tag = 0; tag < ARN_TAGS; tag++) {
		stats.tag[tag].live_blocks = number;
		stats.tag[tag].live_bytes = number;
	}
	page_write(&stats);
}

static bool is_whole(const uint64_t *value)
{
	static const char *const rows[] = {
		"live_blocks.object", "live_bytes.mem", "live_bytes.gc_pre",
		"made_blocks",        "made_bytes",     "arenas",
		"arena_bytes",        "raw_live_bytes", "refusals"
	};
	uint64_t first = value[row_of(page, "live_blocks.mem")];

	for (unsigned i = 0; i < array_length(rows); i++)
		if (value[row_of(page, rows[i])] != first)
			return false;
	return true;
}

static void read_values(void)
{
	uint64_t value[MOST], last = 0;
	bool found = false;

	while (!atomic_load(&stop) || !found) {
		uint64_t generation = arn_page_copy(page, value, page->rows);

		if (generation == 0)
			continue;
		expect(is_whole(value) && generation >= last);
		last = generation;
		found = true;
	}
}

/* As arn_page_copy, without the checksum: the generation alone has to tell. */
static bool copy_by_generation(uint64_t *value)
{
	uint64_t generation = __atomic_load_n(&page->generation, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < page->rows; i++)
		value[i] = __atomic_load_n(&arn_page_row(page, i)->value[generation % 2],
		                           __ATOMIC_ACQUIRE);
	return __atomic_load_n(&page->generation, __ATOMIC_RELAXED) == generation;
}

static void read_unchecked(void)
{
	uint64_t value[MOST];

	while (!atomic_load(&stop))
		if (copy_by_generation(value))
			expect(is_whole(value));
}

static void write_or_read(unsigned self)
{
	if (self < WRITERS) {
		for (long i = tap_scale(4000); i > 0; i--)
			write_all((size_t)i * WRITERS + self);
		atomic_store(&stop, true);
	} else if (self == WRITERS) {
		read_values();
	} else {
		read_unchecked();
	}
}

static void test_torn(void)
{
	write_all(1);
	yield_start(tap_seed(), 40);
	threads(WRITERS + READERS, write_or_read);
	yield_start(0, 0);
	no_errors("three write and two read: what is read belongs together");
}

/* ---- a writer that stands still -------------------------------------------------------------- */

static void *write_slowly(void *arg)
{
	write_all(8);
	return arg;
}

static void test_standing(void)
{
	pthread_t thread;
	uint64_t value[MOST];

	write_all(7);
	thread = yield_stop("page_publish", write_slowly, NULL);
	write_all(9); /* comes back */
	ok(arn_page_copy(page, value, page->rows) && is_whole(value) &&
	           value[row_of(page, "made_blocks")] == 7,
	   "one that stands still in the middle leaves the last values whole, and others go on");
	yield_resume(thread);
	ok(value_of(page, "made_blocks") == 8, "it has written when it goes on");
}

/* ---- forks ----------------------------------------------------------------------------------- */

static ino_t of_parent;

static int look_in_child(void)
{
	struct found found = find_page();
	void *block = arn_mem_malloc(1000);
	struct arn_stats stats;

	if (found.pages != 1 || !found.page || found.inode == of_parent ||
	    found.page->pid != (uint32_t)getpid())
		return 1;
	arn_stats_read(&stats, sizeof(stats));
	page_write(&stats);
	return block && value_of(found.page, "live_blocks.mem") == stats.tag[0].live_blocks ? 0 : 2;
}

static int fork_again(void)
{
	int status = look_in_child();

	of_parent = find_page().inode;
	return status ? status : status_of_child(look_in_child) != 0;
}

static void test_forks(void)
{
	uint64_t generation = page->generation;
	long wrong = 0;

	of_parent = find_page().inode;
	for (long i = tap_scale(1000); i > 0; i--)
		wrong += status_of_child(look_in_child) != 0;
	ok(wrong == 0, "children of 1000 forks have a page each");
	ok(page->generation == generation && page->pid == (uint32_t)getpid(),
	   "and that of their parent is as it was");
	ok(status_of_child(fork_again) == 0, "so has the child of a child");
}

/* Programs close what they have not opened, and open something else under the number. */
static int close_and_fork(void)
{
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	for (int i = 0; i < 400; i++)
		if (open("/dev/null", O_RDONLY) < 0)
			return 1;
	if (find_page().pages != 0)
		return 2;
	return status_of_child(look_in_child) != 0;
}

static int without(void)
{
	option_parse(OPTION_PAGE, "0");
	page_fork_child();
	write_all(3);
	return find_page().pages;
}

static void test_gone(void)
{
	ok(status_of_child(close_and_fork) == 0,
	   "a program may close the descriptor, and its child has a page again");
	ok(status_of_child(without) == 0, "with ARENITE_PAGE=0 there is none");
}

int main(void)
{
	test_found();
	test_sealed();
	test_torn();
	test_standing();
	test_forks();
	test_gone();
	return done();
}
