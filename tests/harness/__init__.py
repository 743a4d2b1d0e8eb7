# SPDX-License-Identifier: GPL-2.0
"""What the tests in a guest stand on; see tests/README.md."""
