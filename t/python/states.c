/* SPDX-License-Identifier: MIT
 *
 * states - threads that Python has not made call into it: each call makes a thread state and drops
 * it again.  Built by memory_programs.py, which passes the interpreter's functions; so no header of
 * Python is needed.
 */
#include <pthread.h>

struct python {
	int (*ensure)(void);
	void (*release)(int state);
	void *(*call)(void *function);
	void (*drop)(void *object);
	void *function;
	long calls, failed;
};

static void *run(void *arg)
{
	struct python *python = arg;

	for (long i = 0; i < python->calls; i++) {
		int state = python->ensure();
		void *object = python->call(python->function);

		if (object)
			python->drop(object);
		else
			python->failed++;
		python->release(state);
	}
	return NULL;
}

/* How many calls failed, of `calls` by each of up to 64 threads; -1: no thread. */
long churn(int threads, const struct python *python)
{
	struct python part[64];
	pthread_t thread[64];
	long failed = 0;
	int n = 0;

	for (; n < threads && n < 64; n++) {
		part[n] = *python;
		if (pthread_create(&thread[n], NULL, run, &part[n]))
			break;
	}
	for (int i = 0; i < n; i++) {
		pthread_join(thread[i], NULL);
		failed += part[i].failed;
	}
	return n == threads ? failed : -1;
}
