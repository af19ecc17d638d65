"""A few humble measurements, from which all of the rest is made.

Points are pairs, ``(x, y)``, upon a plane that somebody has already had the
goodness to project; a line is any sequence of such points, in the order in
which a drop of water would arrive at them.
"""

import math


def distance(a, b):
    """As the crow goes, who has never been asked to follow a river."""
    return math.hypot(b[0] - a[0], b[1] - a[1])


def length(line):
    """As the water goes, from the first point through every other to the last."""
    return sum(distance(a, b) for a, b in zip(line, line[1:]))


def sinuosity(line):
    """How much a river wanders: its own length, over that of the crow.

    A canal gives 1.0, or near it, whilst anything above 1.5 is commonly said
    to meander. A line that comes home to where it began has, in this sense,
    wandered infinitely, and we say so.
    """
    straight = distance(line[0], line[-1])
    if straight == 0:
        return math.inf
    return length(line) / straight


def triangle_area(a, b, c):
    """The smallness of a wriggle, by which it may be judged."""
    return abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])) / 2.0


def distance_to_chord(point, start, end):
    """How far a point stands off from the ruler laid between two others.

    The ruler has ends, and we do not look beyond them: a point that lies past
    the end of it is measured from the end. Where both of the ends fall upon
    one spot, there is no ruler, and only the plain distance is left to us.
    """
    dx, dy = end[0] - start[0], end[1] - start[1]
    squared = dx * dx + dy * dy
    if squared == 0:
        return distance(point, start)
    along = ((point[0] - start[0]) * dx + (point[1] - start[1]) * dy) / squared
    along = min(1.0, max(0.0, along))
    return distance(point, (start[0] + along * dx, start[1] + along * dy))


def bearing_changes(line):
    """The turn at each inner point, in degrees, with left counted positive."""
    turns = []
    for a, b, c in zip(line, line[1:], line[2:]):
        before = math.atan2(b[1] - a[1], b[0] - a[0])
        after = math.atan2(c[1] - b[1], c[0] - b[0])
        turn = math.degrees(after - before)
        turns.append((turn + 180.0) % 360.0 - 180.0)
    return turns
