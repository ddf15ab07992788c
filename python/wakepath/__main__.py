# SPDX-License-Identifier: GPL-2.0-or-later
"""python -m wakepath: the command line."""

from wakepath.cli import main

if __name__ == "__main__":
    main()
