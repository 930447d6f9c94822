/* SPDX-License-Identifier: MIT
 *
 * provider.h - a provider whose readers pass all at once, when the test sets readers_are_done; and
 * how often it was asked.
 */
#ifndef ARN_T_PROVIDER_H
#define ARN_T_PROVIDER_H

#include <arenite/arenite.h>

#include <stdatomic.h>

static atomic_bool readers_are_done;
static atomic_uint provider_asked;

static uint64_t provider_goal(size_t bytes)
{
	(void)bytes;
	return 1;
}

static bool provider_reached(uint64_t goal)
{
	(void)goal;
	atomic_fetch_add(&provider_asked, 1);
	return readers_are_done;
}

static const struct arn_provider provider = { .goal = provider_goal, .reached = provider_reached };

#endif
