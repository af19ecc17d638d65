"""Command line. Exit 0 is good, 1 is bad data, 2 is no data."""

import argparse
import sys
from datetime import datetime, timezone
from pathlib import Path

from . import checks
from .restore import RestoreError, restored


def run(db, args):
    results = [
        checks.guarded("integrity", checks.integrity, db),
        checks.guarded("foreign_keys", checks.foreign_keys, db),
        checks.guarded("not_empty", checks.not_empty, db),
    ]
    if args.newest:
        results.append(checks.guarded(
            "newest", checks.newest, db, args.newest, args.max_age))
    if args.checks:
        for name, query in checks.split_checks(args.checks.read_text()):
            results.append(checks.guarded(name, checks.custom, db, name, query))
    return results


def show(results):
    width = max(len(r.name) for r in results)
    for r in results:
        print(f"{'ok' if r.ok else 'FAIL':<4}  {r.name:<{width}}  {r.detail}")


def append_log(path, backup, size, seconds, failed, verdict):
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    fields = [now, backup, size, f"{seconds:.2f}", failed, verdict]
    with open(path, "a", encoding="utf-8") as f:
        f.write("\t".join(str(x) for x in fields) + "\n")


def parse(argv):
    p = argparse.ArgumentParser(prog="restorecheck", description=__doc__)
    p.add_argument("backup", type=Path)
    p.add_argument("--newest", metavar="TABLE.COLUMN")
    p.add_argument("--max-age", type=checks.parse_hours, default="26h")
    p.add_argument("--checks", type=Path, metavar="FILE.sql")
    p.add_argument("--log", type=Path, metavar="FILE.tsv")
    return p.parse_args(argv)


def main(argv=None):
    args = parse(argv)
    try:
        with restored(args.backup) as r:
            results = run(r.db, args)
            size, seconds = r.size, r.seconds
    except RestoreError as e:
        print(f"NO RESTORE  {e}", file=sys.stderr)
        if args.log:
            append_log(args.log, args.backup, 0, 0, 0, "no-restore")
        return 2
    show(results)
    failed = sum(not r.ok for r in results)
    print(f"{failed} of {len(results)} checks failed. "
          f"Restored {size / 1e6:.1f} MB in {seconds:.1f} s.")
    if args.log:
        append_log(args.log, args.backup, size, seconds, failed,
                   "failed" if failed else "ok")
    return 1 if failed else 0
