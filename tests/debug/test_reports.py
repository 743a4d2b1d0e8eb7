# SPDX-License-Identifier: GPL-2.0
"""That the kernel reports, and that a report fails a test: each of these does what it should not. In C by
modules that the kernel has for that, in Rust by rpmem_misbehave, which is built as the driver is."""

import re

from harness import check, runner, shell, watch
from harness.cases import Case, case

LKDTM = "/sys/kernel/debug/provoke-crash/DIRECT"
MISBEHAVE = "/sys/kernel/debug/rpmem_misbehave/provoke"


def in_c(what):
    """Has lkdtm do something, in a process of its own: some of it ends the process."""
    shell.run("modprobe", "lkdtm")
    shell.attempt("sh", "-c", f"echo {what} > {LKDTM}")


def in_rust(what):
    """As `in_c`, by rust/misbehave."""
    shell.run("modprobe", "rpmem_misbehave")
    done = shell.attempt("sh", "-c", f"echo {what} > {MISBEHAVE}")
    check.true("write error" not in done.stderr, f"rpmem_misbehave does not know '{what}'")


def fails_with(pattern, function, *arguments):
    """A test that does this must fail, and because of this message."""
    outcome = run(lambda _: function(*arguments))
    what = " ".join((function.__name__, *arguments))
    check.true(outcome.reason is not None, f"{what}: passed")
    check.true("unexpected kernel message" in outcome.reason, f"{what}: {outcome.reason}")
    check.true(re.search(pattern, outcome.details) is not None, f"{what}: did not bring /{pattern}/: {outcome.reason}")


def run(function):
    return runner.run(Case("inner", "reports", function, None, None, 1200))


def allow_all(t):
    t.allow_log("")


# In this order: lockdep says one thing and is off then, and it is off after any report of KASAN's too.


@case(guests=("reports",), loaded=False)
def lost_memory(t):
    """kmemleak, by the case that ends every guest."""
    allow_all(t)
    check.equal(run(watch.nothing_is_lost).reason, None, "the outcome before anything is lost")
    in_rust("leak")
    outcome = run(watch.nothing_is_lost)
    check.true("Leaked: " in (outcome.reason or "passed"), f"lost memory: {outcome.reason}")
    check.true("[rpmem_misbehave]" in outcome.details, "who has lost memory is not named")
    watch.forget()


@case(guests=("reports",), loaded=False)
def locks_in_the_wrong_order(t):
    """lockdep. It says so once and is off then, and a guest in which it is off fails."""
    allow_all(t)
    fails_with("possible circular locking dependency detected", in_rust, "lock-order")
    outcome = run(watch.lockdep_is_on)
    check.true("whether lockdep" in (outcome.reason or "passed"), f"lockdep is off: {outcome.reason}")


@case(guests=("reports",), loaded=False)
def sleeping_where_it_is_forbidden(t):
    """DEBUG_ATOMIC_SLEEP."""
    allow_all(t)
    fails_with("BUG: sleeping function called from invalid context", in_rust, "sleep-under-spinlock")


@case(guests=("reports",), loaded=False)
def beyond_and_after_an_object(t):
    """KASAN, with slabs and with vmalloc; more than once."""
    allow_all(t)
    for _ in range(2):
        fails_with("BUG: KASAN: slab-out-of-bounds", in_c, "SLAB_LINEAR_OVERFLOW")
        fails_with("BUG: KASAN: slab-out-of-bounds", in_rust, "store-beyond-slab")
    for act, what in ((in_c, "VMALLOC_LINEAR_OVERFLOW"), (in_rust, "store-beyond-vmalloc")):
        fails_with("BUG: KASAN: vmalloc-out-of-bounds", act, what)
    for act, what in ((in_c, "READ_AFTER_FREE"), (in_rust, "store-after-free")):
        fails_with("BUG: KASAN: slab-use-after-free", act, what)


@case(guests=("reports",), loaded=False)
def undefined_behaviour(t):
    """UBSAN, which is for C only."""
    allow_all(t)
    fails_with("UBSAN: ", shell.attempt, "modprobe", "test_ubsan")


@case(guests=("reports",), loaded=False)
def corrupted_lists(t):
    """DEBUG_LIST."""
    allow_all(t)
    fails_with("list_add corruption", in_c, "CORRUPT_LIST_ADD")


@case(guests=("reports",), loaded=False)
def warnings(t):
    """WARN_ON."""
    allow_all(t)
    fails_with("WARNING: ", in_c, "WARNING")


@case(guests=("reports",), loaded=False)
def panics_of_rust(t):
    """RUST_OVERFLOW_CHECKS and RUST_DEBUG_ASSERTIONS."""
    allow_all(t)
    fails_with("attempt to add with overflow", in_rust, "overflow")
    fails_with("what does not hold", in_rust, "assertion")
