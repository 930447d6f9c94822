/* SPDX-License-Identifier: MIT */
#include "registry.h"

_Atomic uint8_t registry_bytes[(size_t)1 << (ADDRESS_BITS - ARENA_SHIFT)];
