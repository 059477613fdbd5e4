"""``python -m graphcortex.cli``."""

import sys

from graphcortex.cli import main

if __name__ == "__main__":
    sys.exit(main())
