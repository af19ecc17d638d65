"""The command, for people who keep their rivers in GeoJSON."""

import argparse
import json
from collections import Counter

from .geometry import length
from .simplify import douglas_peucker, visvalingam
from .smooth import chaikin

METHODS = {"visvalingam": visvalingam, "douglas-peucker": douglas_peucker}


def meetings(lines):
    """Every point that is touched by more than one of the lines."""
    seen = Counter(point for line in lines for point in set(line))
    return {point for point, times in seen.items() if times > 1}


def soften(line, method, tolerance, rounds, held):
    """Simplify one line, and then smooth it from each meeting to the next.

    Chaikin would carry a confluence off with the rest of the corners, and so
    we smooth in reaches, each of which begins and ends where it is held.
    """
    pinned = {i for i, point in enumerate(line) if point in held}
    kept = METHODS[method](line, tolerance, pinned=pinned)
    smoothed, reach = [kept[0]], [kept[0]]
    for i, point in enumerate(kept[1:], start=1):
        reach.append(point)
        if point in held or i == len(kept) - 1:
            smoothed.extend(chaikin(reach, rounds)[1:])
            reach = [point]
    return smoothed


def main(argv=None):
    """Read the rivers, quieten them, and put them back."""
    parser = argparse.ArgumentParser(prog="gentle-lines", description=__doc__)
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--method", choices=sorted(METHODS), default="visvalingam")
    parser.add_argument("--tolerance", type=float, required=True)
    parser.add_argument("--smooth", type=int, default=0, metavar="ROUNDS")
    args = parser.parse_args(argv)

    with open(args.source, encoding="utf-8") as handle:
        collection = json.load(handle)
    rivers = [f for f in collection["features"] if f["geometry"]["type"] == "LineString"]
    lines = [[tuple(p[:2]) for p in f["geometry"]["coordinates"]] for f in rivers]
    held = meetings(lines)
    was = now = 0.0
    for feature, line in zip(rivers, lines):
        gentle = soften(line, args.method, args.tolerance, args.smooth, held)
        feature["geometry"]["coordinates"] = [list(point) for point in gentle]
        was, now = was + length(line), now + length(gentle)
    with open(args.target, "w", encoding="utf-8") as handle:
        json.dump(collection, handle, ensure_ascii=False)
    if was:
        print(f"{len(lines)} lines, of which {now / was:.1%} of the length remains")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
