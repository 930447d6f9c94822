/* SPDX-License-Identifier: MIT
 *
 * queue.pml - the states of x_queued (doc/memory-order.md, R1): one pool of two blocks, its owner, who takes and hands
 * out for as long as it likes, and two threads that free.
 *
 * Safety      a pool is pushed only while it is not released, and not twice; it is released without bits and unqueued
 * Liveness    when the owner hands out no more, everything comes home and the pool leaves; nobody is stopped
 */
#define ALL 3
mtype = { UNQUEUED, QUEUED, AWAITED };

mtype queued = UNQUEUED;
byte remote = 0; /* bits */
byte home = ALL; /* the owner's */
bool live[2] = false;
bool pending = false; /* in the heap's list */
bool alive = true;
bool closed = false;

inline push() {
	assert(alive && !pending);
	pending = true
}

active [2] proctype freer() {
	mtype seen;
	byte me = _pid;
end:
	do
	:: live[me] ->
#ifdef BUG_queued_first
		seen = queued;
#endif
		d_step { live[me] = false; remote = remote | (1 << me) };
#ifndef BUG_queued_first
		seen = queued;
#endif
		if
		:: seen != UNQUEUED
		:: else ->
			do
			:: atomic { remote == 0 -> break }
			:: atomic { remote != 0 && queued != UNQUEUED -> break }
			:: atomic { remote != 0 && queued == UNQUEUED -> queued = QUEUED };
				if
				:: remote != 0 -> push(); break
				:: atomic { remote == 0 && queued == AWAITED -> skip }; push(); break
				:: atomic { remote == 0 && queued == QUEUED -> queued = UNQUEUED }
				fi
			od
		fi
	od
}

inline release() {
	d_step {
		assert(remote == 0 && !pending);
		alive = false;
		home = 0
	}
}

inline settle() {
	if
	:: home != ALL
	:: home == ALL ->
#if defined(BUG_release_queued)
		release()
#elif defined(BUG_unawaited)
		if
		:: queued == UNQUEUED -> release()
		:: else
		fi
#else
		if
		:: queued == UNQUEUED -> release()
		:: atomic { queued == QUEUED -> queued = AWAITED }
		:: queued == AWAITED
		fi
#endif
	fi
}

active proctype owner() {
end:
	do
	:: d_step { pending -> pending = false };
#ifdef BUG_unqueue_last
		d_step { home = home | remote; remote = 0 };
		queued = UNQUEUED;
#else
		queued = UNQUEUED;
		d_step { home = home | remote; remote = 0 };
#endif
		settle()
	:: d_step { !closed && alive && (home & 1) -> home = home & ~1; live[0] = true }
	:: d_step { !closed && alive && (home & 2) -> home = home & ~2; live[1] = true }
	:: d_step { !closed && !alive -> alive = true; home = ALL }
	:: d_step { !closed && (home != ALL || pending) && alive -> closed = true }
	od
}

ltl leaves { [] (closed -> <> !alive) }
