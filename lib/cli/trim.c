/* SPDX-License-Identifier: MIT
 *
 * trim.c - `arenite trim`: asks a Python that runs to give back what is free.
 *
 * Only the process itself can do that.  CPython 3.14 and later lets another process have it run a
 * script (PEP 768), at the next point at which its main thread can; sys.remote_exec of the same
 * interpreter asks for it.  The script calls arn_trim, and writes the answer to a file.
 */
#include "cli/args.h"
#include "cli/cli.h"
#include "cli/outside.h"
#include "cli/program.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* How long the main thread of the process may take, in tenths of a second. */
enum { PATIENCE = 100 };

/* What the interpreter of this command ends with. */
enum { ASKED, TOO_OLD = 3, REFUSED = 4 };

static char directory[PATH_MAX], script[PATH_MAX + 16], answer[PATH_MAX + 16];

static const char asking[] =
	"import sys\n"
	"if not hasattr(sys, 'remote_exec'):\n"
	"    sys.exit(3)\n"
	"try:\n"
	"    sys.remote_exec(int(sys.argv[1]), sys.argv[2])\n"
	"except BaseException as e:\n"
	"    print('arenite: process %s cannot be asked: %s' % (sys.argv[1], e), file=sys.stderr)\n"
	"    sys.exit(4)\n";

static const char asked[] = "import ctypes\n"
			    "try:\n"
			    "    _arenite = ctypes.PyDLL(None).arn_trim\n"
			    "    _arenite.restype = ctypes.c_size_t\n"
			    "    _arenite = _arenite()\n"
			    "except Exception as e:\n"
			    "    _arenite = e\n"
			    "with open(%s, 'w') as f:\n"
			    "    f.write('%%s\\n' %% _arenite)\n";

/* ---- files ----------------------------------------------------------------------------------- */

/* The name of a file as a string of Python. */
static void quote(char *to, size_t size, const char *name)
{
	size_t length = 0;

	to[length++] = '\'';
	for (; *name && length + 8 < size; name++)
		length += (size_t)snprintf(to + length, size - length, "\\x%02x",
		                           (unsigned)(unsigned char)*name);
	snprintf(to + length, size - length, "'");
}

static bool write_script(void)
{
	char name[4 * sizeof(answer) + 8];
	FILE *file = fopen(script, "w");

	if (!file)
		return false;
	quote(name, sizeof(name), answer);
	fprintf(file, asked, name);
	return fclose(file) == 0;
}

/* The process may be another user's, who has to read the script and write the answer. */
static bool make_files(pid_t pid)
{
	const char *temporary = getenv("TMPDIR");
	struct stat status;
	char path[64];
	int fd;

	snprintf(directory, sizeof(directory), "%s/arenite-trim-XXXXXX",
	         temporary ? temporary : "/tmp");
	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	if (!mkdtemp(directory) || stat(path, &status) != 0 || chmod(directory, 0711) != 0)
		return false;
	snprintf(script, sizeof(script), "%s/trim.py", directory);
	snprintf(answer, sizeof(answer), "%s/answer", directory);
	fd = open(answer, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	if (fchown(fd, status.st_uid, status.st_gid) != 0 && geteuid() == 0)
		cli_error("%s: %s", answer, strerror(errno));
	close(fd);
	return write_script();
}

static void remove_files(void)
{
	unlink(script);
	unlink(answer);
	rmdir(directory);
}

/* ---- asking ---------------------------------------------------------------------------------- */

/* Nothing that concerns other Pythons is to concern this one. */
_Noreturn static void become(const char *program, pid_t pid)
{
	char number[16], *words[] = { (char *)program, (char *)"-I", (char *)"-S", (char *)"-c",
		                      (char *)asking,  number,       script,       NULL };

	snprintf(number, sizeof(number), "%d", (int)pid);
	setenv("ARENITE_STATS", "0", 1);
	unsetenv("LD_PRELOAD");
	execv(program, words);
	_exit(errno == ENOENT ? 127 : 126);
}

/* The status that the interpreter has ended with; -1: it was not started, or has crashed. */
static int ask(const char *program, pid_t pid)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		become(program, pid);
	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* The answer ends in a newline.  false: there is none yet. */
static bool read_answer(char *text, size_t size)
{
	FILE *file = fopen(answer, "r");
	bool whole = file && fgets(text, (int)size, file) && strchr(text, '\n');

	if (file)
		fclose(file);
	if (whole)
		*strchr(text, '\n') = '\0';
	return whole;
}

static bool wait_for_answer(char *text, size_t size)
{
	struct timespec tenth = { 0, 100000000 };

	for (unsigned i = 0; i < PATIENCE; i++) {
		if (read_answer(text, size))
			return true;
		nanosleep(&tenth, NULL);
	}
	return false;
}

static int print_answer(struct outside *process, uint64_t before, const char *text)
{
	char *end;
	uint64_t bytes = strtoull(text, &end, 10);

	if (end == text || *end != '\0') {
		cli_error("process %d: %s", (int)process->pid, text);
		return CLI_FAILED;
	}
	outside_read(process);
	printf("process %d: %.2f MiB went back; RSS was %.2f MiB and is %.2f MiB\n",
	       (int)process->pid, (double)bytes / 1048576, (double)before / 1048576,
	       (double)process->rss / 1048576);
	return cli_flushed();
}

static int fail(const struct outside *process, int status)
{
	if (status == TOO_OLD)
		cli_error("process %d: %s is older than 3.14, which is the first that can be asked "
		          "from outside; a program can call arn_trim itself",
		          (int)process->pid, process->program);
	else if (status != REFUSED)
		cli_error("process %d: %s does not run here", (int)process->pid, process->program);
	return CLI_FAILED;
}

/* Files stay if the process has not come by: it may do so later, and would miss the script. */
static int trim(struct outside *process)
{
	uint64_t before = process->rss;
	char text[256];
	int status;

	if (!make_files(process->pid)) {
		cli_error("%s: %s", directory, strerror(errno));
		return CLI_FAILED;
	}
	status = ask(process->program, process->pid);
	if (status == ASKED && !wait_for_answer(text, sizeof(text))) {
		cli_error("process %d was asked, and its main thread has not come by yet; the "
		          "answer is going to be in %s",
		          (int)process->pid, answer);
		return CLI_FAILED;
	}
	remove_files();
	return status == ASKED ? print_answer(process, before, text) : fail(process, status);
}

static int trim_process(pid_t pid)
{
	struct outside process;
	const char *why = outside_open(&process, pid);
	int status = CLI_FAILED;

	if (why) {
		cli_error("process %d: %s", (int)pid, why);
		return CLI_FAILED;
	}
	if (program_is_called_python(process.program))
		status = trim(&process);
	else
		cli_error("process %d: %s is no Python, and only a Python of 3.14 or later can be "
		          "asked from outside",
		          (int)pid, process.program);
	outside_close(&process);
	return status;
}

int trim_main(int argc, char **argv)
{
	struct args args;
	pid_t pid;

	args_begin(&args, argc, argv);
	args_next(&args);
	if (!args_end(&args, 1, 1))
		return args.status;
	return outside_parse(args.operand[0], &pid) ? trim_process(pid) : CLI_USAGE;
}
