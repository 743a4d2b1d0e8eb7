# SPDX-License-Identifier: GPL-2.0
"""What follows from a seed, operation by operation, so that it can be done again."""


class Replayed:
    """After `done` operations of the user with that seed."""

    def __init__(self, seed):
        self.seed = seed
        self.done = 0

    def anew(self):
        """The same before its first operation."""
        return type(self)(self.seed)

    def copy_at(self, done):
        """The state after that many operations."""
        other = self.anew()
        while other.done < done:
            other.step(None)
        return other
