"""What one rank does in the tests of several processes; started by torchrun."""

import gc
import os
import sys
from datetime import timedelta

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel

from graphcortex.nn import (
    GraphRNN,
    PartitionedClassifier,
    TaskClassifier,
    constrain_dale,
    constrain_nonnegative,
    learn_change,
    learn_gain,
)

SIGNS = 1 - 2.0 * (torch.arange(31) % 3 == 0)
PER_EDGE = torch.linspace(0.5, 2, 200).double()
CONSTRAINTS = {
    "free": lambda rnn: rnn,
    "nonnegative": constrain_nonnegative,
    "dale": lambda rnn: constrain_dale(rnn, SIGNS),
    "dale, softplus": lambda rnn: constrain_dale(rnn, SIGNS, map="softplus"),
    "gain": lambda rnn: learn_gain(rnn, PER_EDGE),
    "change": lambda rnn: learn_change(rnn, PER_EDGE),
    "two": lambda rnn: constrain_dale(learn_gain(rnn, PER_EDGE), SIGNS, map="exponential"),
    "of other parameters": lambda rnn: constrain_nonnegative(constrain_nonnegative(rnn, "input_weight"), "bias"),
}


def whole_model(alpha: float = 1.0, bias: bool = True, constraint: str = "free") -> TaskClassifier:
    generator = torch.Generator().manual_seed(0)
    edge_index = torch.randint(31, (2, 200), generator=generator)
    rnn = GraphRNN(3, edge_index, 31, alpha=alpha, bias=bias, backend="csr").double()
    rnn.reset_parameters(rng=1)
    return TaskClassifier(CONSTRAINTS[constraint](rnn), 2, rng=2).double()


def trials(count: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(6, count, 3, generator=generator, dtype=torch.float64)
    return x, (x.sum((0, 2)) > 0).long()


def learn(model, x, answers, steps: int = 5) -> float:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), answers)
        loss.backward()
        optimizer.step()
    return float(loss.detach())


def run(case: str, out: str) -> None:
    rank, world = dist.get_rank(), dist.get_world_size()
    x, answers = trials()
    if case in CONSTRAINTS:
        model = PartitionedClassifier(whole_model(alpha=0.5, constraint=case))
        x.requires_grad_()
        loss = learn(model, x, answers)
        record = {"loss": loss, "x_grad": x.grad, "neurons": [model.rnn.neurons.start, model.rnn.neurons.stop]}
        torch.save({**record, "weights": {k: v.detach() for k, v in model.named_parameters()}}, f"{out}/{rank}.pt")
    elif case == "data":
        model = DistributedDataParallel(whole_model(), broadcast_buffers=False)
        share = slice(rank * len(answers) // world, (rank + 1) * len(answers) // world)
        learn(model, x[:, share], answers[share])
        torch.save({"weights": {k: v.detach() for k, v in model.module.named_parameters()}}, f"{out}/{rank}.pt")
    elif case == "death":
        model = PartitionedClassifier(whole_model())
        learn(model, x, answers, steps=1)
        if rank == 1:
            os._exit(7)
        learn(model, x, answers, steps=1000)


def main(case: str, out: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", timeout=timedelta(seconds=60))
    run(case, out)
    # A DistributedDataParallel that outlives the group is its last owner, and frees it while it holds the lock of the interpreter,
    # for which a thread of gloo may wait: then neither ends.
    gc.collect()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
