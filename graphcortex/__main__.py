"""``python -m graphcortex``: the command line."""

import sys

from graphcortex.cli import main

if __name__ == "__main__":
    sys.exit(main())
