"""`python -m ztflow.cli`: the command line."""

import sys

from ztflow.cli import main

sys.exit(main())
