from __future__ import annotations

from workbench.simulate.streams import stream


def test_a_component_draws_the_same_whatever_else_is_drawn() -> None:
    alone = stream(3, "task", "noise").random(4)
    stream(3, "pet", "noise").random(1000)

    assert (stream(3, "task", "noise").random(4) == alone).all()


def test_components_and_seeds_differ() -> None:
    draws = {stream(seed, name).random() for seed in (1, 2) for name in ("age", "sex")}

    assert len(draws) == 4


def test_more_people_keep_the_first_ones() -> None:
    assert (stream(1, "own").standard_normal((5, 3)) == stream(1, "own").standard_normal((9, 3))[:5]).all()
