"""The arithmetic of the benchmark: what is told is the median of ratios that were taken within a round."""

import pytest

from tests.benchmarks.report import ABOUT, Round, medians, report


def a_round(floor: float, batched: float, end_to_end: float, part: tuple[float, float] = (2.0, 1.0)) -> Round:
    return Round(
        floor=floor,
        batched_floor=batched,
        acknowledged=end_to_end * 2,
        end_to_end=end_to_end,
        handed_over=end_to_end / 2,
        single=end_to_end / 2,
        naive=end_to_end / 4,
        cpu_ms={"sender main": end_to_end / 10},
        rows={"apply": part},
    )


def reported(*rounds: Round) -> dict[str, object]:
    return report(
        rounds, titles={"apply": ("apply / bare", 1.5)}, machine={"cores": 2, "python": "3.11"}, settings={"rounds": 4}
    )


def test_the_median_of_an_even_number_lies_between_the_two_in_the_middle() -> None:
    assert medians([{"rate": 10.0}, {"rate": 40.0}, {"rate": 20.0}, {"rate": 1000.0}]) == {"rate": 30.0}


def test_a_median_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        medians([])


def test_what_one_round_lacks_has_no_median() -> None:
    assert medians([{"main": 1.0, "workers": 2.0}, {"main": 3.0}]) == {"main": 2.0}


def test_a_ratio_is_end_to_end_over_the_floor_of_its_own_round() -> None:
    assert a_round(800, 1000, 200).ratios == {
        "end_to_end_over_batched_floor": 0.2,
        "end_to_end_over_floor": 0.25,
        "end_to_end_over_naive": 4.0,
    }


def test_ratios_are_medians_of_ratios_not_ratios_of_medians() -> None:
    # The machine is ten times slower in the first round; the ratio within it is as good as any other.
    slow, fast, faster = a_round(80, 100, 50), a_round(800, 1000, 400), a_round(1600, 2000, 600)
    found = reported(slow, fast, faster)
    assert found["ratios"] == {
        "end_to_end_over_batched_floor": 0.4,
        "end_to_end_over_floor": 0.5,
        "end_to_end_over_naive": 4.0,
    }
    assert found["medians"] == {
        "floor": 800,
        "batched_floor": 1000,
        "acknowledged": 800,
        "end_to_end": 400,
        "handed_over": 200,
        "single": 200,
        "naive": 100,
    }


def test_a_part_is_told_with_the_median_of_its_ratios() -> None:
    found = reported(a_round(1, 1, 1, (10.0, 1.0)), a_round(1, 1, 1, (30.0, 10.0)), a_round(1, 1, 1, (20.0, 10.0)))
    assert found["rows"] == {
        "apply": {"title": "apply / bare", "ours_us": 20.0, "bare_us": 10.0, "ratio": 3.0, "target": 1.5}
    }


def test_every_round_stands_in_the_report_as_it_was_measured() -> None:
    found = reported(a_round(800, 1000, 200), a_round(400, 500, 100))
    ratios = {"end_to_end_over_batched_floor": 0.2, "end_to_end_over_floor": 0.25}
    assert found["rounds"] == [
        {
            "floor": 800,
            "batched_floor": 1000,
            "acknowledged": 400,
            "end_to_end": 200,
            "handed_over": 100,
            "single": 100,
            "naive": 50,
            "ratios": {**ratios, "end_to_end_over_naive": 4.0},
            "cpu_ms": {"sender main": 20},
            "rows": {"apply": [2.0, 1.0]},
        },
        {
            "floor": 400,
            "batched_floor": 500,
            "acknowledged": 200,
            "end_to_end": 100,
            "handed_over": 50,
            "single": 50,
            "naive": 25,
            "ratios": {**ratios, "end_to_end_over_naive": 4.0},
            "cpu_ms": {"sender main": 10},
            "rows": {"apply": [2.0, 1.0]},
        },
    ]


def test_the_head_of_the_report_says_what_each_member_is() -> None:
    found = reported(a_round(1, 1, 1))
    assert next(iter(found)) == "about"
    assert set(ABOUT) == set(found) - {"about"}
    assert found["machine"] == {"cores": 2, "python": "3.11"}
