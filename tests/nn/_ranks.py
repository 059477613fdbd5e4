"""What one rank does in the tests of several processes; started by torchrun."""

import gc
import os
import sys
from datetime import timedelta

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel

from graphcortex.nn import GraphRNN, PartitionedClassifier, TaskClassifier


def whole_model(alpha: float = 1.0, bias: bool = True) -> TaskClassifier:
    generator = torch.Generator().manual_seed(0)
    edge_index = torch.randint(31, (2, 200), generator=generator)
    rnn = GraphRNN(3, edge_index, 31, alpha=alpha, bias=bias, backend="csr").double()
    rnn.reset_parameters(rng=1)
    return TaskClassifier(rnn, 2, rng=2).double()


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
    if case == "neurons":
        model = PartitionedClassifier(whole_model(alpha=0.5))
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
