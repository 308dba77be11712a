"""Where an error that is none of ours came from, for the log: without its text, which may quote a customer."""

from __future__ import annotations

import traceback
from pathlib import Path

_HOME = Path(__file__).parents[1]
_FRAMES = 12


def trace(problem: BaseException) -> str:
    """One line: types and places, innermost first, like ``KeyError at shared/sync/deals.py:41 bring_referral < ...``.

    No message and no value of a variable is in it.
    """
    told: list[str] = []
    seen: BaseException | None = problem
    while seen is not None and len(told) < 4:
        frames = [_place(frame) for frame in reversed(traceback.extract_tb(seen.__traceback__))][:_FRAMES]
        told.append(f"{type(seen).__name__} at {' < '.join(frames) or 'an unknown place'}")
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return "; because of ".join(told)


def _place(frame: traceback.FrameSummary) -> str:
    file = Path(frame.filename)
    shown = file.relative_to(_HOME).as_posix() if file.is_relative_to(_HOME) else file.name
    return f"{shown}:{frame.lineno} {frame.name}"
