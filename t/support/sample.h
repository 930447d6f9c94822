/* SPDX-License-Identifier: MIT
 *
 * sample.h - what the tests of option PROFILE share: heaps whose next points are placed, and how
 * many samples are live.
 */
#ifndef ARN_T_SAMPLE_H
#define ARN_T_SAMPLE_H

#include "heap/heap.h"
#include "heap/sample.h"
#include "profile/image.h"

#include <arenite/arenite.h>
#include <stdlib.h>

enum { MEAN = 64 * 1024 };

/* A heap whose points are the same in each run of this program, so that a test at the level of 1 %
 * does not fail in each hundredth run.  Another seed gives other points: ARN_TEST_POINTS. */
static inline void begin(arn_heap *handle, enum arn_tag tag, uint64_t number)
{
	const char *points = getenv("ARN_TEST_POINTS");
	struct sample_meter *meter;

	arn_heap_init(handle, NULL, tag);
	arn_free(arn_heap_malloc(handle, 1));
	meter = sample_meter(handle->heap);
	meter->random = (number + (points ? strtoull(points, NULL, 0) : 8)) << 32;
	sample_restart(meter);
}

static inline size_t live_samples(void)
{
	size_t n = 0;

	for (struct record *record = image_first(); record; record = image_next(record))
		n += load_relaxed(&record->x_kind) == RECORD_SAMPLE &&
		     ((const struct record_sample *)record)->state == SAMPLE_LIVE;
	return n;
}

/* The next point lies `left` bytes behind what is handed out next. */
static inline void place_point(arn_heap *handle, size_t left)
{
	sample_meter(handle->heap)->face.left = left;
}

static inline void make_due(arn_heap *handle)
{
	place_point(handle, 0);
}

static inline void make_none(arn_heap *handle)
{
	place_point(handle, SIZE_MAX / 2);
}

#endif
