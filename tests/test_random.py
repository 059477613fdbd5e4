import random

import numpy as np
import pytest
import torch

from graphcortex._random import as_generator, derive_seed, draw_seed, numpy_generator


def draw(generator):
    return torch.rand(4, generator=generator, device=generator.device).tolist()


def test_a_seed_gives_fresh_equal_generators(device):
    first, second = as_generator(3, device), as_generator(np.int64(3), device)
    assert first.device.type == device.type
    assert draw(first) == draw(second)
    assert draw(as_generator(4, device)) != draw(as_generator(3, device))


def test_a_generator_there_is_taken_as_it_is():
    generator = torch.Generator()
    assert as_generator(generator) is generator


def test_a_generator_of_another_device_hands_over_one_draw(device):
    if device.type == "cpu":
        pytest.skip("needs a second device: run with --device cuda")
    source = torch.Generator().manual_seed(1)
    first, second = (draw(as_generator(source, device)) for _ in range(2))
    assert first != second
    assert first == draw(as_generator(torch.Generator().manual_seed(1), device))


@pytest.mark.parametrize("rng", [-1, 1.0, True, None, "1", np.random.default_rng(0)])
def test_rejects(rng):
    with pytest.raises(ValueError, match=r"rng must be a torch.Generator or an int seed of at least 0, got"):
        as_generator(rng)


def test_seeds_go_on_with_a_generator_and_begin_anew_with_an_int():
    generator = torch.Generator().manual_seed(2)
    first, second = draw_seed(generator), draw_seed(generator)
    assert first != second
    assert draw_seed(2) == draw_seed(2) == first
    assert all(0 <= draw_seed(seed) < 2**62 for seed in range(50))


def test_numpy_generators_follow_the_same_rule():
    generator = torch.Generator().manual_seed(2)
    first, second = numpy_generator(generator).random(4), numpy_generator(generator).random(4)
    assert not np.array_equal(first, second)
    assert np.array_equal(first, numpy_generator(2).random(4))
    assert not np.array_equal(first, numpy_generator(3).random(4))
    with pytest.raises(ValueError, match=r"rng must be"):
        numpy_generator(-1)


def test_derived_seeds_depend_on_every_part_and_its_place():
    parts = [("a", "b"), ("b", "a"), ("a", "b", ""), ("ab",), ("a",), ("a", "c"), ("a", 1), ("a1",), ()]
    seeds = {derive_seed(*each) for each in parts}
    assert len(seeds) == len(parts)
    assert all(0 <= seed < 2**62 for seed in seeds)
    assert derive_seed("a", 1) == derive_seed("a", "1")


def test_derived_seeds_are_the_same_on_every_machine():
    # Stored results name runs by their seeds: these values must never change.
    assert derive_seed("trials", 3) == 2488936928130814004
    assert as_generator(derive_seed("trials", 3)).initial_seed() == 2488936928130814004


def test_no_global_generator_is_touched():
    states = random.getstate(), np.random.get_state()[1].copy(), torch.random.get_rng_state()  # noqa: NPY002
    draw(as_generator(1)), draw_seed(1), numpy_generator(1).random(3), derive_seed("x")
    assert random.getstate() == states[0]
    assert np.array_equal(np.random.get_state()[1], states[1])  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), states[2])
