import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from graphcortex import kernels
from graphcortex.kernels import BACKENDS, GraphStructure, complete_edge_index, edges_to_matrix, installed_backends
from graphcortex.kernels.nonlinearity import NONLINEARITIES
from graphcortex.testing.strategies import Edges, edges
from tests.kernels.naive import naive_gradients, naive_scan
from tests.second_derivatives import NO_ROADS, ROADS

FUSED = ("dense", "csr")


@pytest.fixture(params=BACKENDS)
def backend(request):
    if request.param not in installed_backends():
        pytest.skip(f"{request.param} is not installed here")
    return request.param


def graph_of(kind, num_nodes=4):
    generator = torch.Generator().manual_seed(5)
    if kind == "complete":
        edge_index = complete_edge_index(num_nodes)
    elif kind == "sparse":  # neuron 3 receives nothing, neuron 2 sends nothing, one edge is there twice, one to itself
        edge_index = torch.tensor([[3, 0, 1, 0, 1, 0], [0, 1, 2, 1, 1, 2]])
    else:
        edge_index = torch.zeros(2, 0, dtype=torch.long)
    weight = torch.randn(edge_index.size(1), generator=generator, dtype=torch.float64)
    return Edges(edge_index, weight, num_nodes)


def inputs_of(num_nodes, num_steps=4, num_trials=2, seed=1):
    generator = torch.Generator().manual_seed(seed)
    drive = torch.randn(num_steps, num_trials, num_nodes, generator=generator, dtype=torch.float64)
    return drive, torch.randn(num_trials, num_nodes, generator=generator, dtype=torch.float64)


def recurrent_scan(drive, edge_weight, structure, h0, **options):
    """Run the kernel, which takes neurons first, on trials first, as the oracle is written."""
    states, last = kernels.recurrent_scan(drive.transpose(1, 2), edge_weight, structure, h0.t(), **options)
    if states is None:
        return last.t()
    assert_close(states[-1] if len(states) else h0.t(), last, rtol=0, atol=0, equal_nan=True)
    return states.transpose(1, 2)


def leaves(*tensors):
    return [tensor.detach().clone().requires_grad_() for tensor in tensors]


@pytest.mark.parametrize("return_sequence", [True, False], ids=["all states", "last state"])
@pytest.mark.parametrize("alpha", [1.0, 0.3])
@pytest.mark.parametrize("nonlinearity", NONLINEARITIES)
@pytest.mark.parametrize("kind", ["complete", "sparse", "no edges"])
def test_output_and_all_gradients_match_loops(kind, nonlinearity, alpha, return_sequence, backend, device):
    graph = graph_of(kind)
    drive, h0 = inputs_of(graph.num_nodes)
    states, _ = naive_scan(drive, graph.edge_weight, graph.edge_index, h0, nonlinearity, alpha)
    states = torch.tensor(states, dtype=torch.float64)
    grad = torch.randn(states.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    if not return_sequence:
        grad[:-1] = 0
    expected = naive_gradients(drive, graph.edge_weight, graph.edge_index, h0, nonlinearity, alpha, grad)

    d, w, h = leaves(drive.to(device), graph.edge_weight.to(device), h0.to(device))
    structure = GraphStructure.build(graph.edge_index.to(device), graph.num_nodes)
    options = {"nonlinearity": nonlinearity, "alpha": alpha, "backend": backend, "return_sequence": return_sequence}
    output = recurrent_scan(d, w, structure, h, **options)
    assert_close(output.cpu(), states if return_sequence else states[-1], rtol=0, atol=1e-10)
    output.backward((grad if return_sequence else grad[-1]).to(device))
    for leaf, wanted in zip((d, w, h), expected, strict=True):
        assert_close(leaf.grad.cpu(), wanted, rtol=0, atol=1e-10)


@given(graph=edges(max_nodes=4), alpha=st.sampled_from([1.0, 0.5]), seed=st.integers(0, 5))
def test_backends_agree_on_degenerate_graphs(graph, alpha, seed):
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    tensors = inputs_of(graph.num_nodes, seed=seed)
    results = {}
    for name in installed_backends():
        d, w, h = leaves(tensors[0], graph.edge_weight, tensors[1])
        output = recurrent_scan(d, w, structure, h, nonlinearity="tanh", alpha=alpha, backend=name)
        gradients = torch.autograd.grad(output.square().sum(), (d, w, h))
        results[name] = (output, *gradients)
    for result in results.values():
        assert_close(result, results["reference"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", FUSED)
@pytest.mark.parametrize("wanted", ["drive", "weight", "h0"])
def test_a_gradient_asked_for_alone_is_the_same(name, wanted):
    graph = graph_of("sparse")
    drive, h0 = inputs_of(graph.num_nodes)
    expected = naive_gradients(drive, graph.edge_weight, graph.edge_index, h0, "tanh", 0.3, torch.ones_like(drive))
    tensors = {"drive": drive, "weight": graph.edge_weight.clone(), "h0": h0}
    tensors[wanted].requires_grad_()
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    output = recurrent_scan(
        tensors["drive"], tensors["weight"], structure, tensors["h0"], nonlinearity="tanh", alpha=0.3, backend=name
    )
    output.sum().backward()
    assert_close(tensors[wanted].grad, dict(zip(tensors, expected, strict=True))[wanted], rtol=0, atol=1e-12)


@pytest.mark.parametrize("alpha", [1.0, 0.3])
@pytest.mark.parametrize("nonlinearity", ["tanh", "softplus", "identity"])
def test_gradcheck(nonlinearity, alpha, backend):
    graph = graph_of("sparse")
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    drive, h0 = inputs_of(graph.num_nodes, num_steps=3)
    assert torch.autograd.gradcheck(
        lambda d, w, h: recurrent_scan(d, w, structure, h, nonlinearity=nonlinearity, alpha=alpha, backend=backend),
        leaves(drive, graph.edge_weight, h0),
        fast_mode=True,
    )


OUTER = {
    "linear": torch.sum,
    "quadratic": lambda output: output.square().sum(),
    "cubic": lambda output: (output**3).sum(),
}


def run_stacked(drive, edge_weight, graph, h0, **options):
    """Run two networks side by side, the second with weights of half the size."""
    W = edges_to_matrix(graph.edge_index, edge_weight, graph.num_nodes)
    drive, h0 = drive.transpose(1, 2), h0.t()
    states, _ = kernels.recurrent_scan(
        torch.stack([drive, drive], 1),
        torch.stack([W, W / 2]),
        None,
        torch.stack([h0, h0]),
        backend="stacked",
        **options,
    )
    return states


def run_apart(drive, edge_weight, graph, h0, **options):
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    drive, h0 = drive.transpose(1, 2), h0.t()
    states = [
        kernels.recurrent_scan(drive, weight, structure, h0, backend="reference", **options)[0]
        for weight in (edge_weight, edge_weight / 2)
    ]
    return torch.stack(states, 1)


@pytest.mark.parametrize("road", ROADS.values(), ids=ROADS.keys())
@pytest.mark.parametrize("outer", OUTER.values(), ids=OUTER.keys())
@pytest.mark.parametrize("name", [*FUSED, "stacked"])
@pytest.mark.parametrize("wanted", [0, 1, 2], ids=["drive", "weight", "h0"])
def test_a_second_derivative_is_that_of_the_reference_by_every_road(name, wanted, outer, road):
    graph = graph_of("sparse")
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    tensors = [inputs_of(4, num_steps=3)[0], graph.edge_weight, inputs_of(4)[1]]

    def function(backend, x):
        drive, weight, h0 = (x if position == wanted else tensor for position, tensor in enumerate(tensors))
        options = {"nonlinearity": "tanh", "alpha": 0.3}
        if backend == "stacked":
            return outer(run_stacked(drive, weight, graph, h0, **options))
        if name == "stacked":
            return outer(run_apart(drive, weight, graph, h0, **options))
        return outer(recurrent_scan(drive, weight, structure, h0, backend=backend, **options))

    results = [road(lambda x, b=backend: function(b, x), tensors[wanted]) for backend in (name, "reference")]
    assert_close(*results, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("return_sequence", [True, False], ids=["all states", "last state"])
@pytest.mark.parametrize("alpha", [1.0, 0.3])
@pytest.mark.parametrize("nonlinearity", ["tanh", "softplus", "identity"])
def test_gradgradcheck(nonlinearity, alpha, return_sequence, backend):
    graph = graph_of("sparse")
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    drive, h0 = inputs_of(graph.num_nodes, num_steps=3)
    options = {"nonlinearity": nonlinearity, "alpha": alpha, "backend": backend, "return_sequence": return_sequence}
    assert torch.autograd.gradgradcheck(
        lambda d, w, h: recurrent_scan(d, w, structure, h, **options),
        leaves(drive, graph.edge_weight, h0),
        fast_mode=True,
    )


@pytest.mark.parametrize("nonlinearity", NONLINEARITIES)
@pytest.mark.parametrize("name", FUSED)
def test_a_third_derivative_is_that_of_the_reference(name, nonlinearity):
    graph = graph_of("sparse")
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    drive, h0 = inputs_of(4, num_steps=3)
    results = []
    for backend in (name, "reference"):
        (w,) = leaves(graph.edge_weight)
        value = recurrent_scan(drive, w, structure, h0, nonlinearity=nonlinearity, backend=backend).square().sum()
        for _ in range(3):
            (gradient,) = torch.autograd.grad(value, w, create_graph=True)
            value = gradient.square().sum()
        results.append(gradient.detach())
    assert_close(*results, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("road", NO_ROADS.values(), ids=NO_ROADS.keys())
@pytest.mark.parametrize("name", FUSED)
def test_transforms_of_functions_are_refused(name, road):
    graph = graph_of("sparse")
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    drive, h0 = inputs_of(4, num_steps=3)
    with pytest.raises(RuntimeError, match="functorch transforms"):
        road(lambda w: recurrent_scan(drive, w, structure, h0, backend=name).square().sum(), graph.edge_weight)


@pytest.mark.parametrize("name", FUSED)
def test_keeping_the_graph_does_not_change_the_gradient(name):
    graph = graph_of("sparse")
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    d, w, h = leaves(inputs_of(4)[0], graph.edge_weight, inputs_of(4)[1])
    output = recurrent_scan(d, w, structure, h, nonlinearity="tanh", backend=name)
    once = torch.autograd.grad(output.sum(), (d, w, h), retain_graph=True)
    kept = torch.autograd.grad(output.sum(), (d, w, h), create_graph=True)
    assert_close([g.detach() for g in kept], list(once), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_no_steps_return_the_initial_state(backend, alpha):
    graph = graph_of("sparse")
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    drive, h0 = inputs_of(4, num_steps=0)
    options = {"backend": backend, "alpha": alpha}
    assert recurrent_scan(drive, graph.edge_weight, structure, h0, **options).shape == (0, 2, 4)
    assert_close(recurrent_scan(drive, graph.edge_weight, structure, h0, return_sequence=False, **options), h0)


@pytest.mark.parametrize("kind", ["complete", "sparse", "no edges"])
def test_no_trials_give_empty_states_and_zero_gradients(backend, kind):
    graph = graph_of(kind)
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    drive, h0 = inputs_of(4, num_trials=0)
    d, w, h = leaves(drive, graph.edge_weight, h0)
    output = recurrent_scan(d, w, structure, h, backend=backend)
    assert output.shape == (4, 0, 4)
    output.sum().backward()
    assert w.grad.tolist() == [0] * w.numel()


def test_the_caller_may_change_the_output_in_place(backend):
    graph = graph_of("sparse")
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    drive, h0 = inputs_of(4)
    gradients = []
    for factor in (1, 0):
        d, w, h = leaves(drive, graph.edge_weight, h0)
        output = recurrent_scan(d, w, structure, h, nonlinearity="softplus", backend=backend)
        total = output.sum()
        if backend in FUSED and factor == 0:
            output.detach().zero_()
        gradients.append(torch.autograd.grad(total, (d, w, h)))
    assert_close(gradients[0], gradients[1])


def test_inputs_are_left_as_they_were(backend):
    graph = graph_of("complete")
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    drive, h0 = inputs_of(4)
    before = [tensor.clone() for tensor in (drive, graph.edge_weight, h0)]
    recurrent_scan(drive, graph.edge_weight, structure, h0, backend=backend, alpha=0.5)
    assert_close([drive, graph.edge_weight, h0], before, rtol=0, atol=0)


@pytest.mark.parametrize("name", FUSED)
@pytest.mark.parametrize("alpha", [1.0, 0.3])
def test_the_bound_for_vanished_gradients_changes_nothing(name, alpha, dtype):
    """Over 400 steps a gradient shrinks through the subnormal numbers; the sums it enters are the same to rounding."""
    graph = graph_of("sparse")
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    drive, h0 = inputs_of(4, num_steps=400)
    weight = graph.edge_weight * 0.1
    results = []
    for backend in (name, "reference"):
        d, w, h = leaves(drive.to(dtype), weight.to(dtype), h0.to(dtype))
        recurrent_scan(
            d, w, structure, h, nonlinearity="tanh", alpha=alpha, backend=backend, return_sequence=False
        ).sum().backward()
        results.append((d.grad, w.grad, h.grad))
    finite = torch.finfo(dtype)
    (drive_grad, *fused), (drive_plain, *plain) = results
    assert_close(fused, plain, rtol=100 * finite.eps, atol=0.0 if alpha == 1 else 1e-30)
    assert float((drive_grad - drive_plain).abs().max()) <= 100 * finite.eps
    dropped = (drive_grad == 0) & (drive_plain != 0)
    assert float(drive_plain[dropped].abs().max() if dropped.any() else 0) <= 2 * finite.tiny / finite.eps
    assert not ((drive_grad != 0) & (drive_grad.abs() <= finite.tiny)).any()


EVERY_DTYPE = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def gradients_in(dtype, name, scale):
    """Return the gradients of a network that runs in ``dtype``, of its states times ``scale``."""
    graph = graph_of("complete")
    drive, h0 = inputs_of(4)
    d, w, h = leaves(drive.to(dtype), (0.5 * graph.edge_weight).to(dtype), h0.to(dtype))
    if name == "stacked":
        states = run_stacked(d, w, graph, h, nonlinearity="tanh", alpha=0.5)[:, 0].transpose(1, 2)
    else:
        structure = GraphStructure.build(graph.edge_index, 4)
        states = recurrent_scan(d, w, structure, h, nonlinearity="tanh", alpha=0.5, backend=name)
    states.backward(torch.full_like(states, scale))
    return d.grad, w.grad, h.grad


@pytest.mark.parametrize("name", [*FUSED, "stacked", "reference"])
@pytest.mark.parametrize("dtype", EVERY_DTYPE, ids=str)
@pytest.mark.parametrize("scale", [1.0, 1e-2])
def test_gradients_in_every_precision_are_those_of_float64(name, dtype, scale):
    exact = gradients_in(torch.float64, "reference", scale)
    for gradient, wanted in zip(gradients_in(dtype, name, scale), exact, strict=True):
        assert gradient.dtype is dtype
        error = (gradient.double() - wanted).abs().max() / wanted.abs().max()
        assert error <= 10 * torch.finfo(dtype).eps


@pytest.mark.parametrize("name", [*FUSED, "stacked"])
@pytest.mark.parametrize("dtype", EVERY_DTYPE, ids=str)
def test_gradients_are_linear_down_to_what_a_precision_holds(name, dtype):
    """A loss that is scaled down, far below the bound for gradients that vanish over the steps, has its gradients scaled."""
    finite = torch.finfo(dtype)
    # A power of two changes no digit. The gradients keep a hundred digits' worth of range above the smallest normal number.
    scale = 2.0 ** math.ceil(math.log2(finite.tiny / min(finite.eps, 2.0**-6)))
    for small, one in zip(gradients_in(dtype, name, scale), gradients_in(dtype, name, 1.0), strict=True):
        assert_close(
            small.double() / scale, one.double(), rtol=100 * finite.eps, atol=float(one.abs().max()) * 10 * finite.eps
        )


@pytest.mark.parametrize("name", FUSED)
def test_a_tiny_gradient_above_the_bound_is_kept(name):
    structure = GraphStructure.build(torch.tensor([[0], [1]]), 2)
    scale = 1e3 * torch.finfo(torch.float64).tiny / torch.finfo(torch.float64).eps
    d, w, h = leaves(*(torch.ones(shape, dtype=torch.float64) for shape in ((2, 1, 2), (1,), (1, 2))))
    output = recurrent_scan(d, w, structure, h, nonlinearity="identity", backend=name)
    (output.sum() * scale).backward()
    # The weight counts at both steps: the state before is 1 at the first, d + 0 = 1 at the second (neuron 0 gets no input).
    assert w.grad.item() == pytest.approx(2 * scale, rel=1e-12)
    assert h.grad.flatten().tolist() == pytest.approx([scale, 0])


@pytest.mark.parametrize("alpha", [1.0, 0.3])
@pytest.mark.parametrize("nonlinearity", NONLINEARITIES)
def test_nan_reaches_what_depends_on_it_and_nothing_else(nonlinearity, alpha, backend):
    """0 -> 1 -> 2, and 3 apart: a NaN at neuron 0 in the first step reaches 1 in the second and 2 in the third."""
    structure = GraphStructure.build(torch.tensor([[0, 1], [1, 2]]), 4)
    drive = torch.zeros(3, 1, 4, dtype=torch.float64)
    drive[0, 0, 0] = torch.nan
    d, w, h = leaves(drive, torch.ones(2, dtype=torch.float64), torch.zeros(1, 4, dtype=torch.float64))
    output = recurrent_scan(d, w, structure, h, nonlinearity=nonlinearity, alpha=alpha, backend=backend)
    lasts = alpha != 1  # with a leak a neuron keeps its NaN; without, it forgets
    expected = [[True, False, False, False], [lasts, True, False, False], [lasts, lasts, True, False]]
    if backend == "dense":  # where there is no edge the matrix has a 0, and 0 times NaN is NaN
        assert bool((output[:, 0].isnan() | ~torch.tensor(expected)).all())
        return
    assert output[:, 0].isnan().tolist() == expected
    output.sum().backward()
    assert w.grad.isnan().all()
    assert not h.grad[0, 3].isnan()


@pytest.mark.parametrize("name", FUSED)
def test_nan_in_the_gradient_is_not_taken_for_a_vanished_one(name):
    structure = GraphStructure.build(complete_edge_index(20), 20)
    d, w, h = leaves(torch.ones(2, 3, 20), torch.ones(400), torch.ones(3, 20))
    output = recurrent_scan(d, w, structure, h, nonlinearity="identity", backend=name)
    output.backward(torch.full_like(output, torch.nan))
    assert d.grad.isnan().all()
    assert w.grad.isnan().all()
    assert h.grad.isnan().all()


def test_float32_stays_float32_and_near_float64(backend):
    graph = graph_of("sparse")
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    drive, h0 = inputs_of(4)
    exact = recurrent_scan(drive, graph.edge_weight, structure, h0, nonlinearity="tanh", backend=backend)
    short = recurrent_scan(
        drive.float(), graph.edge_weight.float(), structure, h0.float(), nonlinearity="tanh", backend=backend
    )
    assert short.dtype == torch.float32
    assert_close(short.double(), exact, rtol=0, atol=1e-6)


def test_rejects_an_unknown_nonlinearity(backend):
    graph = graph_of("sparse")
    structure = GraphStructure.build(graph.edge_index, graph.num_nodes)
    with pytest.raises(ValueError, match=r"nonlinearity must be one of .*got 'step'"):
        recurrent_scan(
            *(inputs_of(4)[0], graph.edge_weight, structure, inputs_of(4)[1]), nonlinearity="step", backend=backend
        )
