from __future__ import annotations

from shared.traces import trace


def _of_contoso(secret: str) -> None:
    raise KeyError(secret)


def test_a_trace_has_types_and_places_and_no_value() -> None:
    try:
        try:
            _of_contoso("Ada Berg\nhush")
        except KeyError as problem:
            raise ValueError("ada.berg@contoso.example") from problem
    except ValueError as problem:
        told = trace(problem)
    first, because = told.split("; because of ")
    assert first.startswith("ValueError at tests/unit/test_traces.py:")
    assert "test_a_trace_has_types_and_places_and_no_value" in first
    assert because.startswith("KeyError at tests/unit/test_traces.py:")
    assert "_of_contoso < " in because
    for hidden in ("Ada", "hush", "@", "\n"):
        assert hidden not in told


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert trace(ValueError("x")) == "ValueError at an unknown place"
