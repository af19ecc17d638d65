"""The embedded MLflow, reached for the first time by several processes at once, as by the runs of a backfill."""

import subprocess
import sys

CONNECTION = """
import sys, time
from pathlib import Path
import mlflow
from resources.tracker import Tracker

place, processes = Path(sys.argv[1]), int(sys.argv[2])
(place / f"ready-{sys.argv[3]}").touch()
while len(list(place.glob("ready-*"))) < processes:
    time.sleep(0.005)
print(Tracker(folder=str(place / "mlflow"))._client.get_experiment("0").name)
"""
PROCESSES = 3


def test_runs_that_reach_a_new_database_at_once_do_not_break_each_other(tmp_path):
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", CONNECTION, str(tmp_path), str(PROCESSES), str(number)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    said = [process.communicate(timeout=120) for process in started]

    assert [process.returncode for process in started] == [0] * PROCESSES, said
    assert [words.strip() for words, _ in said] == ["Default"] * PROCESSES
