from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from suite import settings
from suite.errors import UsageError


@dataclass(frozen=True)
class Learner:
    steps: int = 10
    rate: float = 0.5
    parser: Literal["lstm", "transformer"] = "lstm"
    dedup: bool = True
    cap: int | None = None
    name: str = "x"
    sizes: tuple[int, ...] = (1, 2)

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, not {self.steps}")


@dataclass(frozen=True)
class Needy:
    path: str


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("steps", "7", 7),
        ("rate", "1e-3", 0.001),
        ("rate", "2", 2.0),
        ("parser", "transformer", "transformer"),
        ("dedup", "false", False),
        ("dedup", "Yes", True),
        ("cap", "none", None),
        ("cap", "5", 5),
        ("name", "a=b", "a=b"),
    ],
)
def test_a_text_becomes_a_value_of_the_field_type(field: str, text: str, value: Any) -> None:
    found = settings.overrides(Learner, {field: text}, "lstm")[field]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("field", "text", "says"),
    [
        ("steps", "1.5", "'steps' of lstm takes int, not '1.5'"),
        ("rate", "nan", "'rate' of lstm takes float, not 'nan'"),
        ("rate", "inf", "takes float"),
        ("parser", "lstn", "'parser' of lstm takes one of lstm, transformer, not 'lstn'"),
        ("dedup", "maybe", "'dedup' of lstm takes true or false, not 'maybe'"),
        ("cap", "many", "'cap' of lstm takes int or none, not 'many'"),
    ],
)
def test_a_wrong_value_names_the_field_its_type_and_its_values(field: str, text: str, says: str) -> None:
    with pytest.raises(UsageError) as error:
        settings.overrides(Learner, {field: text}, "lstm")
    assert says in str(error.value)


def test_a_wrong_field_names_the_nearest_and_all() -> None:
    with pytest.raises(UsageError) as error:
        settings.overrides(Learner, {"step": "3"}, "lstm")
    assert "lstm has no field 'step'; did you mean 'steps'?" in str(error.value)
    assert "parser (one of lstm, transformer)" in str(error.value)


def test_later_layers_win() -> None:
    built = settings.build(Learner, "lstm", {"steps": 2, "rate": 0.1}, {"steps": 3}, {})
    assert (built.steps, built.rate) == (3, 0.1)


def test_a_whole_number_in_a_float_field_is_the_same_setting_as_the_float() -> None:
    assert repr(settings.build(Learner, "lstm", {"rate": 1}).rate) == "1.0"


def test_dump_and_build_are_inverse_through_json() -> None:
    import json

    made = Learner(steps=3, cap=4, sizes=(5, 6))
    assert settings.build(Learner, "lstm", json.loads(json.dumps(settings.dump(made)))) == made


def test_a_value_that_the_class_refuses_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="lstm: steps must be at least 1, not 0"):
        settings.build(Learner, "lstm", {"steps": 0})


def test_a_field_that_is_not_there_or_has_no_value_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="lstm: no field stepz"):
        settings.build(Learner, "lstm", {"stepz": 0})
    with pytest.raises(UsageError, match="needy: no value for path"):
        settings.build(Needy, "needy")
