"""Some rivers of known character, and what ought to become of them."""

import json
import math
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from gentle_lines import (  # noqa: E402
    bearing_changes, chaikin, douglas_peucker, length, sinuosity, visvalingam,
)
from gentle_lines.__main__ import main  # noqa: E402

BECK = [(0, 0), (1, 0.1), (2, -0.1), (3, 5), (4, 6), (5, 7), (6, 8.1), (7, 9), (8, 9), (9, 9)]


def test_a_canal_does_not_wander():
    assert sinuosity([(0, 0), (5, 0), (9, 0)]) == 1.0
    assert sinuosity([(0, 0), (1, 1), (0, 0)]) == math.inf


def test_turns_are_counted_to_the_left():
    assert [round(t) for t in bearing_changes([(0, 0), (1, 0), (1, 1), (2, 1)])] == [90, -90]


def test_the_severe_draughtsman_keeps_what_stands_out():
    assert douglas_peucker(BECK, 1.0) == [(0, 0), (2, -0.1), (3, 5), (7, 9), (9, 9)]
    assert douglas_peucker(BECK, 100) == [(0, 0), (9, 9)]


def test_the_patient_one_wears_away_the_smallest_first():
    worn = visvalingam([(0, 0), (1, 0.1), (2, 0), (3, 4), (4, 0)], smallest=1.0)
    assert worn == [(0, 0), (2, 0), (3, 4), (4, 0)]


def test_both_of_them_respect_a_pin():
    for method in (douglas_peucker, visvalingam):
        assert BECK[4] in method(BECK, 1000, pinned={4})
        assert len(method(BECK, 1000, pinned={4})) == 3


def test_smoothing_leaves_the_ends_where_they_were():
    soft = chaikin([(0, 0), (4, 4), (8, 0)], rounds=1)
    assert soft == [(0, 0), (3, 3), (5, 3), (8, 0)]
    assert length(soft) < length([(0, 0), (4, 4), (8, 0)])


def test_a_confluence_survives_the_command():
    meeting = [5.0, 0.2]
    rivers = [
        [[0.0, 0.0], [2.0, 0.1], meeting, [7.0, 0.1], [10.0, 0.0]],
        [[5.0, 9.0], [5.3, 4.0], meeting],
    ]
    features = [
        {"type": "Feature", "properties": {}, "geometry": {"type": "LineString", "coordinates": r}}
        for r in rivers
    ]
    with tempfile.TemporaryDirectory() as folder:
        source, target = pathlib.Path(folder, "in.json"), pathlib.Path(folder, "out.json")
        source.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        assert main([str(source), str(target), "--tolerance", "50", "--smooth", "2"]) == 0
        after = json.loads(target.read_text())["features"]
    assert all(meeting in f["geometry"]["coordinates"] for f in after)


if __name__ == "__main__":
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print("well:", name.replace("_", " "))
