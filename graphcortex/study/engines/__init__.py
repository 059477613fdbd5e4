"""Engines: where the runs of a study are computed. Each yields them in the order in which they end."""

from graphcortex.study.engines.cluster import Dask
from graphcortex.study.engines.ensembles import Ensembles
from graphcortex.study.engines.in_process import InProcess
from graphcortex.study.engines.processes import EngineError, Processes
from graphcortex.study.engines.runner import Engine, Runner

__all__ = ["Dask", "Engine", "EngineError", "Ensembles", "InProcess", "Processes", "Runner"]
