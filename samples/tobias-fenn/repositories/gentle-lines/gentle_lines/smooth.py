"""The rounding of elbows, after the manner of George Chaikin."""


def _between(a, b, share):
    """The place that lies a given share of the way from one point to another."""
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)


def chaikin(line, rounds=1, cut=0.25):
    """Cut each corner, and then the corners that the cutting has made.

    The ends of the line are left where they were, for a river that no longer
    reaches the sea has been smoothed too far. Two rounds will do for print;
    four are a little vain, and after six one is merely storing points.
    """
    if not 0 < cut < 0.5:
        raise ValueError("a corner may be cut by more than nothing and less than half")
    points = list(line)
    for _ in range(rounds):
        if len(points) < 3:
            break
        rounded = [points[0]]
        for i, (a, b) in enumerate(zip(points, points[1:])):
            if i > 0:
                rounded.append(_between(a, b, cut))
            if i < len(points) - 2:
                rounded.append(_between(a, b, 1 - cut))
        rounded.append(points[-1])
        points = rounded
    return points
