/* SPDX-License-Identifier: MIT
 *
 * probe.c - runs an interpreter and reads what it and its statistics say.
 *
 * The child writes to three files in memory (memfd_create), for stdout, stderr and the statistics.
 * They are read when it has ended, so a child that writes much cannot block as it would in a pipe.
 */
#include "cli/probe.h"

#include "base/mark.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * It prints what struct probe has to know, one thing in each line, and still has objects and memory
 * when it ends.  Where there is no /proc the library is looked for by one of its names.
 */
static const char code[] =
	"import sys, platform, sysconfig, importlib.util\n"
	"def loaded():\n"
	"    try:\n"
	"        return 'libarenite-python' in open('/proc/self/maps').read()\n"
	"    except OSError:\n"
	"        import ctypes\n"
	"        return hasattr(ctypes.CDLL(None), 'arn_python_install')\n"
	"gil = getattr(sys, '_is_gil_enabled', lambda: True)()\n"
	"flags = [sysconfig.get_config_var('Py_GIL_DISABLED'), gil, hasattr(sys, "
	"'gettotalrefcount'), loaded(), importlib.util.find_spec('memray')]\n"
	"print(platform.python_implementation())\n"
	"print(platform.python_version())\n"
	"print(sys.executable)\n"
	"print(''.join('1' if flag else '0' for flag in flags))\n"
	"kept = [object() for i in range(1000)]\n";

/* Seconds that the child has: a program that takes longer is not an interpreter. */
enum { PATIENCE = 30 };

enum { OUT, ERR, STATISTICS, FILES };

/*
 * In the child: become the interpreter, with the three files as its stdout, stderr and file of the
 * statistics.  The claim to that file, which this process may have (mark.h), is taken out of the
 * environment.
 */
_Noreturn static void become(const char *program, const int files[FILES])
{
	char name[64], *words[] = { (char *)program, (char *)"-c", (char *)code, NULL };
	int nothing = open("/dev/null", O_RDONLY);

	snprintf(name, sizeof(name), "json:/proc/self/fd/%d", files[STATISTICS]);
	setenv("ARENITE_STATS", name, 1);
	unsetenv(STATS_OWNER);
	dup2(nothing, STDIN_FILENO);
	dup2(files[OUT], STDOUT_FILENO);
	dup2(files[ERR], STDERR_FILENO);
	alarm(PATIENCE);
	execvp(program, words);
	_exit(127);
}

/* Read the last size - 1 bytes of the file, or all of it if it is shorter, and end them with 0. */
static void read_end(int file, char *text, size_t size)
{
	off_t length = lseek(file, 0, SEEK_END);
	off_t start = length > (off_t)size - 1 ? length - ((off_t)size - 1) : 0;
	ssize_t n = pread(file, text, size - 1, start);

	text[n > 0 ? n : 0] = '\0';
}

/* Copy the line at *text, cut off where it is too long, and go on to the next. */
static void take_line(const char **text, char *line, size_t size)
{
	size_t length = strcspn(*text, "\n");

	snprintf(line, size, "%.*s", (int)length, *text);
	*text += length + ((*text)[length] == '\n');
}

/*
 * Read what the small program has printed.  If the line of flags is not as expected, none of it
 * counts.
 */
static void read_facts(struct probe *probe, const char *text)
{
	char flags[8];

	take_line(&text, probe->implementation, sizeof(probe->implementation));
	take_line(&text, probe->version, sizeof(probe->version));
	take_line(&text, probe->executable, sizeof(probe->executable));
	take_line(&text, flags, sizeof(flags));
	if (strlen(flags) != 5) {
		*probe->implementation = '\0';
		return;
	}
	probe->free_threaded = flags[0] == '1';
	probe->gil = flags[1] == '1';
	probe->debug = flags[2] == '1';
	probe->loaded = flags[3] == '1';
	probe->memray = flags[4] == '1';
}

/*
 * The string value of the next member of this name behind `from`.  The JSON is Arenite's own, in
 * which no string has a quote inside, so it need not be parsed.
 */
static void read_string(const char *from, const char *name, char *value, size_t size)
{
	char key[32];
	const char *at;

	snprintf(key, sizeof(key), "\"%s\": \"", name);
	at = from ? strstr(from, key) : NULL;
	if (at)
		snprintf(value, size, "%.*s", (int)strcspn(at + strlen(key), "\""),
		         at + strlen(key));
}

static size_t read_blocks(const char *json, const char *tag)
{
	char key[32];
	const char *at;

	snprintf(key, sizeof(key), "\"%s\": {\"live_blocks\": ", tag);
	at = strstr(json, key);
	return at ? strtoul(at + strlen(key), NULL, 10) : 0;
}

static void read_statistics(struct probe *probe, const char *json)
{
	const char *python = strstr(json, "\"python\": {");

	probe->statistics = *json == '{';
	probe->malloc_served = strstr(json, "\"malloc\": {\"served\": true}") != NULL;
	read_string(python, "mem", probe->mem, sizeof(probe->mem));
	read_string(python, "object", probe->object, sizeof(probe->object));
	read_string(python, "reason", probe->reason, sizeof(probe->reason));
	probe->mem_blocks = read_blocks(json, "mem");
	probe->object_blocks = read_blocks(json, "object");
}

static void read_files(struct probe *probe, const int files[FILES])
{
	static char text[16384];

	read_end(files[OUT], text, sizeof(text));
	read_facts(probe, text);
	read_end(files[ERR], probe->complaint, sizeof(probe->complaint));
	read_end(files[STATISTICS], text, sizeof(text));
	read_statistics(probe, text);
}

/* Start the child, wait for its end, and read the files.  false: errno says why not. */
static bool run(struct probe *probe, const char *program, const int files[FILES])
{
	pid_t pid = fork();

	if (pid == 0)
		become(program, files);
	if (pid < 0)
		return false;
	while (waitpid(pid, &probe->status, 0) < 0)
		if (errno != EINTR)
			return false;
	read_files(probe, files);
	return true;
}

bool probe_run(struct probe *probe, const char *program)
{
	int files[FILES], error;
	bool done = true;

	*probe = (struct probe){ 0 };
	for (unsigned i = 0; i < FILES; i++) {
		files[i] = memfd_create("arenite-doctor", 0);
		done &= files[i] >= 0;
	}
	done = done && run(probe, program, files);
	error = errno;
	for (unsigned i = 0; i < FILES; i++)
		close(files[i]);
	errno = error;
	return done;
}
