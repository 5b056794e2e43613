"""Nearest neighbours against a plain re-computation, and calibration against what it promises."""

from __future__ import annotations

import json
import math
import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camunda_workers.ai.retrieval import (
    Calibration,
    Case,
    Feature,
    Memory,
    Neighbour,
    NeighbourIndex,
    RetrievalSettings,
    fit_calibration,
    fit_settings,
    sha256_of,
    shares,
)
from camunda_workers.ai.retrieval.space import CategoryScale, NumberScale, fit_scale
from camunda_workers.errors import ConfigurationError

KIND = Feature(path="kind", kind="category")
SIZE = Feature(path="size", kind="number", weight=0.5)


def case(number: int, label: str, **facts: Any) -> Case:
    return Case(id=f"c{number:04d}", label=label, facts=facts)


def history(count: int = 200) -> list[Case]:
    """Kind decides mostly, size a little."""
    chance = random.Random(7)
    cases: list[Case] = []
    for number in range(count):
        kind, size = chance.choice(["red", "green", "blue"]), round(chance.gauss(50, 15), 1)
        bad = chance.random() < {"red": 0.8, "green": 0.1, "blue": 0.1}[kind]
        cases.append(case(number, "Y" if bad else "N", kind=kind, size=size))
    return cases


def test_numbers_differ_by_standard_deviations_and_never_by_more_than_one() -> None:
    scale = fit_scale(SIZE, [case(n, "Y", size=float(v)) for n, v in enumerate([2, 4, 4, 4, 5, 5, 7, 9])])
    assert scale == NumberScale(8.0)
    assert scale.distance(4, 6.0) == 0.25
    assert scale.distance(-1e300, 1e300) == 1.0
    assert [scale.distance(value, 5) for value in (None, "5", True, math.inf, math.nan)] == [1.0] * 5
    assert fit_scale(SIZE, [case(1, "Y", size=3), case(2, "N", size=3)]).distance(3, 4) == 1.0, "no spread at all"


def test_categories_differ_by_how_their_cases_ended() -> None:
    cases = [case(n, "Y" if n < 40 else "N", kind="red" if n < 45 else "green" if n < 90 else "blue") for n in range(135)]
    scale = fit_scale(KIND, cases)
    assert isinstance(scale, CategoryScale)
    assert scale.distance("red", "red") == 0.0
    assert scale.distance("green", "blue") == pytest.approx(0.0, abs=1e-9), "they end alike, so they are alike"
    assert scale.distance("red", "green") > 0.7
    assert scale.distance("red", "violet") == scale.distance("violet", "violet") == 1.0, "nobody knows what an unknown value means"
    assert all(math.isclose(sum(each), 1) for each in scale.shares.values())


def test_neighbours_are_those_of_a_plain_computation() -> None:
    cases = history()
    index = NeighbourIndex(cases, [KIND, SIZE])
    scales = [fit_scale(KIND, cases), fit_scale(SIZE, cases)]
    for asked in cases[::20]:
        plain = sorted(
            math.sqrt(
                scales[0].distance(asked.facts["kind"], other.facts["kind"]) ** 2
                + 0.5 * scales[1].distance(asked.facts["size"], other.facts["size"]) ** 2
            )
            for other in cases
            if other.id != asked.id
        )
        found = index.nearest(asked.facts, 10, without=asked.id)
        assert asked.id not in {neighbour.id for neighbour in found}
        assert [n.distance for n in found] == pytest.approx([d for d in plain if d <= plain[9] + 1e-9], abs=1e-4)


def test_ties_all_count_so_the_order_of_the_history_decides_nothing() -> None:
    cases = [case(n, "Y" if n % 5 < n / 6 else "N", kind="red" if n < 12 else "green") for n in range(30)]
    one = NeighbourIndex(cases, [KIND]).nearest({"kind": "red"}, 3)
    other = NeighbourIndex(cases[::-1], [KIND]).nearest({"kind": "red"}, 3)
    assert one == other
    assert len(one) == 12
    assert len(NeighbourIndex(cases, [KIND]).nearest({"kind": "red"}, 500)) == 30


def test_votes_add_up_and_near_ones_can_count_more() -> None:
    near = [Neighbour("a", "Y", 0.0), Neighbour("b", "N", 0.3), Neighbour("c", "N", 0.3)]
    assert shares(near, "equal") == {"N": pytest.approx(2 / 3), "Y": pytest.approx(1 / 3)}
    assert shares(near, "by_distance")["Y"] == pytest.approx(100 / 120)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=300))
def test_a_calibration_rises_and_is_never_certain(pairs: list[tuple[float, bool]]) -> None:
    fitted = fit_calibration(pairs)
    values = [fitted(step / 50) for step in range(51)]
    assert values == sorted(values)
    assert all(0 < value < 1 for value in values)
    assert Calibration.model_validate_json(fitted.model_dump_json()) == fitted


def test_a_calibration_says_how_often_it_happened_and_bridges_gaps() -> None:
    pairs = [(0.1, n < 10) for n in range(100)] + [(0.6, n < 50) for n in range(100)]
    fitted = fit_calibration(pairs)
    assert fitted(0.1) == pytest.approx(0.1, abs=0.02)
    assert fitted(0.6) == pytest.approx(0.5, abs=0.02)
    assert fitted(0.35) == pytest.approx((fitted(0.1) + fitted(0.6)) / 2), "nobody was there, so neither side decides alone"
    assert (fitted(0.0), fitted(1.0)) == (fitted(0.1), fitted(0.6))
    assert len(fit_calibration([(n / 100, n > 90) for n in range(100)], smallest=25).points) <= 4


def test_probabilities_of_a_memory_hold_on_cases_it_has_not_seen() -> None:
    cases = history(600)
    settings = fit_settings(cases[:400], [KIND, SIZE], k=31, vote="equal", history_sha256="-")
    memory = Memory(cases[:400], settings)
    for kind, rate in (("red", 0.8), ("green", 0.1)):
        found = memory.ask({"kind": kind, "size": 50})
        assert found is not None
        assert found.probabilities["Y"] == pytest.approx(rate, abs=0.12)
        assert sum(found.probabilities.values()) == pytest.approx(1)
        assert sum(found.counts.values()) == len(found.neighbours) >= 31
    assert memory.ask({"kind": "violet", "size": 50}) is None, "a kind nobody has seen"
    assert memory.ask({"kind": "red", "size": 50_000}) is None, "a size nobody has seen"
    assert memory.ask({}) is None


def written(folder: Path, cases: list[Case]) -> tuple[Path, Path]:
    content = "".join(json.dumps(one.model_dump()) + "\n" for one in cases).encode()
    (folder / "history.jsonl").write_bytes(content)
    settings = fit_settings(cases, [KIND, SIZE], k=15, vote="equal", history_sha256=sha256_of(content))
    (folder / "retrieval.json").write_text(settings.model_dump_json())
    return folder / "history.jsonl", folder / "retrieval.json"


def test_a_memory_is_read_back_as_it_was(tmp_path: Path) -> None:
    cases = history(80)
    read = Memory.read(*written(tmp_path, cases))
    assert read.ask({"kind": "red", "size": 50}) == Memory(cases, read.settings).ask({"kind": "red", "size": 50})


def test_broken_files_are_named(tmp_path: Path) -> None:
    history_file, settings_file = written(tmp_path, history(80))
    with pytest.raises(ConfigurationError, match=r"nowhere.jsonl cannot be read"):
        Memory.read(tmp_path / "nowhere.jsonl", settings_file)
    good = history_file.read_bytes()
    history_file.write_bytes(good[:-1] + b" \n")
    with pytest.raises(ConfigurationError, match=r"retrieval.json was fitted to another history.jsonl"):
        Memory.read(history_file, settings_file)
    broken = good + b"{not json\n"
    history_file.write_bytes(broken)
    fitted = RetrievalSettings.model_validate_json(settings_file.read_text())
    settings_file.write_text(fitted.model_copy(update={"history_sha256": sha256_of(broken)}).model_dump_json())
    with pytest.raises(ConfigurationError, match=r"history.jsonl, line 81"):
        Memory.read(history_file, settings_file)
    settings_file.write_text("{}")
    with pytest.raises(ConfigurationError, match=r"retrieval.json is not usable"):
        Memory.read(history_file, settings_file)


def test_a_history_that_cannot_work_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least one earlier case"):
        NeighbourIndex([], [KIND])
    with pytest.raises(ConfigurationError, match="no earlier case has the feature 'size'"):
        NeighbourIndex([case(1, "Y", kind="red")], [KIND, SIZE])
    with pytest.raises(ConfigurationError, match="cannot be calibrated"):
        fit_settings([case(1, "Y", kind="red")], [KIND], k=3, vote="equal", history_sha256="-")
    fitted = fit_settings(history(50), [KIND], k=3, vote="equal", history_sha256="-")
    with pytest.raises(ConfigurationError, match="calibrated for"):
        Memory([case(1, "Z", kind="red")], fitted)


def test_a_question_takes_milliseconds_over_700_cases() -> None:
    cases = history(700)
    memory = Memory(cases, fit_settings(cases, [KIND, SIZE], k=35, vote="equal", history_sha256="-"))
    took: list[float] = []
    for one in cases[:50]:
        started = time.perf_counter()
        memory.ask(one.facts)
        took.append(time.perf_counter() - started)
    assert sorted(took)[25] < 0.005
