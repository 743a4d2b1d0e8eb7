# SPDX-License-Identifier: GPL-2.0
#
# What people call. How the modules are made is in Kbuild, which the kernel's build system reads; see
# `make help` for the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := all

# An empty one in the environment would count as given.
ifdef KDIR
export KDIR
endif

.PHONY: all
all: modules tools ## what make install installs: the modules and the tools

.PHONY: modules
modules: ## build the modules; KDIR=DIR: for another kernel than the provisioned one
	@scripts/kbuild modules

.PHONY: modules-list
modules-list:
	@find "$$(scripts/kbuild --print-build)" -maxdepth 1 -name '*.ko'

.PHONY: tools
tools: ## build the programs of tools/, with manual pages and shell completions; ARCH=arm64: for that, into build/tools-arm64
	@scripts/tools $(if $(filter arm64,$(ARCH)),--arch arm64)

.PHONY: install
install: ## install modules, programs, modprobe.d and udev files, none of them in /etc; DESTDIR=DIR: below that folder
	@scripts/install

.PHONY: uninstall
uninstall: ## remove what make install has installed; DESTDIR=DIR: below that folder
	@scripts/install --uninstall

.PHONY: deb
deb: ## build the Debian packages rpmem-dkms and rpmem-tools into build/deb, and run lintian on them
	@env -u KDIR scripts/make-deb

.PHONY: check
check: ## formats, lints, warnings, documentation
	@scripts/check

.PHONY: bench
bench: ## instructions per call on rpmem, nd_pmem and brd; see bench/README.md
	@bench/run

.PHONY: bench-namespaces
bench-namespaces: modules ## instructions per call on an fsdax namespace, nd_rpmem beside nd_pmem
	@bench/run-namespaces

.PHONY: bench-fs
bench-fs: ## what operations of rdaxfs cost, on the host and beside ext4, xfs and tmpfs in a guest, and their limits
	@status=0; bench/run-fs || status=$$?; bench/fs/run || status=$$?; exit $$status

.PHONY: bench-fs-processes
bench-fs-processes: ## what two processes do at once on rdaxfs, ext4, xfs and tmpfs, to what one does
	@bench/fs/run --processes

.PHONY: bench-fs-entries
bench-fs-entries: ## as bench-fs in a guest, in a directory with ENTRIES=1000000 files; hours
	@bench/fs/run --entries $(or $(ENTRIES),1000000)

.PHONY: bench-programs
bench-programs: ## SQLite, LMDB, git, tar and RocksDB on rdaxfs, ext4, xfs and tmpfs in a guest
	@bench/programs/run

.PHONY: bench-microvm
bench-microvm: ## machines that boot from one shared root on persistent memory: faults, instructions, memory
	@bench/microvm/run

.PHONY: test
test: ## all tests: the host's, KUnit's and those in guests; T=PATTERN: those with such a name; ARCH=arm64: all on arm64
	@env -u KDIR scripts/test $(if $(filter arm64,$(ARCH)),--arch arm64) -- "$(T)"

.PHONY: test-host
test-host: ## the tests that need no guest
	@env -u KDIR scripts/test --host -- "$(T)"

.PHONY: test-vm
test-vm: ## the tests in guests
	@env -u KDIR scripts/test --vm -- "$(T)"

.PHONY: test-debug
test-debug: ## the tests in guests on a kernel with KASAN, lockdep, …; T= as above, FULL=1: every fault
	@env -u KDIR scripts/test --debug $(if $(FULL),--full) -- "$(T)"

.PHONY: test-kunit
test-kunit: ## the KUnit suites, by the kernel's kunit.py
	@env -u KDIR scripts/test --kunit -- "$(T)"

.PHONY: test-crash
test-crash: ## every crash of rdaxfs within wider bounds, with the counts of states; SEED=N for other lots
	@RPMEM_CRASH=long RPMEM_CRASH_SEED=$(or $(SEED),1) scripts/cargo test --locked -p rdaxfs_crash --test rdaxfs -- --nocapture
	@$(MAKE) crashcheck ARGS='--workloads pairs --seed $(or $(SEED),1) --out build/crashcheck/pairs'
	@$(MAKE) crashcheck-plants

.PHONY: crashcheck
crashcheck: modules tools ## every state that a crash may leave, of a traced machine; ARGS='--subject ext4 …', see crashcheck/README.md
	@scripts/crashcheck-programs
	@build/crashcheck/crashcheck $(ARGS)

.PHONY: crashcheck-plants
crashcheck-plants: modules tools ## bugs planted in a copy of the sources, which crashcheck must find; PLANTS='NAME …': not all
	@scripts/crashcheck-programs
	@crashcheck/plants/run $(PLANTS)

.PHONY: test-kill
test-kill: modules tools ## rdaxfs after SIGKILL to the machine, ROUNDS=100 times; SEED=N for another load; DRIVER=nd_rpmem: namespaces, as disks and with ext4, too
	@tests/kill/rounds --driver $(or $(DRIVER),rpmem) $(or $(ROUNDS),100) $(SEED)

.PHONY: test-pmdk
test-pmdk: ## what programs that use PMDK find on a namespace; fetches pmdk-tools
	@scripts/test --vm ^pmdk/

.PHONY: test-nfit
test-nfit: modules tools ## nd_rpmem on the kernel's test bench for NVDIMMs, tools/testing/nvdimm, with its error injection
	@scripts/make-nfit-test
	@scripts/test --vm ^nfit/

.PHONY: test-unbind
test-unbind: modules tools ## namespaces taken away under I/O, mappings, dm and file systems, ROUNDS=20 times each
	@RPMEM_ROUNDS=$(or $(ROUNDS),20) scripts/test --vm nd_removal/

.PHONY: test-kexec
test-kexec: modules tools ## rdaxfs after one kernel has started the next under load, ROUNDS=20 times; SEED=N for another load
	@tests/kill/kexec $(or $(ROUNDS),20) $(SEED)

.PHONY: test-packages
test-packages: deb ## the Debian packages in a clean root, for the last kernels 7.2 and 7.3 of the archive; T=PATTERN: those releases, T=.: all
	@env -u KDIR scripts/test-packages "$(T)"

.PHONY: miri
miri: ## readers beside writers in Miri, SEEDS=N ways; needs a nightly toolchain that has it
	@scripts/miri $(SEEDS)

.PHONY: fuzz
fuzz: ## fuzz all that reads a user's text or a volume, SECONDS=N for each target
	@scripts/fuzz $(SECONDS)

.PHONY: clean
clean: ## remove what was built here (the cache stays: scripts/provision --purge)
	@rm -rf build target

.PHONY: help
help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' Makefile | expand -t 20
