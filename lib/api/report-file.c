/* SPDX-License-Identifier: MIT
 *
 * report-file.c - the file of ARENITE_STATS=json:FILE.
 *
 * A reader finds either the old text or the new one, never a part of it: the text is made in
 * memory, written to a new file in the same directory, and that file is renamed.
 *
 * Processes do not take each other's files away.  A file that is there is replaced if it is older
 * than this process or this process has written it.  A newer one is another's, and so is one on
 * which a process that lives has a lock (flock): each that writes again and again keeps one on what
 * it wrote last.  The name has the number of the process behind it then.
 *
 * What is not a
 * regular file, such as a pipe, a terminal or /dev/null, is opened and written to.  A symbolic link
 * is not followed, since it may be somebody else's.  The names of the process's own descriptors,
 * such as /dev/stderr and /dev/fd/3, are links as well: they are taken to mean the descriptors.
 * "-" is stdout.
 */
#include "api/report.h"

#include "base/atomic.h"
#include "base/base.h"
#include "base/option.h"
#include "base/text.h"
#include "profile/profile.h"

#include <arenite/arenite.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/*
 * In the name, %p stands for the number of the process and %% for %.  false: the path is too long,
 * and errno says so.
 */
static bool expand(const char *name, char path[PATH_MAX])
{
	struct text number = { 0 };
	size_t length = 0;

	text_add_number(&number, (size_t)getpid());
	for (; *name && length < PATH_MAX - sizeof("18446744073709551615"); name++) {
		if (name[0] == '%' && name[1] == 'p') {
			memcpy(path + length, number.bytes, number.length);
			length += number.length;
			name++;
			continue;
		}
		name += name[0] == '%' && name[1] == '%';
		path[length++] = *name;
	}
	path[length] = '\0';
	errno = ENAMETOOLONG;
	return *name == '\0';
}

/* The descriptor of this process that is meant by the name; -1: it is a name of another kind. */
static int descriptor_of(const char *path)
{
	static const char *const directories[] = { "/dev/fd/", "/proc/self/fd/" };

	if (strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0)
		return STDOUT_FILENO;
	if (strcmp(path, "/dev/stderr") == 0)
		return STDERR_FILENO;
	for (size_t i = 0; i < array_length(directories); i++) {
		const char *number = path + strlen(directories[i]);

		if (strncmp(path, directories[i], strlen(directories[i])) == 0 && *number &&
		    strspn(number, "0123456789") == strlen(number) && strlen(number) < 9)
			return atoi(number);
	}
	return -1;
}

static bool copy(int to, int from)
{
	char bytes[8192];
	ssize_t n;

	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		if (!text_write_all(to, bytes, (size_t)n))
			return false;
	return n == 0;
}

/*
 * Copy one file to another and close the target, since a full disk may be noticed only then.
 * false: errno says why.
 */
static bool copy_and_close(int to, int from)
{
	bool done = copy(to, from);
	int error = errno;

	if (close(to) != 0)
		return false;
	errno = error;
	return done;
}

/* ---- whose file it is ------------------------------------------------------------------------ */

static struct timespec started; /* when this process began to use Arenite */
static dev_t mine_device;       /* what it has written last */
static ino_t mine_inode;
static _Atomic int x_lock = -1; /* its descriptor, with the lock on it; -1: there is none */
static bool has_own_name;       /* FILE was another's, so this process writes FILE.NUMBER */

/* The clock of the file system, which may be 4 ms coarse: a file of another process that began as
 * recently is taken to be older. */
__attribute__((constructor)) static void note_start(void)
{
	clock_gettime(CLOCK_REALTIME, &started);
}

static bool is_mine(const struct stat *status)
{
	return status->st_ino == mine_inode && status->st_dev == mine_device;
}

static bool is_newer(const struct stat *status)
{
	return status->st_mtim.tv_sec != started.tv_sec ? status->st_mtim.tv_sec > started.tv_sec
	                                                : status->st_mtim.tv_nsec > started.tv_nsec;
}

/* Does a process that lives keep its lock on the file? */
static bool is_locked(const char *path)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	bool locked = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;

	if (fd >= 0)
		close(fd);
	return locked;
}

static bool is_anothers(const char *path, const struct stat *status)
{
	return !is_mine(status) && (is_newer(status) || is_locked(path));
}

/* Keep this file as the one that was written last, with its lock if it is to be written again. */
static void keep(const char *path)
{
	int fd = -1, old;
	struct stat status;

	if (option_stats_interval())
		fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		fd = -1;
	}
	if (lstat(path, &status) == 0) {
		mine_device = status.st_dev;
		mine_inode = status.st_ino;
	}
	old = load_relaxed(&x_lock);
	store_relaxed(&x_lock, fd);
	if (old >= 0)
		close(old);
}

/* The descriptor is of the parent's file as well, and so is its lock, as long as both have it. */
void report_file_fork_child(void)
{
	int fd = load_relaxed(&x_lock);
	struct stat status;

	if (fd >= 0 && fstat(fd, &status) == 0 && is_mine(&status))
		close(fd);
	store_relaxed(&x_lock, -1);
	mine_inode = 0;
	has_own_name = false;
	note_start();
}

/* musl has no function for it. */
static bool exchange_files(const char *one, const char *other)
{
	return syscall(SYS_renameat2, AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE) == 0;
}

/*
 * Put the new file in the place of an old one, with whatever is there by now: the two are
 * exchanged, and if what came out is not the old one, another process was faster, and they are
 * exchanged back. Where the file system cannot exchange files, the new one replaces the old one.
 */
static bool replace(const char *beside, const char *path, const struct stat *old)
{
	struct stat status;

	if (is_mine(old) || !exchange_files(beside, path))
		return rename(beside, path) == 0;
	if (lstat(beside, &status) == 0 && status.st_ino == old->st_ino)
		return unlink(beside) == 0;
	exchange_files(beside, path);
	errno = EEXIST;
	return false;
}

/*
 * Give the new file its name.  If nothing has that name, a link makes it, which fails if another
 * process is faster; some file systems know no links.  false: errno is EEXIST if the file that is
 * there is another's.
 */
static bool put(const char *beside, const char *path)
{
	struct stat status;

	if (lstat(path, &status) != 0) {
		if (link(beside, path) == 0)
			return unlink(beside) == 0;
		return errno != EEXIST && rename(beside, path) == 0;
	}
	if (!is_anothers(path, &status))
		return replace(beside, path, &status);
	errno = EEXIST;
	return false;
}

/* ---- where it goes --------------------------------------------------------------------------- */

/*
 * Write the text to a new file beside `path` and give that the name `path`.  If any step fails the
 * new file is removed, `path` is as it was, and errno says why.
 */
static bool write_beside(const char *path, int text)
{
	char beside[PATH_MAX + 32];
	int fd, error;

	snprintf(beside, sizeof(beside), "%s.%d.new", path, (int)getpid());
	unlink(beside); /* left by a process that had this number and died */
	lseek(text, 0, SEEK_SET);
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
		return false;
	if (copy_and_close(fd, text) && put(beside, path)) {
		keep(path);
		return true;
	}
	error = errno;
	unlink(beside);
	errno = error;
	return false;
}

/* The name of this process's own file where the one that was meant is another's. */
static bool write_under_own_name(const char *path, int text)
{
	char name[PATH_MAX + 16];

	has_own_name = true;
	snprintf(name, sizeof(name), "%s.%d", path, (int)getpid());
	return write_beside(name, text);
}

static bool write_in_place(const char *path, int text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);

	lseek(text, 0, SEEK_SET);
	return fd >= 0 && copy_and_close(fd, text);
}

/*
 * Did write_beside fail because of the directory, although the file itself may be written to?  A
 * process may lack the right to make files in the directory, or the file is mounted by itself and
 * so cannot be replaced.
 */
static bool is_for_want_of_directory(int error)
{
	return error == EACCES || error == EPERM || error == EROFS || error == EBUSY;
}

/* An existing regular file is replaced if that is possible, and else overwritten. */
static bool write_path(const char *path, int text)
{
	struct stat status;
	bool exists = lstat(path, &status) == 0;

	if (exists && !S_ISREG(status.st_mode))
		return write_in_place(path, text);
	if (has_own_name || write_beside(path, text))
		return !has_own_name || write_under_own_name(path, text);
	if (errno == EEXIST)
		return write_under_own_name(path, text);
	return exists && is_for_want_of_directory(errno) && write_in_place(path, text);
}

/*
 * The text is made in a memfd, which needs no disk, and then copied to wherever it is to go.
 * false: errno says why.
 */
static bool write_to(const char *path, const struct report *report, const struct arn_stats *left)
{
	int descriptor = descriptor_of(path), text = memfd_create("arenite-stats", MFD_CLOEXEC);
	bool done;
	int error;

	if (text < 0)
		return false;
	report_json(text, report, left);
	lseek(text, 0, SEEK_SET);
	done = descriptor >= 0 ? copy(descriptor, text) : write_path(path, text);
	error = errno;
	close(text);
	errno = error;
	return done;
}

bool report_write_file(const char *name, const struct report *report, const struct arn_stats *left,
                       bool quietly)
{
	struct text text = { 0 };
	char path[PATH_MAX];

	if (expand(name, path) && write_to(path, report, left))
		return true;
	if (quietly)
		return false;
	text_add(&text, "cannot write statistics, ");
	text_add(&text, errno == ELOOP ? "this is a symbolic link" : strerror(errno));
	text_add(&text, ": ");
	text_add(&text, name);
	log_line(&text);
	return false;
}

static bool write_profile(const char *path)
{
	int image = memfd_create("arenite-profile-file", MFD_CLOEXEC);
	bool done;

	if (image < 0)
		return false;
	profile_write(image);
	lseek(image, 0, SEEK_SET);
	done = write_path(path, image);
	close(image);
	return done;
}

void report_write_profile(const char *name)
{
	char numbered[PATH_MAX], path[PATH_MAX];
	struct text text = { 0 };

	snprintf(numbered, sizeof(numbered), "%s%s", name, strstr(name, "%p") ? "" : ".%p");
	if (expand(numbered, path) && write_profile(path))
		return;
	text_add(&text, "cannot write the profile, ");
	text_add(&text, errno == ELOOP ? "this is a symbolic link" : strerror(errno));
	text_add(&text, ": ");
	text_add(&text, numbered);
	log_line(&text);
}
