# SPDX-License-Identifier: GPL-2.0
"""Databases in a guest: commits records, and says which ones there are.

A line of standard input is `commit PATH NUMBER`, `records PATH` or `close`; each has one line for an answer, which
begins with `ok` or `bad`.  The name's ending says what it is: `.wal.sqlite`, `.sqlite`, `.lmdb`.
"""

import os
import sqlite3
import sys

MAP = 8 << 20


def value(number):
    """No two records have the same, and it takes more than a page of the database to have a few."""
    return (f"{number} " * 700)[:1500]


class Sqlite:
    """With its journal, or its write-ahead log, and each commit durable: so SQLite's documentation says."""

    def __init__(self, path):
        self.connection = sqlite3.connect(path, isolation_level=None)
        mode = "wal" if path.endswith(".wal.sqlite") else "delete"
        # Only who commits chooses: reading must take what is there.
        if os.path.getsize(path) == 0:
            self.connection.execute(f"pragma journal_mode={mode}")
            self.connection.execute("pragma synchronous=full")
            self.connection.execute("create table records (number integer primary key, value text)")
        self.connection.execute("pragma synchronous=full")

    def commit(self, number):
        self.connection.execute("begin immediate")
        self.connection.execute("insert into records values (?, ?)", (number, value(number)))
        self.connection.execute("commit")

    def records(self):
        said = self.connection.execute("pragma integrity_check").fetchall()
        if said != [("ok",)]:
            raise ValueError(f"integrity_check: {said}")
        return self.connection.execute("select number, value from records order by number").fetchall()

    def close(self):
        self.connection.close()


class Lmdb:
    """Without a sync at its commits: the file system makes each write durable, or a crash takes them."""

    def __init__(self, path):
        import lmdb  # a package that not every guest has
        self.environment = lmdb.open(path, map_size=MAP, subdir=False, sync=False)

    def commit(self, number):
        with self.environment.begin(write=True) as transaction:
            transaction.put(b"%08d" % number, value(number).encode())

    def records(self):
        with self.environment.begin() as transaction:
            return [(int(key), text.decode()) for key, text in transaction.cursor()]

    def close(self):
        self.environment.close()


def answer(databases, words):
    command, *rest = words
    if command == "close":
        for database in databases.values():
            database.close()
        databases.clear()
        return ""
    path = rest[0]
    if path not in databases:
        databases[path] = (Lmdb if path.endswith(".lmdb") else Sqlite)(path)
    if command == "commit":
        databases[path].commit(int(rest[1]))
        return ""
    found = databases[path].records()
    wrong = [number for number, text in found if text != value(number)]
    if wrong:
        raise ValueError(f"records {wrong} have other values")
    return " ".join(str(number) for number, _ in found)


def main():
    databases = {}
    for line in sys.stdin:
        try:
            said = f"ok {answer(databases, line.split())}"
        except Exception as error:  # whatever a database says of a file that is not what it wrote
            said = f"bad {type(error).__name__}: {error}".replace("\n", "; ")
            databases.clear()
        print(said.strip(), flush=True)


if __name__ == "__main__":
    main()
