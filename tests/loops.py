"""Coroutines run from tests, whatever else runs in the process: a browser that is driven leaves its loop running."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def complete(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine returns, run in a loop and a thread of its own."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, coroutine).result()
