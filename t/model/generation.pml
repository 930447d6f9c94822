/* SPDX-License-Identifier: MIT
 *
 * generation.pml - lib/base/stack.h: two nodes, two threads that pop both and push them back, a few rounds each, fewer
 * than the generation counts (22 or 23 bits there, 64 with ck).
 *
 * Safety      a node is in one pair of hands; at the end both are in the stack
 */
#define NODES 2
#define NIL 0
#define ROUNDS 2

byte head = 1, generation = 0;
byte next[NODES + 1] = { 0, 2, 0 };
bool held[NODES + 1];
byte ended = 0;

inline try(old, gen, new, done) {
	atomic {
		if
		:: head == old && generation == gen ->
			head = new;
#ifndef BUG_no_generation
			generation++;
#endif
			done = true
		:: else -> done = false
		fi
	}
}

inline pop(node) {
	done = false;
	do
	:: !done ->
		d_step { node = head; g = generation };
		if
		:: node == NIL -> done = true
		:: else ->
			n = next[node];
			try(node, g, n, done);
			if
			:: done -> d_step { assert(!held[node]); held[node] = true }
			:: else
			fi
		fi
	:: done -> break
	od
}

inline push(node) {
	if
	:: node == NIL
	:: else ->
		held[node] = false;
		done = false;
		do
		:: !done ->
			d_step { n = head; g = generation };
			next[node] = n;
			try(n, g, node, done)
		:: done -> break
		od
	fi
}

active [2] proctype user() {
	byte a = 0, b = 0, n, g, round = 0;
	bool done;
	do
	:: round < ROUNDS ->
		pop(a);
		pop(b);
		push(a);
		push(b);
		a = 0; b = 0;
		round++
	:: else -> break
	od;
	ended++
}

active proctype judge() {
	ended == 2;
	assert((head == 1 && next[1] == 2 && next[2] == 0) || (head == 2 && next[2] == 1 && next[1] == 0))
}
