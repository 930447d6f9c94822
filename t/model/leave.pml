/* SPDX-License-Identifier: MIT
 *
 * leave.pml - an arena leaves: a reader that looks it up, claims its slice and gives it back, two threads that retire,
 * begin grace periods and unmap; its address serves again.
 *
 * Safety      nobody touches an arena that is not mapped; the one slice is in one pair of hands; one thread at a time
 *             has the batch
 * Liveness    when nobody maps any more, and readers are outside, it is gone in the end
 */
bool mapped = true, in_table = true, free = true;
bool retired = false, in_batch = false, begun = false;
bool taken = false;
bool inside = false, seen_outside = false;
bool closed = false;
byte hands = 0, workers = 0;

inline enter() {
#ifndef BUG_no_section
	inside = true
#else
	skip
#endif
}

inline leave() {
	inside = false
}

/* Looks the arena up, and if its slice is free, uses it. */
active proctype reader() {
	bool found, got;
end:
	do
	:: !closed ->
		enter();
		found = in_table;
		got = false;
		if
		:: found ->
			assert(mapped);
			atomic { got = free; free = false }
		:: else
		fi;
		if
		:: got ->
			leave();
			hands++;
			assert(hands == 1 && mapped);
			hands--;
			enter();
			assert(mapped);
			free = true
		:: found && !got -> assert(mapped)
		:: else
		fi;
		leave()
	od
}

/* Retire if free; then, if nobody else is at it, go on with the grace period.  Retiring runs in a section of its own
 * too, which a thread does not have while it asks for the end of one: the other's is left out here. */
active [2] proctype retirer() {
	bool got;
end:
	do
	:: atomic { !taken && in_table && free && mapped ->
#ifdef BUG_untaken
			skip
#else
			taken = true
#endif
		};
		/* the claim of the whole arena: one step for each word, all or nothing */
		atomic { got = free && in_table && mapped; free = (got -> false : free) };
		if
		:: got ->
#ifndef BUG_unhidden
			in_table = false;
#endif
			retired = true
		:: else
		fi;
		taken = false
	:: atomic { (retired || in_batch) && (!taken) ->
#ifndef BUG_untaken
			taken = true
#endif
		};
		workers++;
		assert(workers == 1);
		if
		:: !in_batch && retired -> retired = false; in_batch = true; begun = false
		:: else
		fi;
		if
		:: in_batch && !begun -> begun = true; seen_outside = false
		:: else
		fi;
		if
		:: in_batch && !inside -> seen_outside = true
		:: else
		fi;
		if
#ifdef BUG_no_grace
		:: in_batch ->
#else
		:: in_batch && seen_outside ->
#endif
			assert(hands == 0);
			mapped = false;
			in_batch = false
		:: else
		fi;
		workers--;
		taken = false
	od
}

/* Somebody maps at the same address again, until nobody does. */
active proctype mapper() {
end:
	do
	:: d_step { !mapped && !closed && !retired && !in_batch -> mapped = true; free = true }; in_table = true
	:: !closed -> closed = true
	od
}

ltl goes { [] ((closed && retired) -> <> !mapped) }
