/* SPDX-License-Identifier: MIT
 *
 * owner.pml - the owner's word of one heap: two threads that adopt and abandon for ever, one that drains.  The stack
 * is one step here; t/model/generation.* are about it.
 *
 * Safety      one pair of hands
 * Liveness    an orphan is in the stack again and again: no heap is lost
 */
#define NONE 0
#define TIDY 9

byte owner = NONE;
bool stacked = true;
byte hands = 0;

inline use() {
	hands++;
	assert(hands == 1);
	hands--
}

active [2] proctype user() {
	byte me = _pid + 1;
	bool mine;
	do
	:: atomic { stacked -> stacked = false };
#ifdef BUG_adopt_blindly
		owner = me; mine = true;
#else
		atomic {
			if
			:: owner == NONE -> owner = me; mine = true
			:: else -> mine = false
			fi
		};
#endif
		if
		:: mine ->
			use();
			owner = NONE;
			stacked = true
		:: !mine ->
#ifndef BUG_forget_busy
			stacked = true
#else
			skip
#endif
		fi
	od
}

active proctype drainer() {
	do
	::
#ifdef BUG_drain_blindly
		owner == NONE -> owner = TIDY;
#else
		atomic { owner == NONE -> owner = TIDY };
#endif
		use();
		owner = NONE
	od
}

ltl kept { [] <> stacked }
