# SPDX-License-Identifier: GPL-2.0
"""What a user of LMDB does, transaction by transaction, and what the database is then.

With MDB_NOSYNC, so that LMDB calls no fsync and no msync: what a transaction has written is where it is when the commit
returns, and the meta page was written after it, or nothing holds.  As in model.py, which transaction comes next
follows from the seed and from what there is."""

import random
import subprocess

import lmdb

from replay import Replayed

KEYS = 200
MAP = 16 << 20
# Values in the leaf, and those that have pages of their own.
LENGTHS = (3, 40, 500, 1500, 3000, 9000)


class Database(Replayed):
    """A database after `done` transactions of the user with that seed; by stores into a mapping (MDB_WRITEMAP) or
    by pwrite."""

    def __init__(self, seed, by_stores):
        super().__init__(seed)
        self.by_stores = by_stores
        self.pairs = {}
        self._environment = None

    def make(self, root):
        """An empty one in the directory `root`."""
        self._open(root).close()

    def anew(self):
        return Database(self.seed, self.by_stores)

    def step(self, root):
        """The next transaction, in the model and, if there is one, in the database in `root`."""
        chance = random.Random(f"{self.seed} {self.done}")
        removed = [key for key in sorted(self.pairs) if chance.random() < chance.choice((0.01, 0.01, 0.01, 0.3))]
        put = {b"%d" % chance.randrange(KEYS): chance.randbytes(1) * chance.choice(LENGTHS) for _ in range(chance.randrange(8))}
        # None is without a change, so that LMDB counts it.
        put[b"done"] = b"%d" % (self.done + 1)
        for key in removed:
            del self.pairs[key]
        self.pairs.update(put)
        if root:
            # Open until the process ends: a child has one of its own.
            self._environment = self._environment or self._open(root)
            with self._environment.begin(write=True) as transaction:
                for key in removed:
                    transaction.delete(key)
                for key, value in put.items():
                    transaction.put(key, value)
        self.done += 1

    def complete(self, _root):
        """Whether the last transaction was there in part, which is as it must not be."""
        return False

    def difference(self, root):
        """What in the database is not as it must be; an empty text if all is."""
        try:
            with self._open(root) as environment, environment.begin() as transaction:
                here = list(transaction.cursor())
        except lmdb.Error as error:
            return f"LMDB: {error}"
        if here != sorted(self.pairs.items()):
            other = {key for key, _ in set(here) ^ set(self.pairs.items())}
            return f"{len(here)} pairs, not {len(self.pairs)}; others are {sorted(other)}"
        return self._damage(root)

    def _damage(self, root):
        """Whether the environment's pages are used once each, by one of the trees or as free ones."""
        done = subprocess.run(("mdb_stat", "-e", "-f", root), capture_output=True, text=True, check=False)
        if done.returncode:
            return f"mdb_stat: {done.stderr}"
        numbers = [line.split(": ") for line in done.stdout.splitlines() if ": " in line]
        of = lambda what: sum(int(number) for name, number in numbers if name.strip() == what)  # noqa: E731
        used = sum(map(of, ("Branch pages", "Leaf pages", "Overflow pages", "Free pages")))
        # The meta pages are in no tree.
        if of("Number of pages used") != used + 2:
            return f"{of('Number of pages used')} pages, of which trees and the list of free pages have {used}"
        if of("Last transaction ID") != self.done:
            return f"the last transaction is {of('Last transaction ID')}"
        return ""

    def _open(self, root):
        return lmdb.open(root, map_size=MAP, sync=False, writemap=self.by_stores)
