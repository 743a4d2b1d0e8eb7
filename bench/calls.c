// SPDX-License-Identifier: GPL-2.0
/*
 * Counts the guest's instructions per system call on a block device.
 *
 *	calls DEVICE START
 *
 * uses the AREA bytes of DEVICE from byte START on, destroys what they hold, and prints a line of JSON
 * for each kind of call. It needs a guest whose time stamp counter counts instructions (QEMU's -icount
 * shift=0) and makes sure of it, and a free huge page of 2 MiB.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#define KIB 1024UL
#define MIB (1024UL * 1024)
#define PAGE 4096UL
#define AREA (64 * MIB)
#define BUFFER MIB
#define MOST_BATCHES 101

static int device;
static off_t area;
/* The same amount of memory as the block layer may meet it: in one piece, which is one segment of a bio,
 * and with no two pages next to each other, as on a machine that has been up for a while. */
static char *contiguous, *scattered;

struct kind {
	const char *call;
	const char *buffer;
	int (*issue)(const struct kind *kind, off_t offset);
	size_t bytes;
	/*
	 * Small enough, where the call allows it, that most batches meet no timer interrupt (one in
	 * 4,000,000 instructions at 250 Hz).
	 */
	int calls, batches;
	char **memory;
};

static int issue_pread(const struct kind *kind, off_t offset)
{
	return pread(device, *kind->memory, kind->bytes, offset) != (ssize_t)kind->bytes;
}

static int issue_pwrite(const struct kind *kind, off_t offset)
{
	return pwrite(device, *kind->memory, kind->bytes, offset) != (ssize_t)kind->bytes;
}

static int issue_fsync(const struct kind *kind, off_t offset)
{
	(void)kind, (void)offset;
	return fsync(device);
}

static int issue_zeroout(const struct kind *kind, off_t offset)
{
	uint64_t range[2] = { offset, kind->bytes };

	return ioctl(device, BLKZEROOUT, range);
}

/* What the loop itself costs is taken off. */
static int issue_nothing(const struct kind *kind, off_t offset)
{
	(void)kind, (void)offset;
	return 0;
}

static const struct kind kinds[] = {
	{ "pread", "contiguous", issue_pread, 512, 100, 101, &contiguous },
	{ "pread", "contiguous", issue_pread, 4 * KIB, 50, 101, &contiguous },
	{ "pread", "contiguous", issue_pread, 64 * KIB, 5, 61, &contiguous },
	{ "pread", "scattered", issue_pread, 64 * KIB, 5, 61, &scattered },
	{ "pread", "contiguous", issue_pread, MIB, 1, 31, &contiguous },
	{ "pread", "scattered", issue_pread, MIB, 1, 31, &scattered },
	{ "pwrite", "contiguous", issue_pwrite, 512, 100, 101, &contiguous },
	{ "pwrite", "contiguous", issue_pwrite, 4 * KIB, 50, 101, &contiguous },
	{ "pwrite", "contiguous", issue_pwrite, 64 * KIB, 5, 61, &contiguous },
	{ "pwrite", "scattered", issue_pwrite, 64 * KIB, 5, 61, &scattered },
	{ "pwrite", "contiguous", issue_pwrite, MIB, 1, 31, &contiguous },
	{ "pwrite", "scattered", issue_pwrite, MIB, 1, 31, &scattered },
	{ "fsync", "none", issue_fsync, 0, 200, 101, NULL },
	{ "BLKZEROOUT", "none", issue_zeroout, AREA, 1, 5, NULL },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Walks through the area, so that no call has the one before to thank for anything. */
static uint64_t batch(const struct kind *kind, int (*issue)(const struct kind *, off_t))
{
	static uint64_t step;
	uint64_t slots = kind->bytes ? AREA / kind->bytes : 1;
	/* Odd, hence each slot once in as many steps as there are slots, which are a power of two. */
	uint64_t stride = 0x9e3779b1;
	int failed = 0;
	uint64_t start = __rdtsc();

	for (int i = 0; i < kind->calls; i++)
		failed |= issue(kind, area + (off_t)((step++ * stride % slots) * kind->bytes));

	uint64_t took = __rdtsc() - start;

	if (failed)
		err(1, "%s of %zu bytes", kind->call, kind->bytes);
	return took;
}

static int ascending(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

static uint64_t median(uint64_t *values, int count)
{
	qsort(values, count, sizeof(*values), ascending);
	return values[count / 2];
}

static void measure(const struct kind *kind)
{
	static uint64_t ticks[MOST_BATCHES], idle[MOST_BATCHES];

	for (int i = 0; i < kind->batches; i++)
		idle[i] = batch(kind, issue_nothing);
	/* Warm: what is allocated or looked up at the first use only. */
	for (int i = 0; i < (kind->batches + 9) / 10; i++)
		batch(kind, kind->issue);
	for (int i = 0; i < kind->batches; i++)
		ticks[i] = batch(kind, kind->issue);

	printf("{\"call\": \"%s\", \"bytes\": %zu, \"buffer\": \"%s\", \"calls\": %d, \"loop\": %" PRIu64 ", \"batches\": [",
	       kind->call, kind->bytes, kind->buffer, kind->calls, median(idle, kind->batches));
	for (int i = 0; i < kind->batches; i++)
		printf("%s%" PRIu64, i ? ", " : "", ticks[i]);
	printf("]}\n");
}

/* A loop of a known number of instructions must take as many ticks. */
static void check_clock(void)
{
	const uint64_t turns = 500000;
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 9; i++) {
		uint64_t left = turns, start = __rdtsc();

		asm volatile("1: dec %0; jnz 1b" : "+r"(left) : : "cc");
		uint64_t took = __rdtsc() - start;

		best = took < best ? took : best;
	}
	if (best < 2 * turns || best > 2 * turns + 100)
		errx(1, "%" PRIu64 " instructions took %" PRIu64 " ticks of the time stamp counter: it does not count instructions here; run the guest with --icount",
		     2 * turns, best);
}

static char *map(size_t size, int flags)
{
	char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (memory == MAP_FAILED)
		err(1, "mmap of %zu bytes%s", size, flags ? " of huge pages (vm.nr_hugepages)" : "");
	return memory;
}

static void make_buffers(void)
{
	contiguous = map(2 * MIB, MAP_HUGETLB);
	memset(contiguous, 0xa5, BUFFER);

	/* Pages that are allocated one after another are often neighbours: they change places. */
	char *source = map(BUFFER, 0);

	scattered = map(BUFFER, 0);
	if (madvise(source, BUFFER, MADV_NOHUGEPAGE))
		err(1, "MADV_NOHUGEPAGE");
	memset(source, 0x5a, BUFFER);
	for (size_t i = 0; i < BUFFER / PAGE; i++) {
		size_t from = i * 101 % (BUFFER / PAGE);

		if (mremap(source + from * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, scattered + i * PAGE) == MAP_FAILED)
			err(1, "mremap");
	}
}

/* Allocates what the device allocates at the first write: all pages of the area, and the last of the
 * device, so that brd's tree of pages is as high as the device asks for. */
static void touch(off_t size)
{
	for (off_t offset = 0; offset < (off_t)AREA; offset += BUFFER)
		if (pwrite(device, contiguous, BUFFER, area + offset) != (ssize_t)BUFFER)
			err(1, "first write");
	if (pwrite(device, contiguous, PAGE, size - PAGE) != (ssize_t)PAGE)
		err(1, "write to the last page");
}

static void expect(char *memory, char byte, const char *what)
{
	char *end = memory + BUFFER;

	memset(memory, ~byte, BUFFER);
	if (pread(device, memory, BUFFER, area + 7 * BUFFER) != (ssize_t)BUFFER)
		err(1, "read back");
	while (memory < end)
		if (*memory++ != byte)
			errx(1, "%s did not come back", what);
}

/* A fast call that does nothing is no result. */
static void check_data(void)
{
	uint64_t range[2] = { area, AREA };

	memset(contiguous, 0x3c, BUFFER);
	if (pwrite(device, contiguous, BUFFER, area + 7 * BUFFER) != (ssize_t)BUFFER)
		err(1, "write");
	expect(contiguous, 0x3c, "contiguous data");
	memset(scattered, 0x69, BUFFER);
	if (pwrite(device, scattered, BUFFER, area + 7 * BUFFER) != (ssize_t)BUFFER)
		err(1, "write");
	expect(scattered, 0x69, "scattered data");
	if (ioctl(device, BLKZEROOUT, range))
		err(1, "BLKZEROOUT");
	expect(contiguous, 0, "zeroes");
}

int main(int argc, char **argv)
{
	uint64_t size;
	char *rest;

	if (argc != 3 || (area = strtoll(argv[2], &rest, 0), *rest) || area < 0 || area % MIB)
		errx(2, "usage: calls DEVICE START, where START is a multiple of 1 MiB");
	/*
	 * O_NOATIME, as fio has it: whether the node's times are due for an update depends on when it was
	 * made, and is worth seven instructions.
	 */
	device = open(argv[1], O_RDWR | O_DIRECT | O_EXCL | O_NOATIME);
	if (device < 0)
		err(1, "%s", argv[1]);
	if (ioctl(device, BLKGETSIZE64, &size))
		err(1, "BLKGETSIZE64");
	if ((uint64_t)area + AREA > size)
		errx(2, "%s has %" PRIu64 " bytes, too few for %lu from %jd on", argv[1], size, AREA, (intmax_t)area);

	check_clock();
	make_buffers();
	touch(size);
	check_data();
	for (size_t i = 0; i < KINDS; i++)
		measure(&kinds[i]);
	check_data();
	return 0;
}
