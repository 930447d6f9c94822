/* SPDX-License-Identifier: MIT
 *
 * handover.pml - threads start and end for ever: a record from the spares, a heap from the orphans, some blocks of
 * others' gathered in the record; at the end the blocks are sent, the heap is abandoned, the record is spare.  Two
 * threads, as many records and heaps; stacks are one step.
 *
 * Safety      a record and a heap are in one pair of hands each; a thread that has ended has nothing gathered
 * Liveness    threads go on starting: no heap and no record is lost
 */
#define N 2

bool spare[N] = true, orphan[N] = true;
bool gathered[N] = false;
byte record_hands[N] = 0, heap_hands[N] = 0;
byte heap_of[N] = 0;
bool started = false;

inline take_record() {
	atomic {
		if
		:: spare[0] -> spare[0] = false; r = 0
		:: spare[1] -> spare[1] = false; r = 1
		fi
	}
}

inline take_heap() {
	atomic {
		if
		:: orphan[0] -> orphan[0] = false; h = 0
		:: orphan[1] -> orphan[1] = false; h = 1
		fi
	}
}

active [2] proctype thread() {
	byte r, h;
	do
	:: true ->
		take_record();
		record_hands[r]++;
		assert(record_hands[r] == 1);
		take_heap();
		heap_of[r] = h;
		heap_hands[h]++;
		assert(heap_hands[h] == 1);
		started = true;
		if
		:: gathered[r] = true
		:: skip
		fi;
#ifndef BUG_leave_gathered
		gathered[r] = false;
#endif
#ifdef BUG_spare_first
		record_hands[r]--;
		spare[r] = true;
#endif
		h = heap_of[r];
		heap_hands[h]--;
		orphan[h] = true;
		started = false;
#ifndef BUG_spare_first
		record_hands[r]--;
		assert(!gathered[r]);
		spare[r] = true
#endif
	od
}

ltl goes_on { [] <> started }
