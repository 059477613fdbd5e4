"""The command line: thin, over the same configuration as the examples; a file for each command.

``graphcortex run`` trains, measures, draws and reports; ``study`` trains and measures; ``resume`` goes on with what was stopped;
``report`` writes it all as one page, and ``export`` as the paper's notebook would; ``metrics`` says all that can be said of what
was learned; ``fetch`` downloads fields; ``info`` describes one; ``audit`` looks for what is wrong with one.
"""

from graphcortex.cli._main import main
from graphcortex.cli.run import run_example

__all__ = ["main", "run_example"]
