"""Estimates the energy that a page uses, from its processor time."""

from __future__ import annotations

import logging
import os
import threading
from functools import cache

_lock = threading.Lock()


def watts_per_core() -> float:
    """Returns the power of one busy core of this machine, in watts.

    codecarbon knows the rated power of processors; of one that it does not know, it takes
    4 W a core. Nothing is measured: virtual machines hide the processor's own meters.
    """
    with _lock:  # two pages that end at once would each undo the other's silence
        return _watts_per_core()


@cache
def _watts_per_core() -> float:
    logger = logging.getLogger("codecarbon")
    level = logger.level
    try:
        from codecarbon.core import cpu  # sets the level, too

        logger.setLevel(logging.ERROR)  # it warns of each processor that it does not know
        cores = os.cpu_count() or 1
        watts = cpu.TDP().tdp or cpu.DEFAULT_POWER_PER_CORE * cores
        return float(watts) / cores
    finally:
        logger.setLevel(level)


def watt_hours(cpu_seconds: float, watts: float) -> float:
    """Returns the energy in watt-hours that ``cpu_seconds`` take at ``watts`` a core."""
    return cpu_seconds * watts / 3600
