/* SPDX-License-Identifier: MIT */
#include "arena/sizeclass.h"

/* The compiler makes the table from the sizes alone.  SLICES is how many slices a pool of the class
 * has, FIT how many blocks it holds. */
#define DIVIDE_UP(a, b) (((a) + (b)-1) / (b))
#define SLICES(size) \
	((size) <= 8192 ? 1 : (size) <= 16384 ? 2 : (size) <= 32768 ? 4 : (size) <= SLICE ? 8 : 2)
#define FIT(size) (SLICES(size) * SLICE / (size))
#define CLASS(size)                                                                   \
	{                                                                             \
		size, (uint32_t)DIVIDE_UP((uint64_t)1 << 32, size),                   \
			FIT(size) > BLOCKS_MAX ? BLOCKS_MAX : FIT(size), SLICES(size) \
	}

/* clang-format off */
const struct sizeclass sizeclasses[CLASSES] = {
	CLASS(16), CLASS(32), CLASS(48), CLASS(64),
	CLASS(80), CLASS(96), CLASS(112), CLASS(128),
	CLASS(144), CLASS(160), CLASS(176), CLASS(192),
	CLASS(208), CLASS(224), CLASS(240), CLASS(256),
	CLASS(288), CLASS(320), CLASS(352), CLASS(384),
	CLASS(416), CLASS(448), CLASS(480), CLASS(512),
	CLASS(576), CLASS(640), CLASS(704), CLASS(768),
	CLASS(832), CLASS(896), CLASS(960), CLASS(1024),
	CLASS(1152), CLASS(1280), CLASS(1408), CLASS(1536),
	CLASS(1664), CLASS(1792), CLASS(1920), CLASS(2048),
	CLASS(2304), CLASS(2560), CLASS(2816), CLASS(3072),
	CLASS(3328), CLASS(3584), CLASS(3840), CLASS(4096),
	CLASS(4608), CLASS(5120), CLASS(5632), CLASS(6144),
	CLASS(6656), CLASS(7168), CLASS(7680), CLASS(8192),
	CLASS(10240), CLASS(12288), CLASS(14336), CLASS(16384),
	CLASS(20480), CLASS(24576), CLASS(28672), CLASS(32768),
	CLASS(40960), CLASS(49152), CLASS(57344), CLASS(65536),
	CLASS(81920), CLASS(98304), CLASS(114688), CLASS(131072),
};

/* The class for each request up to TABLE_MAX, in steps of 16 bytes. */
const uint8_t sizeclass_table[TABLE_MAX / 16 + 1] = {
	0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	15, 16, 16, 17, 17, 18, 18, 19, 19, 20, 20, 21, 21, 22, 22, 23,
	23, 24, 24, 24, 24, 25, 25, 25, 25, 26, 26, 26, 26, 27, 27, 27,
	27, 28, 28, 28, 28, 29, 29, 29, 29, 30, 30, 30, 30, 31, 31, 31,
	31,
};
/* clang-format on */
EXPORT_PRIVATE(sizeclass_table);
