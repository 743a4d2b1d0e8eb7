# SPDX-License-Identifier: GPL-2.0
"""That the kernel reports, and that a report fails a test: each of these does what it should not, by
modules that the kernel has for that."""

import re

from harness import check, runner, shell, watch
from harness.cases import Case, case

LKDTM = "/sys/kernel/debug/provoke-crash/DIRECT"


def provoke(what):
    """Has lkdtm do something, in a process of its own: some of it ends the process."""
    shell.run("modprobe", "lkdtm")
    shell.attempt("sh", "-c", f"echo {what} > {LKDTM}")


def lock_up(*parameters):
    """Has test_lockup take locks; it never stays loaded."""
    shell.attempt("modprobe", "test_lockup", *parameters)


def address_of(symbol):
    found = re.search(rf"^([0-9a-f]+) \w {symbol}$", shell.read_text("/proc/kallsyms"), re.M)
    check.true(found is not None, f"/proc/kallsyms has no {symbol}")
    return f"0x{found[1]}"


def fails_with(function, pattern):
    """A test that does this must fail, and because of this message."""
    outcome = runner.run(Case("inner", "reports", function, None, None, 120))
    check.true(outcome.reason is not None, f"{function.__name__} passed")
    check.true("unexpected kernel message" in outcome.reason, f"{function.__name__}: {outcome.reason}")
    check.true(re.search(pattern, outcome.details) is not None, f"{function.__name__} did not bring /{pattern}/: {outcome.reason}")


def allow_all(t):
    t.allow_log("")


@case(guests=("reports",), loaded=False)
def beyond_and_after_an_object(t):
    """KASAN, with slabs and with vmalloc; more than once."""
    allow_all(t)
    for _ in range(2):
        fails_with(lambda _: provoke("SLAB_LINEAR_OVERFLOW"), "BUG: KASAN: slab-out-of-bounds")
    fails_with(lambda _: provoke("VMALLOC_LINEAR_OVERFLOW"), "BUG: KASAN: vmalloc-out-of-bounds")
    fails_with(lambda _: provoke("READ_AFTER_FREE"), "BUG: KASAN: slab-use-after-free")


@case(guests=("reports",), loaded=False)
def undefined_behaviour(t):
    """UBSAN."""
    allow_all(t)
    fails_with(lambda _: shell.attempt("modprobe", "test_ubsan"), "UBSAN: ")


@case(guests=("reports",), loaded=False)
def sleeping_where_it_is_forbidden(t):
    """DEBUG_ATOMIC_SLEEP."""
    allow_all(t)
    fails_with(
        lambda _: lock_up("disable_preempt=1", "alloc_pages_nr=1"),
        "BUG: sleeping function called from invalid context",
    )


@case(guests=("reports",), loaded=False)
def corrupted_lists(t):
    """DEBUG_LIST."""
    allow_all(t)
    fails_with(lambda _: provoke("CORRUPT_LIST_ADD"), "list_add corruption")


@case(guests=("reports",), loaded=False)
def warnings(t):
    """WARN_ON."""
    allow_all(t)
    fails_with(lambda _: provoke("WARNING"), "WARNING: ")


@case(guests=("reports",), loaded=False)
def lost_memory(t):
    """kmemleak, by the case that ends every guest."""
    allow_all(t)
    outcome = runner.run(Case("inner", "reports", watch.nothing_is_lost, None, None, 1200))
    check.equal(outcome.reason, None, "the outcome before anything is lost")
    shell.run("modprobe", "kmemleak-test")
    shell.run("modprobe", "-r", "kmemleak-test")
    outcome = runner.run(Case("inner", "reports", watch.nothing_is_lost, None, None, 1200))
    check.true("Leaked: " in (outcome.reason or "passed"), f"lost memory: {outcome.reason}")
    check.true("kmemleak_test" in outcome.details, "the module that lost it is not named")
    watch.begin()


@case(guests=("reports",), loaded=False, last=True)
def locks_in_the_wrong_order(t):
    """lockdep. The network takes pernet_ops_rwsem and then rtnl_mutex; here it is the other way round."""
    allow_all(t)
    shell.run("unshare", "--net", "true")
    locks = (f"lock_mutex_ptr={address_of('rtnl_mutex')}", f"lock_rwsem_ptr={address_of('pernet_ops_rwsem')}")
    fails_with(lambda _: lock_up(*locks), "possible circular locking dependency detected")
    # It says so once and is off then; a guest in which it is off fails.
    outcome = runner.run(Case("inner", "reports", watch.nothing_is_lost, None, None, 1200))
    check.true("lockdep" in (outcome.reason or "passed"), f"lockdep is off: {outcome.reason}")
