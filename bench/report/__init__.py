# SPDX-License-Identifier: GPL-2.0
"""Turns what bench/guest.py has counted into a table, a plot and a verdict."""
