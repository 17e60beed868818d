"""The estimate of energy from processor time."""

import logging
import subprocess
import sys

import pytest

from executor.energy import watt_hours, watts_per_core


def test_watt_hours_are_power_times_time() -> None:
    assert watt_hours(3600, 4.0) == pytest.approx(4.0)
    assert watt_hours(0, 4.0) == 0


def test_the_power_of_a_core_is_a_plausible_number() -> None:
    level = logging.getLogger("codecarbon").level
    assert 1 <= watts_per_core() <= 60
    assert logging.getLogger("codecarbon").level == level


def test_pages_that_end_at_once_say_nothing_of_unknown_processors() -> None:
    program = (
        "import threading\n"
        "from executor.energy import watts_per_core\n"
        "threads = [threading.Thread(target=watts_per_core) for _ in range(8)]\n"
        "[thread.start() for thread in threads]\n"
        "[thread.join() for thread in threads]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout + done.stderr == ""
