"""Waiting that a stop can cut short."""

from __future__ import annotations

import asyncio


async def wait_for_any(timeout_s: float, *events: asyncio.Event) -> bool:
    """Returns as soon as one of ``events`` is set, or after ``timeout_s``; whether one is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=max(0.0, timeout_s), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
    return any(event.is_set() for event in events)
