// The patient draughtsman over again, for the browser. There is no heap in it,
// since a river upon a screen has seldom more than a few hundred bends, and I
// would rather that it could be read aloud.

/** The smallness of a wriggle, by which it may be judged. */
export function triangleArea(a, b, c) {
  return Math.abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1])) / 2;
}

/** Take away the lightest point, again and again, until none is light enough. */
export function visvalingam(line, smallest, pinned = new Set()) {
  const points = line.map((point, i) => ({ point, pin: pinned.has(i) }));
  for (;;) {
    let lightest = Infinity;
    let where = -1;
    for (let i = 1; i < points.length - 1; i++) {
      if (points[i].pin) continue;
      const area = triangleArea(points[i - 1].point, points[i].point, points[i + 1].point);
      if (area < lightest) {
        lightest = area;
        where = i;
      }
    }
    if (where < 0 || lightest >= smallest) break;
    points.splice(where, 1);
  }
  return points.map(({ point }) => point);
}
