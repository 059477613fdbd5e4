from __future__ import annotations

import functools
import math
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from pathlib import Path

import igraph
import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphcortex.graphs import NULL_MODELS, NullModel, SimpleGraph, simple_graph
from graphcortex.metrics import (
    NullDistribution,
    Nulls,
    Result,
    _identity,
    _kept,
    _members,
    ensemble,
    modularity,
    null_distribution,
)
from graphcortex.metrics.clustering import clustering_of
from graphcortex.metrics.ensemble import as_nulls

CALLS: list[str] = []


def reciprocity(graph: SimpleGraph) -> float:
    CALLS.append("reciprocity")
    there = set(zip(graph.source.tolist(), graph.target.tolist(), strict=True))
    return sum((j, i) in there for i, j in there) / max(len(there), 1)


def first_and_last(graph: SimpleGraph, scale: float = 1.0) -> np.ndarray:
    CALLS.append("first_and_last")
    return np.array([graph.target[0], graph.target[-1]]) * scale


def metric(edge_index, edge_weight, num_nodes) -> Result:
    return Result(value=float(edge_index[1].double() @ torch.arange(edge_index.size(1)).double()) / num_nodes)


def fails(graph: SimpleGraph) -> float:
    raise LookupError("no such neuron: 17")


class TwoPartError(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def fails_oddly(graph: SimpleGraph) -> float:
    raise TwoPartError("this", "that")


def ends_its_process(graph: SimpleGraph) -> float:
    os._exit(3)


def example(weighted: bool = True, seed: int = 0) -> SimpleGraph:
    rng = torch.Generator().manual_seed(seed)
    weight = torch.rand(60, generator=rng, dtype=torch.float64) + 0.1 if weighted else None
    return simple_graph(torch.randint(20, (2, 60), generator=rng), weight, 20)


@pytest.fixture(autouse=True)
def nothing_kept():
    _kept.forget()
    CALLS.clear()
    yield
    _kept.forget()


# --- the members ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(NULL_MODELS) - {"degree_length", "positions"}))
def test_a_short_ensemble_is_the_beginning_of_a_long_one(name):
    graph = example()
    alone = Nulls(name, num=4, rng=7).distribution(first_and_last, graph).values
    _kept.forget()
    assert np.array_equal(Nulls(name, num=9, rng=7).distribution(first_and_last, graph).values[:4], alone)


def test_a_generator_goes_on_and_no_global_one_is_touched():
    state, torch_state = random.getstate(), torch.get_rng_state()
    rng = torch.Generator().manual_seed(0)
    one, two = (Nulls(num=3, rng=rng).distribution(first_and_last, example()) for _ in range(2))
    again = Nulls(num=3, rng=torch.Generator().manual_seed(0)).distribution(first_and_last, example())
    assert not np.array_equal(one.values, two.values)
    assert np.array_equal(one.values, again.values)
    assert random.getstate() == state
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_as_nulls():
    nulls = Nulls("erdos_renyi", 3)
    assert as_nulls(None) is None
    assert as_nulls(nulls) is nulls
    assert as_nulls("weights") == Nulls("weights", num=100)
    assert as_nulls(NULL_MODELS["degree"]).model is NULL_MODELS["degree"]
    with pytest.raises(ValueError, match=r"null must be .*got int"):
        as_nulls(3)


BAD_NULLS = {
    "no such model": (Nulls("degrees"), r"null must be .*got"),
    "none at all": (Nulls(num=0), r"num must be .*got"),
    "no process": (Nulls(processes=0), r"processes must be .*got"),
    "no seed": (Nulls(rng=-1), r"rng must be .*got"),
    "no positions": (Nulls("degree_length"), r"pos must .*got None"),
}


@pytest.mark.parametrize("case", BAD_NULLS.values(), ids=BAD_NULLS.keys())
def test_rejects(case):
    with pytest.raises(ValueError, match=case[1]):
        case[0].distribution(reciprocity, example())


def uneven(graph: SimpleGraph) -> list[float]:
    return [0.0] * (1 + int(graph.target[0]) % 3)


@pytest.mark.parametrize(
    ("statistic", "message"),
    [(lambda graph: "much", "must be a number"), (lambda graph: [], "must be a number"), (uneven, "as many numbers")],
)
def test_a_statistic_must_give_numbers(statistic, message):
    with pytest.raises(ValueError, match=message):
        Nulls(num=20).distribution(statistic, example())


@pytest.mark.parametrize("num_nodes", [1, 2, 5])
@pytest.mark.parametrize("name", NULL_MODELS)
def test_of_an_empty_graph_all_are_empty(name, num_nodes):
    graph = simple_graph(torch.zeros(2, 0).long(), None, num_nodes, pos=torch.rand(num_nodes, 3))
    found = Nulls(name, num=2).distribution(reciprocity, graph)
    assert found.values.tolist() == [[0.0], [0.0]]


# --- what follows from them -------------------------------------------------------------------------


@given(
    values=st.lists(st.integers(-50, 50), min_size=1, max_size=12),
    observed=st.integers(-60, 60),
)
def test_mean_sd_z_and_p_follow_their_formulas(values, observed):
    found = NullDistribution(np.array(values, dtype=float)[:, None] / 8, "degree", 0)
    v, x, n = [value / 8 for value in values], observed / 8, len(values)
    mean = sum(v) / n
    assert found.mean[0] == pytest.approx(mean, abs=1e-12)
    if n > 1:
        sd = math.sqrt(sum((one - mean) ** 2 for one in v) / (n - 1))
        assert found.sd[0] == pytest.approx(sd, abs=1e-12)
        assert found.z(x)[0] == pytest.approx((x - mean) / sd if sd else math.nan, nan_ok=True)
    else:
        assert math.isnan(found.sd[0])
        assert math.isnan(found.z(x)[0])
    # In whole numbers, so that what is as far away is so exactly.
    centre, away = sum(values) + observed, n + 1
    count = sum(abs(one * away - centre) >= abs(observed * away - centre) for one in values)
    assert found.p(x)[0] == pytest.approx((1 + count) / (1 + n))
    assert found.fields()["num_nulls"] == n


def test_the_p_value_of_one_of_them_is_uniform():
    rng = np.random.default_rng(0)
    p = [NullDistribution(rng.exponential(size=(19, 1)), "x", 0).p(rng.exponential())[0] for _ in range(2000)]
    for alpha in (0.05, 0.1, 0.25, 0.5):
        assert np.mean(np.array(p) <= alpha + 1e-9) == pytest.approx(alpha, abs=4 * math.sqrt(alpha / 2000))


def test_rounding_is_no_variation():
    found = NullDistribution(np.array([[0.1 + 0.2], [0.3], [0.3]]), "degree", 0)
    assert found.sd.tolist() == [0.0]
    assert math.isnan(found.z(0.3)[0])
    assert found.p(0.3).tolist() == [1.0]
    assert found.p(0.4).tolist() == [0.25]


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_what_is_undefined_in_one_graph_is_undefined(odd):
    found = NullDistribution(np.array([[1.0, 1.0], [odd, 2.0], [3.0, 3.0]]), "degree", 0)
    assert np.isnan(found.p([1.0, 1.0])).tolist() == [True, False]
    assert not math.isfinite(found.mean[0])
    assert np.isnan(found.z([1.0, 2.0])).tolist() == [True, False]
    assert math.isnan(found.fields()["null_sd"])


def test_observed_numbers_must_be_as_many():
    with pytest.raises(ValueError, match=r"observed must hold one value per number: expected shape \(2,\), got \(1,\)"):
        NullDistribution(np.zeros((3, 2)), "degree", 0).p(1.0)


# --- a metric of one's own --------------------------------------------------------------------------


def test_a_metric_of_ones_own_meets_the_graphs_that_a_statistic_meets():
    graph = example()
    found = null_distribution(metric, graph.edge_index, graph.edge_weight, 20, null=Nulls(num=5, rng=2))
    expected = Nulls(num=5, rng=2).distribution(
        lambda drawn: metric(drawn.edge_index, drawn.edge_weight, drawn.num_nodes).value, graph
    )
    assert np.array_equal(found.values, expected.values)


def test_without_direction_it_meets_both_directions():
    seen = []

    def look(edge_index, edge_weight, num_nodes):
        seen.append((sorted(edge_index.T.tolist()), edge_weight.tolist()))
        return [float(edge_weight.sum()), num_nodes]

    edge_index = torch.tensor([[0, 1, 3], [1, 0, 2]])
    found = null_distribution(look, edge_index, torch.tensor([1.0, 3.0, 5.0]), 4, null=Nulls(num=2), directed=False)
    assert found.values.tolist() == [[9.0, 4.0]] * 2  # (1 + 3) / 2 and 5 / 2, each twice
    for pairs, weights in seen:
        assert sorted([j, i] for i, j in pairs) == pairs
        assert sorted(weights) == [2.0, 2.0, 2.5, 2.5]


def test_a_metric_needs_a_null():
    with pytest.raises(ValueError, match=r"null must be .*got None"):
        null_distribution(metric, torch.zeros(2, 0).long(), None, 3, null=None)


# --- what is kept -----------------------------------------------------------------------------------


def calls_of(nulls: Nulls, statistic, graph: SimpleGraph) -> int:
    before = len(CALLS)
    nulls.distribution(statistic, graph)
    return len(CALLS) - before


def test_what_was_computed_is_not_computed_again_and_goes_on():
    graph = example()
    assert calls_of(Nulls(num=5), first_and_last, graph) == 5
    assert calls_of(Nulls(num=5), first_and_last, graph) == 0
    assert calls_of(Nulls(num=3), first_and_last, graph) == 0
    assert calls_of(Nulls(num=8), first_and_last, graph) == 3
    assert calls_of(Nulls(num=8), functools.partial(first_and_last, scale=2.0), graph) == 8
    assert calls_of(Nulls(num=8), functools.partial(first_and_last, scale=2.0), graph) == 0


def test_it_is_found_by_what_it_depends_on_and_by_nothing_else():
    graph = example(weighted=False)
    as_many = simple_graph(graph.edge_index.flip(0), None, 20)
    assert calls_of(Nulls("erdos_renyi", 3), reciprocity, graph) == 3
    assert calls_of(Nulls("erdos_renyi", 3), reciprocity, as_many) == 0  # of the edges only their number matters
    assert calls_of(Nulls("degree", 3), reciprocity, graph) == 3
    assert calls_of(Nulls("degree", 3), reciprocity, as_many) == 3
    assert calls_of(Nulls("degree", 3, rng=1), reciprocity, graph) == 3
    assert calls_of(Nulls("degree", 3), reciprocity, example()) == 3
    placed = simple_graph(graph.edge_index, None, 20, pos=torch.rand(20, 3))
    assert calls_of(Nulls("erdos_renyi", 3), reciprocity, placed) == 3
    assert calls_of(Nulls("erdos_renyi", 3), reciprocity, graph.undirected()) == 3


def test_what_has_no_sure_name_is_computed_anew():
    scale = 2.0

    def closure(graph):
        CALLS.append("closure")
        return scale

    anonymous = lambda graph: CALLS.append("lambda") or 0.0  # noqa: E731
    for statistic in (closure, anonymous, functools.partial(first_and_last, scale=np.array(object()))):
        with pytest.raises(_identity.UnnamedError):
            _identity.digest(statistic)
    for statistic in (closure, anonymous):
        assert calls_of(Nulls(num=2), statistic, example()) == 2
        assert calls_of(Nulls(num=2), statistic, example()) == 2


def test_a_changed_function_is_another(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    text = "FACTOR = 2\ndef helper(x):\n    return x + {}\ndef statistic(graph):\n    return helper(FACTOR * {})\n"
    names = []
    for numbers in ((1, 1), (1, 2), (2, 1), (1, 1)):
        sys.modules.pop("some_statistic", None)
        (tmp_path / "some_statistic.py").write_text(text.format(*numbers))
        module = type(sys)("some_statistic")
        exec(text.format(*numbers), module.__dict__)
        monkeypatch.setitem(sys.modules, "some_statistic", module)
        module.helper.__module__ = module.statistic.__module__ = "some_statistic"
        names.append(_identity.digest(module.statistic))
    assert len(set(names)) == 3
    assert names[0] == names[3]


PARTS = [
    1,
    1.0,
    True,
    None,
    "1",
    b"1",
    [1],
    (1,),
    {"a": 1},
    {"a": 2},
    np.array([1]),
    np.array([1.0]),
    torch.tensor([2]),
]


def test_unlike_parts_have_unlike_names():
    names = [_identity.digest(part) for part in PARTS]
    names += [_identity.digest(1, 2), _identity.digest(12), _identity.digest([1, [2]]), _identity.digest([[1], 2])]
    assert len(set(names)) == len(names)
    assert _identity.digest(functools.partial(reciprocity, b=1, a=2)) == _identity.digest(
        functools.partial(reciprocity, a=2, b=1)
    )


def test_names_are_the_same_in_every_process():
    code = "from graphcortex.metrics import _identity, modularity; print(_identity.digest(modularity, {'a': 'x'}, 1.5))"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    there = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    assert there.stdout.strip() == _identity.digest(modularity, {"a": "x"}, 1.5)


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(_kept, "_MAX_BYTES", 3 * 80)
    for i in range(6):
        _kept.keep(str(i), np.zeros((10, 1)), None)
    assert _kept.recall("0", None) is None
    assert _kept.recall("5", None).shape == (10, 1)
    assert sum(values.nbytes for values in _kept._MEMORY.values()) <= 240


def test_a_folder_keeps_it_for_another_process(tmp_path):
    nulls, graph = Nulls(num=4, cache=tmp_path / "new" / "folder"), example()
    values = nulls.distribution(first_and_last, graph).values
    _kept.forget()
    assert calls_of(nulls, first_and_last, graph) == 0
    _kept.forget()
    assert np.array_equal(nulls.distribution(first_and_last, graph).values, values)
    assert len(list((tmp_path / "new" / "folder").iterdir())) == 1
    # From memory into a folder that lacks it, too.
    assert calls_of(Nulls(num=4, cache=tmp_path / "other"), first_and_last, graph) == 0
    assert len(list((tmp_path / "other").iterdir())) == 1


DAMAGE = {
    "cut short": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "one bit turned": lambda data: data[:200] + bytes([data[200] ^ 1]) + data[201:],
    "something else": lambda data: b"not at all a file of numpy" * 9,
    "a pickle": lambda data: b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00\x8c\x01x\x94.",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_file_is_set_aside_and_computed_again(tmp_path, damage):
    nulls, graph = Nulls(num=4, cache=tmp_path), example()
    values = nulls.distribution(first_and_last, graph).values
    (file,) = tmp_path.iterdir()
    data = file.read_bytes()
    file.write_bytes(damage(data))
    _kept.forget()
    CALLS.clear()
    with pytest.warns(UserWarning, match=r"must be a kept ensemble, got a damaged file .*set aside as .*damaged"):
        assert np.array_equal(nulls.distribution(first_and_last, graph).values, values)
    assert len(CALLS) == 4
    assert file.exists()
    assert len(list(tmp_path.glob("*.damaged"))) == 1


def test_a_file_of_another_ensemble_is_not_taken_for_this_one(tmp_path):
    nulls, graph = Nulls(num=4, cache=tmp_path), example()
    nulls.distribution(first_and_last, graph)
    (file,) = tmp_path.iterdir()
    Nulls(num=4, rng=1, cache=tmp_path).distribution(first_and_last, graph)
    (other,) = set(tmp_path.iterdir()) - {file}
    os.replace(other, file)
    _kept.forget()
    with pytest.warns(UserWarning, match="it holds something else"):
        assert calls_of(nulls, first_and_last, graph) == 4


def test_an_interrupted_one_goes_on_where_it_was(tmp_path, monkeypatch):
    graph, nulls = example(), Nulls(num=9, cache=tmp_path)
    real, drawn = NULL_MODELS["degree"].draw, []

    def stops(graph, seed):
        drawn.append(seed)
        if len(drawn) == 6:
            raise KeyboardInterrupt
        return real(graph, seed)

    model = NullModel("degree", real, ("edges", "weights"))
    object.__setattr__(model, "draw", stops)
    monkeypatch.setattr(ensemble, "_key", lambda *arguments: "same")
    with pytest.raises(KeyboardInterrupt):
        Nulls(model, num=9, cache=tmp_path).distribution(first_and_last, graph)
    _kept.forget()
    assert calls_of(nulls, first_and_last, graph) == 4


def test_a_killed_one_goes_on_from_what_it_last_wrote(tmp_path, monkeypatch):
    monkeypatch.setattr(ensemble, "_SAVE_EVERY_S", 0.0)
    counts = []
    real = ensemble.keep
    monkeypatch.setattr(
        ensemble, "keep", lambda key, values, folder: (counts.append(len(values)), real(key, values, folder))
    )
    Nulls(num=3, cache=tmp_path).distribution(first_and_last, example())
    assert counts == [1, 2, 3, 3]


def test_the_longer_one_stays_and_many_writers_do_no_harm(tmp_path):
    _kept.keep("key", np.arange(10.0)[:, None], tmp_path)
    _kept.forget()
    _kept.keep("key", np.arange(4.0)[:, None], tmp_path)
    _kept.forget()
    assert len(_kept.recall("key", tmp_path)) == 10
    errors = []

    def write(n: int) -> None:
        try:
            for _ in range(10):
                _kept.keep("busy", np.arange(float(n))[:, None], tmp_path)
                found = _kept._read(tmp_path / "busy.npz", "busy")
                assert np.array_equal(found[:, 0], np.arange(len(found)))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in (3, 50, 800)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert not list(tmp_path.glob(".*"))


def test_a_bit_that_flips_in_a_kept_ensemble_is_found(tmp_path):
    values = np.random.default_rng(0).normal(size=(20, 3))
    _kept.keep("flipped", values, tmp_path)
    path = tmp_path / "flipped.npz"
    whole, found_out = path.read_bytes(), 0
    for bit in range(0, 8 * len(whole), 13):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            found = _kept._read(path, "flipped")
        assert (found is None) == (len(told) == 1)
        assert found is None or np.array_equal(found, values)
        found_out += found is None
    assert found_out > 300


# --- several processes ------------------------------------------------------------------------------


def test_processes_give_the_same_numbers_in_the_same_order():
    graph = example()
    alone = Nulls(num=7, rng=3).distribution(first_and_last, graph).values
    _kept.forget()
    assert np.array_equal(Nulls(num=7, rng=3, processes=2).distribution(first_and_last, graph).values, alone)


@pytest.mark.parametrize(
    ("statistic", "error", "message"),
    [
        (fails, LookupError, "no such neuron: 17"),
        (ends_its_process, RuntimeError, "processes must be able to start"),
    ],
)
def test_what_goes_wrong_in_a_process_arrives(statistic, error, message):
    with pytest.raises(error, match=message):
        Nulls(num=4, processes=2).distribution(statistic, example())


def test_an_error_that_cannot_travel_is_told(monkeypatch):
    monkeypatch.setattr(_members, "_work", (fails_oddly, example(), NULL_MODELS["weights"], 0))
    with pytest.raises(RuntimeError, match="TwoPartError: this and that"):
        _members._compute(range(1))


def test_a_lambda_cannot_travel():
    with pytest.raises(ValueError, match=r"statistic must be a function of a module.*got .*lambda"):
        Nulls(num=4, processes=2).distribution(lambda graph: 0.0, example())


@pytest.mark.parametrize("how", [signal.SIGINT, getattr(signal, "SIGKILL", None)])
@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
def test_workers_end_with_the_process_that_started_them(tmp_path, how):
    script = tmp_path / "slow_statistic.py"
    script.write_text(
        textwrap.dedent("""
        import os, time, pathlib, torch
        from graphcortex.graphs import simple_graph
        from graphcortex.metrics import Nulls

        def slow(graph):
            (pathlib.Path(__file__).parent / f"{os.getpid()}.pid").touch()
            time.sleep(100)
            return 0.0

        if __name__ == "__main__":
            Nulls(num=4, processes=2).distribution(slow, simple_graph(torch.tensor([[0], [1]]), None, 2))
        """)
    )
    with subprocess.Popen([sys.executable, script], stderr=subprocess.PIPE, text=True) as process:
        try:
            workers = wait_for(lambda: [int(file.stem) for file in tmp_path.glob("*.pid")], 2)
            process.send_signal(how)
            _, errors = process.communicate(timeout=100)
        finally:
            process.kill()
    assert process.returncode != 0
    assert ("KeyboardInterrupt" in errors) == (how == signal.SIGINT)
    assert len(workers) == 2
    assert wait_for(lambda: [pid for pid in workers if not alive(pid)], 2)


def wait_for(look, number, seconds=100.0):
    """Look until there are so many things, or time is up."""
    deadline = time.monotonic() + seconds
    while len(found := look()) < number and time.monotonic() < deadline:
        time.sleep(0.05)
    return found if len(found) >= number else []


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")  # one that has ended and that nobody has asked about is still listed
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


# --- progress ---------------------------------------------------------------------------------------


def test_progress_says_on_a_terminal_what_is_computed_and_nothing_in_a_pipe(capsys, monkeypatch):
    Nulls(num=3, progress=True).distribution(functools.partial(first_and_last, scale=2.0), example())
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    Nulls(num=3, progress=True).distribution(functools.partial(first_and_last, scale=3.0), example())
    out, err = capsys.readouterr()
    assert out == ""
    assert "first_and_last of degree graphs" in err
    assert "0/3" in err
    null_distribution(metric, example().edge_index, None, 20, null=Nulls(num=2, progress=True))
    assert "metric of degree graphs" in capsys.readouterr().err
    Nulls(num=4).distribution(reciprocity, example())
    assert capsys.readouterr().err == ""


def test_progress_writes_nothing_into_a_pipe(capsys):
    Nulls(num=3, progress=True).distribution(functools.partial(first_and_last, scale=5.0), example())
    assert capsys.readouterr() == ("", "")


# --- a peer -----------------------------------------------------------------------------------------


def reciprocity_and_clustering(graph: SimpleGraph) -> np.ndarray:
    pairs = graph.undirected()
    return np.array([reciprocity(graph) if graph.directed else 1.0, clustering_of(pairs).value])


def near_and_hubs(directed: bool) -> SimpleGraph:
    """Return a graph of 60 neurons whose neighbours are linked, and both ways; a few neurons reach far."""
    ring = torch.arange(60)
    near = torch.cat([torch.stack((ring, (ring + step) % 60)) for step in (-1, 1, 2, 3)], dim=1)
    far = torch.stack((torch.arange(40) % 4, torch.arange(10, 50)))
    return simple_graph(torch.cat((near, far), dim=1), None, 60, directed=directed)


@pytest.mark.parametrize("directed", [True, False])
def test_graphs_of_the_same_degrees_are_those_of_igraph(directed):
    graph, num = near_and_hubs(directed), 200
    ours = Nulls("degree", num).distribution(reciprocity_and_clustering, graph).values
    theirs = np.empty((num, 2))
    igraph.set_random_number_generator(random.Random(0))
    try:
        for row in theirs:
            drawn = igraph.Graph(60, np.column_stack((graph.source, graph.target)), directed=directed)
            drawn.rewire(10 * graph.num_edges)
            row[0] = drawn.reciprocity() if directed else 1.0
            row[1] = drawn.as_undirected().transitivity_avglocal_undirected(mode="zero")
    finally:
        igraph.set_random_number_generator(random)
    bound = 4 * np.sqrt((ours.var(0, ddof=1) + theirs.var(0, ddof=1)) / num)
    assert (abs(ours.mean(0) - theirs.mean(0)) <= bound).all()
    # The bound is small: the graph itself is far off.
    off = abs(reciprocity_and_clustering(graph) - theirs.mean(0))
    assert (off > 5 * bound)[0 if directed else 1 :].all()


# --- signs ------------------------------------------------------------------------------------------


def negative_share(edge_index, edge_weight, num_nodes) -> list[float]:
    """The share of negative edges, the mean weight, and the largest sum of inhibitory inputs of a neuron."""
    inhibition = torch.zeros(num_nodes, dtype=torch.float64).index_add(0, edge_index[1], edge_weight.clamp(max=0))
    return [float((edge_weight < 0).double().mean()), float(edge_weight.mean()), -float(inhibition.min())]


def signed_example(seed: int) -> tuple[torch.Tensor, torch.Tensor, int]:
    rng = np.random.default_rng(seed)
    linked = rng.random((25, 25)) < 0.3
    np.fill_diagonal(linked, False)
    edge_index = torch.from_numpy(np.array(linked.nonzero()))
    return edge_index, torch.from_numpy(rng.standard_normal(edge_index.size(1))), 25


@pytest.mark.parametrize("name", sorted(set(NULL_MODELS) - {"signed_strength"}))
def test_random_graphs_have_the_signs_of_the_weights(name):
    edge_index, edge_weight, N = signed_example(0)
    pos = torch.from_numpy(np.random.default_rng(1).random((N, 3)))
    observed = negative_share(edge_index, edge_weight, N)
    found = null_distribution(negative_share, edge_index, edge_weight, N, null=Nulls(name, num=20), pos=pos)
    np.testing.assert_allclose(found.values[:, :2], [observed[:2]] * 20, rtol=1e-12)
    assert found.p(observed)[:2].tolist() == [1, 1]


def test_signed_shuffles_are_those_made_by_hand():
    """What 999 hand-made shuffles of the signed weights say of the largest inhibition, the null model says too."""
    edge_index, edge_weight, N = signed_example(3)
    found = null_distribution(negative_share, edge_index, edge_weight, N, null=Nulls("weights", num=999))
    rng = np.random.default_rng(0)
    by_hand = [
        negative_share(edge_index, edge_weight[torch.from_numpy(rng.permutation(edge_weight.numel()))], N)[2]
        for _ in range(999)
    ]
    assert scipy.stats.ks_2samp(found.values[:, 2], by_hand).pvalue > 0.001


def test_signed_strengths_explain_the_inhibition_of_each_neuron():
    edge_index, edge_weight, N = signed_example(4)
    observed = negative_share(edge_index, edge_weight, N)
    found = null_distribution(negative_share, edge_index, edge_weight, N, null=Nulls("signed_strength", num=20))
    np.testing.assert_allclose(found.values, [observed] * 20, rtol=1e-9)
    with_scaled = null_distribution(negative_share, edge_index, -edge_weight, N, null=Nulls("signed_strength", num=5))
    assert (with_scaled.values[:, 0] != found.values[0, 0]).all()


def test_pairs_of_both_signs_have_no_weight_without_direction():
    pair = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])
    with pytest.raises(ValueError, match=r"one sign in both directions.*got 1 pairs of both"):
        null_distribution(negative_share, pair, torch.tensor([1.0, -1.0, 2.0, 2.0]), 3, directed=False)
    found = null_distribution(
        negative_share, pair, torch.tensor([-1.0, -1.0, 2.0, 2.0]), 3, null=Nulls("weights", num=3), directed=False
    )
    assert found.values[:, 0].tolist() == [0.5] * 3


def test_other_signs_are_another_ensemble():
    """What is kept of one sign is not given for another."""
    edge_index, edge_weight, N = signed_example(5)
    nulls = Nulls("weights", num=5, rng=12345)
    first = null_distribution(negative_share, edge_index, edge_weight, N, null=nulls)
    other = null_distribution(negative_share, edge_index, edge_weight.abs(), N, null=nulls)
    assert (other.values[:, 0] == 0).all()
    assert (first.values[:, 0] > 0).all()
