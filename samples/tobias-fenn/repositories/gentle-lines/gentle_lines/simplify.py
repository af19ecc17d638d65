"""Two draughtsmen, who share an office and do not speak.

Both of them take a line and give back a shorter one, whose points are always
a selection of the points that they were given; neither will invent a place.
The ``pinned`` argument holds the positions (counted from nought) of whatever
must upon no account be taken away, such as a confluence, a bridge, or a ford.
"""

import heapq

from .geometry import distance_to_chord, triangle_area


def _kept_for_certain(line, pinned):
    """The two ends, and the pins, in the order of the stream."""
    last = len(line) - 1
    for index in pinned:
        if not 0 <= index <= last:
            raise IndexError(f"there is no point {index} upon this line to be pinned")
    return sorted({0, last, *pinned})


def douglas_peucker(line, tolerance, pinned=()):
    """Keep whatever stands out by more than the tolerance, and no more.

    We go about it with a stack of our own instead of calling ourselves again,
    since there are rivers with more bends in them than Python has patience.
    """
    if len(line) < 3:
        return list(line)
    keep = set(_kept_for_certain(line, pinned))
    fixed = sorted(keep)
    reaches = list(zip(fixed, fixed[1:]))
    while reaches:
        start, end = reaches.pop()
        furthest, index = 0.0, None
        for i in range(start + 1, end):
            off = distance_to_chord(line[i], line[start], line[end])
            if off > furthest:
                furthest, index = off, i
        if index is not None and furthest > tolerance:
            keep.add(index)
            reaches.append((start, index))
            reaches.append((index, end))
    return [line[i] for i in sorted(keep)]


def visvalingam(line, smallest, pinned=()):
    """Take away the smallest wriggle, and then the smallest of what remains.

    Every inner point is weighed by the triangle that it makes with its two
    neighbours, and we go on removing the lightest until none is lighter than
    ``smallest``. When a point goes, its neighbours are weighed afresh, though
    never as lighter than the one that has gone; otherwise a long slow bend
    might be undone all at once by the loss of a single pebble.
    """
    if len(line) < 3:
        return list(line)
    fixed = set(_kept_for_certain(line, pinned))
    before = {i: i - 1 for i in range(1, len(line))}
    after = {i: i + 1 for i in range(len(line) - 1)}
    weight = {}
    heap = []

    def weigh(i, at_least=0.0):
        area = triangle_area(line[before[i]], line[i], line[after[i]])
        weight[i] = max(area, at_least)
        heapq.heappush(heap, (weight[i], i))

    for i in range(1, len(line) - 1):
        if i not in fixed:
            weigh(i)

    gone = set()
    while heap:
        area, i = heapq.heappop(heap)
        if i in gone or area != weight[i]:
            continue  # an old opinion of this point, since revised
        if area >= smallest:
            break
        gone.add(i)
        left, right = before[i], after[i]
        after[left], before[right] = right, left
        for neighbour in (left, right):
            if neighbour not in fixed:
                weigh(neighbour, at_least=area)
    return [point for i, point in enumerate(line) if i not in gone]
