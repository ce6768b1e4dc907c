"""``python -m minidl``: the command line, which is :mod:`minidl.cli`."""

import sys

from minidl.cli import main

sys.exit(main())
