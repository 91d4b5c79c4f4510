"""What one step frees stays with the process for the next one."""

from __future__ import annotations

import torch

LARGEST = 2**25 - 2**16
"""Bytes: just below what glibc, on 64 bits, can learn to serve from its heap (`DEFAULT_MMAP_THRESHOLD_MAX`)."""


def keep_freed() -> None:
    """Let the allocator keep up to 64 MB of freed memory, rather than give it back and ask for it in every step.

    Memory that comes new from the system costs a page fault for every 4 kB: an LSTM's step on CPU frees 28 MB, and
    took 7,000 of them, a third of its time. glibc learns from the largest mapped block that it sees freed: up to that
    size blocks are kept, and twice as much at the heap's end (mallopt(3), `M_MMAP_THRESHOLD`). The block is never
    touched, which takes microseconds. Other allocators are left as they are, and so is glibc where the environment's
    `MALLOC_` variables set these thresholds.
    """
    torch.empty(LARGEST, dtype=torch.uint8)
