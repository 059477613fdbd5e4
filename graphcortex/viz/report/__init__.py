"""A study as one HTML file that needs nothing else: no server, no network, no other file."""

from graphcortex.viz.report.write import write_report

__all__ = ["write_report"]
