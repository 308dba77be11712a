"""An answer of a CRM that no adapter expected is an error of ours in words, whichever line stumbled over it."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from shared.domain.errors import ConnectorError, RetryLater
from shared.traces import trace

_READING = (
    "catalogue",
    "changes",
    "solution_changes",
    "get",
    "get_many",
    "prepare",
    "create",
    "update",
    "opportunity_of",
    "qualify",
)
# What reading a document of another shape than documented ends in.
_ANOTHER_SHAPE = (TypeError, LookupError, AttributeError, ValueError, ArithmeticError, AssertionError)
_log = logging.getLogger(__name__)

Adapter = TypeVar("Adapter", bound=type)


def understood(adapter: Adapter) -> Adapter:
    """The adapter, whose reading methods raise nothing but ``ConnectorError``: ``RetryLater`` with code
    ``unreadable_answer`` for what they could not make sense of. The log has the place, and no value."""
    for name in _READING:
        method = getattr(adapter, name)
        setattr(adapter, name, _generator(method) if inspect.isgeneratorfunction(method) else _function(method))
    return adapter


def _function(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def guarded(self: Any, *arguments: Any, **options: Any) -> Any:
        with _reading(self.name, method.__name__):
            return method(self, *arguments, **options)

    return guarded


def _generator(method: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    @functools.wraps(method)
    def guarded(self: Any, *arguments: Any, **options: Any) -> Iterator[Any]:
        pages = method(self, *arguments, **options)
        while True:
            with _reading(self.name, method.__name__):
                page = next(pages, None)
            if page is None:
                return
            yield page

    return guarded


@contextmanager
def _reading(service: str, what: str) -> Iterator[None]:
    try:
        yield
    except ConnectorError:
        raise
    except _ANOTHER_SHAPE as problem:
        _log.error("%s: an answer to %s could not be read: %s", service, what, trace(problem))
        raise RetryLater(
            f"{service} answered {what.replace('_', ' ')} with something of another shape than documented",
            code="unreadable_answer",
            remedy="It is tried again by itself; if this goes on, report it with the log's line about it.",
            service=service,
        ) from None
