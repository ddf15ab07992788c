# SPDX-License-Identifier: GPL-2.0-or-later
"""The real machine: probing it (session), what a recording says (recording, estimate), and the check of a machine file
against the machine it speaks of (check). What is measured and written: docs/recording.md."""
