/* SPDX-License-Identifier: MIT
 *
 * record.h - the image of a profile: what a process keeps about its samples, and what the command
 * reads, from the memfd of a process that runs (named arenite-profile) or from a file.
 *
 * The image is a header and records behind each other.  A record begins at a multiple of
 * RECORD_ALIGN, never moves, and is never shorter or longer than it was.  Whoever reads an image
 * that is being written to goes from record to record; a kind that it does not know is passed over
 * by its length, so that old readers read new images.  Where a length is still 0, a thread is about
 * to write the record: the reader looks for the next `check` that fits.
 *
 * Names of records are their distances from the beginning of the image, in bytes.  All numbers are
 * in the byte order of the machine.
 */
#ifndef ARN_RECORD_H
#define ARN_RECORD_H

#include "base/atomic.h"
#include "base/base.h"
#include "base/stack.h"

#define PROFILE_MAGIC   "ARENPROF"
#define PROFILE_VERSION 1u
#define RECORD_ALIGN    64u

struct profile_header {
	char magic[8];
	uint32_t version, header_size;
	uint64_t capacity;       /* bytes that the image may have */
	_Atomic uint64_t x_used; /* bytes that it has */
	uint64_t mean;           /* option PROFILE */
	uint64_t process;
	uint64_t began;             /* seconds since 1970 */
	_Atomic uint64_t x_dropped; /* samples for which there was no room */
	uint32_t python; /* PY_VERSION_HEX, or 0: no Python, or none whose frames are known */
	uint32_t flags;
};

/* In header.flags: the objects that CPython's collector knows are in CPython's own heaps, and not
 * in the profile. */
#define PROFILE_COLLECTOR_APART 1u
/* There is a Python, and its frames cannot be read. */
#define PROFILE_NATIVE_ONLY 2u

enum record_kind {
	RECORD_NONE,
	RECORD_CODE,
	RECORD_STACK,
	RECORD_SAMPLE,
	RECORD_EDGE,
	RECORD_MAPS,
	RECORD_BUILD
};

struct record {
	_Atomic uint32_t x_kind; /* RECORD_NONE until the rest is there */
	uint32_t length;
	uint32_t check;             /* record_check of its place */
	_Atomic uint32_t x_version; /* of a sample: odd while it is being written */
	/* of the process that has made the image: a node of its table */
	alignas(8) uint64_t link[2];
	uint64_t hash;
};

static inline uint32_t record_check(uint64_t at)
{
	return (uint32_t)(at / RECORD_ALIGN * 2654435761u) ^ 0x5a170f11u;
}

/* A code object of Python.  The texts follow each other: name, file, table of lines. */
struct record_code {
	struct record head;
	uint64_t key[5]; /* by which it is known again: see python-frame.c */
	int32_t first_line;
	uint32_t name_length, file_length, table_length;
	char texts[];
};

/* Sums of samples: each counts 1 / probability blocks, and so many times its size.  Blocks are
 * in 256ths. */
struct record_sums {
	_Atomic uint64_t x_blocks, x_bytes;
};

/* A stack, the innermost frame first.  A frame of Python has FRAME_PYTHON, the place of its
 * record_code divided by RECORD_ALIGN, and the number of the instruction, in units of two bytes.
 * Any other frame is an address. */
#define FRAME_PYTHON       ((uint64_t)1 << 63)
#define FRAME_CODE_SHIFT   28
#define FRAME_INSTRUCTIONS (((uint64_t)1 << FRAME_CODE_SHIFT) - 1)
#define FRAMES_MAX         64u

struct record_stack {
	struct record head;
	struct record_sums made, freed;
	uint32_t frames;
	uint32_t cut; /* there were more frames */
	uint64_t frame[];
};

/* A block.  Once it is freed, the record is of use until it serves another block. */
enum { SAMPLE_FREED, SAMPLE_LIVE };

struct record_sample {
	struct record head;
	uint32_t state, tag;
	uint64_t address;
	uint64_t size;              /* as asked for */
	uint64_t counted;           /* the bytes on which a point may lie: sample.h */
	uint64_t made_at, freed_at; /* stacks */
	uint32_t made_by, freed_by; /* threads, as gettid says */
	/* of the process that has made the image */
	uint64_t turn; /* the later it was freed, the higher */
	double blocks; /* how many of the program's blocks the sample stands for: 1 / chance */
	struct record_sample *next_retired;
	STACK_NODE spare;
};

/* What was made at one stack and freed at another; of that, what another thread has freed. */
struct record_edge {
	struct record head;
	uint64_t made_at, freed_at;
	struct record_sums all, by_others;
};

/* A program or library that has code in stacks: where it is mapped, and the linker's name of the
 * build.  Another one may have been there before: the later record is that of the later one. */
#define BUILD_ID_MOST 32u

struct record_build {
	struct record head;
	uint64_t start, end;
	uint32_t size;
	uint8_t id[BUILD_ID_MOST];
};

/* /proc/self/maps, in a file that was written at exit. */
struct record_maps {
	struct record head;
	uint64_t bytes;
	char text[];
};

#endif
