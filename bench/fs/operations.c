// SPDX-License-Identifier: GPL-2.0
/*
 * Counts the guest's instructions per operation on a mounted file system.
 *
 *	operations DIRECTORY [ENTRIES]
 *
 * works in new directories below DIRECTORY, of which the one for operations on names gets ENTRIES files
 * (2000) first, and prints a line of JSON for each kind of operation. It needs a guest whose time stamp
 * counter counts instructions (QEMU's -icount shift=0), as ../calls.c does.
 *
 *	operations --processes N DIRECTORY
 *
 * has N processes do some of them at once, each on a processor and in a directory of its own, and prints how many
 * there were in a second of the guest's clock.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#define PAGE 4096UL
#define MIB (1024UL * 1024)
/* An operation changes what the next one meets, so that batches differ; the least is of a batch in which
 * no timer fired. */
#define BATCHES 40
#define CALLS 50
#define TOTAL (BATCHES * CALLS)
#define LARGE_FILE (64 * MIB)

static char page[PAGE];
static int files[TOTAL];
static uint64_t loop_cost;

typedef int (*operation)(int number);

/* Names are made before anything is counted. */
enum kind { FILE_NAME, MOVED, LINK, SYMLINK, DIRECTORY, KINDS };
static char names[KINDS][TOTAL][20];

static void make_names(void)
{
	static const char *const prefixes[KINDS] = { "file", "moved", "link", "symlink", "directory" };

	for (int kind = 0; kind < KINDS; kind++)
		for (int i = 0; i < TOTAL; i++)
			snprintf(names[kind][i], sizeof(names[kind][i]), "%s-%07d", prefixes[kind], i);
}

static const char *name(enum kind kind, int number)
{
	return names[kind][number];
}

static int nothing(int number)
{
	return number < 0;
}

static int ascending(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

/* Per operation: the least and the median of the batches, without the loop. */
static void report(const char *what, uint64_t *batches, int count, int calls)
{
	qsort(batches, count, sizeof(*batches), ascending);
	printf("{\"operation\": \"%s\", \"least\": %.1f, \"median\": %.1f}\n", what,
	       (double)(batches[0] - loop_cost * calls) / calls, (double)(batches[count / 2] - loop_cost * calls) / calls);
	fflush(stdout);
}

static uint64_t batch(operation issue, int first, int calls, const char *what)
{
	int failed = 0;
	uint64_t start = __rdtsc();

	for (int i = 0; i < calls; i++)
		failed |= issue(first + i);

	uint64_t took = __rdtsc() - start;

	if (failed)
		err(1, "%s", what);
	return took;
}

static void measure(const char *what, operation issue)
{
	uint64_t ticks[BATCHES];

	for (int i = 0; i < BATCHES; i++)
		ticks[i] = batch(issue, i * CALLS, CALLS, what);
	report(what, ticks, BATCHES, CALLS);
}

static int create(int number)
{
	int fd = open(name(FILE_NAME, number), O_CREAT | O_EXCL | O_RDWR, 0644);

	return fd < 0 || close(fd);
}

static int append_fsync(int number)
{
	return write(files[0], page, PAGE) != (ssize_t)PAGE || (fsync(files[0]), number < 0);
}

static int write_new(int number)
{
	return pwrite(files[number], page, PAGE, 0) != (ssize_t)PAGE;
}

static int overwrite_page(int number)
{
	return pwrite(files[number], page, PAGE, 0) != (ssize_t)PAGE;
}

static int overwrite_line(int number)
{
	return pwrite(files[number], page, 64, 128) != 64;
}

static int read_page(int number)
{
	return pread(files[number], page, PAGE, 0) != (ssize_t)PAGE;
}

static int read_line(int number)
{
	return pread(files[number], page, 64, 128) != 64;
}

static int truncate_page(int number)
{
	return ftruncate(files[number], 0);
}

static int rename_file(int number)
{
	return rename(name(FILE_NAME, number), name(MOVED, number));
}

static int link_file(int number)
{
	return link(name(MOVED, number), name(LINK, number));
}

static int symlink_file(int number)
{
	return symlink("a-target-of-thirty-two-characters", name(SYMLINK, number));
}

static int unlink_three(int number)
{
	return unlink(name(MOVED, number)) || unlink(name(LINK, number)) || unlink(name(SYMLINK, number));
}

static int make_directory(int number)
{
	return mkdir(name(DIRECTORY, number), 0755);
}

static int remove_directory(int number)
{
	return rmdir(name(DIRECTORY, number));
}

static int stat_file(int number)
{
	struct stat found;

	return stat(name(FILE_NAME, number), &found);
}

static volatile char *mapped;

static int read_fault(int number)
{
	return mapped[number * PAGE] == 1;
}

static int write_fault(int number)
{
	mapped[number * PAGE] = 2;
	return 0;
}

static void enter(const char *directory)
{
	if (mkdir(directory, 0755) || chdir(directory))
		err(1, "%s", directory);
}

static void open_files(void)
{
	struct rlimit limit = { TOTAL + 64, TOTAL + 64 };

	if (setrlimit(RLIMIT_NOFILE, &limit))
		err(1, "setrlimit");
	for (int i = 0; i < TOTAL; i++)
		if ((files[i] = open(name(FILE_NAME, i), O_RDWR | O_CREAT, 0644)) < 0)
			err(1, "open");
}

static void close_files(void)
{
	for (int i = 0; i < TOTAL; i++)
		close(files[i]);
}

static void measure_names(int entries)
{
	enter("names");
	for (int i = 0; i < entries; i++) {
		char entry[20];

		snprintf(entry, sizeof(entry), "entry-%08d", i);
		if (mknod(entry, S_IFREG | 0644, 0))
			err(1, "%s", entry);
	}
	measure("create", create);
	measure("stat", stat_file);
	measure("rename", rename_file);
	measure("link", link_file);
	measure("symlink", symlink_file);

	uint64_t ticks[BATCHES];
	long seen = 0;

	for (int i = 0; i < 5; i++) {
		DIR *directory = opendir(".");
		uint64_t start = __rdtsc();

		seen = 0;
		while (readdir(directory))
			seen++;
		ticks[i] = __rdtsc() - start;
		closedir(directory);
	}
	report("readdir, an entry", ticks, 5, seen);
	measure("three unlinks", unlink_three);
	measure("mkdir", make_directory);
	measure("rmdir", remove_directory);
	if (chdir(".."))
		err(1, "..");
}

static void measure_data(void)
{
	enter("data");
	open_files();
	measure("write 4 KiB, new block", write_new);
	measure("overwrite 4 KiB", overwrite_page);
	measure("overwrite 64 B", overwrite_line);
	measure("read 4 KiB", read_page);
	measure("read 64 B", read_line);
	measure("truncate away one block", truncate_page);
	measure("append 4 KiB + fsync", append_fsync);
	close_files();
	if (chdir(".."))
		err(1, "..");
}

static void map_file(const char *path, int flags, const char *what)
{
	int fd = open(path, O_RDWR | O_CREAT, 0644);

	/* Each page written: what is counted is the fault. */
	for (int i = 0; i < TOTAL; i++)
		if (pwrite(fd, page, PAGE, i * PAGE) != (ssize_t)PAGE)
			err(1, "%s", path);
	mapped = mmap(NULL, TOTAL * PAGE, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (mapped == MAP_FAILED)
		printf("{\"operation\": \"%s\", \"refused\": \"%s\"}\n", what, strerror(errno));
	else if (madvise((void *)mapped, TOTAL * PAGE, MADV_NOHUGEPAGE))
		err(1, "madvise");
	close(fd);
}

static void measure_faults(void)
{
	struct rusage before, after;
	int fd;

	enter("faults");
	map_file("pages", MAP_SHARED, "read fault, 4 KiB page");
	measure("read fault, 4 KiB page", read_fault);
	measure("write fault after a read fault", write_fault);
	munmap((void *)mapped, TOTAL * PAGE);
	map_file("synchronous", MAP_SHARED_VALIDATE | MAP_SYNC, "MAP_SYNC write fault");
	if (mapped != MAP_FAILED)
		measure("MAP_SYNC write fault", write_fault);

	fd = open("large", O_RDWR | O_CREAT, 0644);
	if (ftruncate(fd, LARGE_FILE))
		err(1, "large");
	mapped = mmap(NULL, LARGE_FILE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED)
		err(1, "mmap");
	getrusage(RUSAGE_SELF, &before);
	for (size_t at = 0; at < LARGE_FILE; at += PAGE)
		mapped[at] = 3;
	getrusage(RUSAGE_SELF, &after);
	printf("{\"operation\": \"faults to touch a 64 MiB file\", \"least\": %ld, \"median\": %ld}\n",
	       after.ru_minflt - before.ru_minflt + after.ru_majflt - before.ru_majflt,
	       after.ru_minflt - before.ru_minflt + after.ru_majflt - before.ru_majflt);
	close(fd);
}

#define PROCESSES 8

/* What processes do at once, one after the other. */
static const struct {
	const char *what;
	operation issue;
	/* On open files. */
	bool data;
} together[] = {
	{ "create", create, false },
	{ "stat", stat_file, false },
	{ "rename", rename_file, false },
	{ "link", link_file, false },
	{ "symlink", symlink_file, false },
	{ "three unlinks", unlink_three, false },
	{ "mkdir", make_directory, false },
	{ "rmdir", remove_directory, false },
	{ "write 4 KiB, new block", write_new, true },
	{ "overwrite 4 KiB", overwrite_page, true },
	{ "read 4 KiB", read_page, true },
	{ "append 4 KiB + fsync", append_fsync, true },
};
#define STEPS (sizeof(together) / sizeof(*together))

/* What the processes share. */
struct board {
	atomic_int arrived[STEPS];
	double seconds[STEPS][PROCESSES];
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void work(struct board *board, int process, int processes)
{
	char directory[20];
	cpu_set_t processor;
	bool open = false;

	CPU_ZERO(&processor);
	CPU_SET(process, &processor);
	if (sched_setaffinity(0, sizeof(processor), &processor))
		err(1, "processor %d", process);
	snprintf(directory, sizeof(directory), "process-%d", process);
	enter(directory);
	for (size_t step = 0; step < STEPS; step++) {
		double start;

		if (together[step].data && !open)
			open_files();
		open |= together[step].data;
		atomic_fetch_add(&board->arrived[step], 1);
		while (atomic_load(&board->arrived[step]) < processes)
			sched_yield();
		start = now();
		for (int i = 0; i < TOTAL; i++)
			if (together[step].issue(i))
				err(1, "%s", together[step].what);
		board->seconds[step][process] = now() - start;
	}
	exit(0);
}

static void measure_processes(int processes)
{
	struct board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;

	if (board == MAP_FAILED)
		err(1, "mmap");
	for (int process = 0; process < processes; process++) {
		pid_t child = fork();

		if (child < 0)
			err(1, "fork");
		if (!child)
			work(board, process, processes);
	}
	for (int process = 0; process < processes; process++)
		if (wait(&status) < 0 || status)
			errx(1, "a process has failed");
	for (size_t step = 0; step < STEPS; step++) {
		double rate = 0;

		for (int process = 0; process < processes; process++)
			rate += TOTAL / board->seconds[step][process];
		printf("{\"operation\": \"%s\", \"processes\": %d, \"rate\": %.0f}\n", together[step].what, processes, rate);
	}
}

int main(int argc, char **argv)
{
	int entries = argc > 2 ? atoi(argv[2]) : 2000;
	uint64_t idle[BATCHES];

	if (argc == 4 && !strcmp(argv[1], "--processes")) {
		int processes = atoi(argv[2]);

		if (processes < 1 || processes > PROCESSES)
			errx(2, "--processes: from 1 to %d", PROCESSES);
		if (chdir(argv[3]))
			err(1, "%s", argv[3]);
		make_names();
		measure_processes(processes);
		return 0;
	}
	if (argc < 2 || argc > 3 || entries < 0)
		errx(2, "usage: operations [--processes N] DIRECTORY [ENTRIES]");
	if (chdir(argv[1]))
		err(1, "%s", argv[1]);
	for (int i = 0; i < BATCHES; i++)
		idle[i] = batch(nothing, 0, CALLS, "nothing");
	qsort(idle, BATCHES, sizeof(*idle), ascending);
	loop_cost = idle[0] / CALLS;
	memset(page, 'p', PAGE);
	make_names();
	measure_names(entries);
	measure_data();
	measure_faults();
	return 0;
}
