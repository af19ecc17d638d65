"""Checks. Each one takes a connection and returns a Result."""

import re
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timezone

HEADER = re.compile(r"^--\s*check:\s*(.+?)\s*$", re.MULTILINE)
UNITS = {"m": 1 / 60, "h": 1, "d": 24}


@dataclass
class Result:
    name: str
    ok: bool
    detail: str


def _quote(name):
    return '"' + name.replace('"', '""') + '"'


def parse_hours(text):
    """'90m' is 1.5. '26h' is 26. '2d' is 48. No unit is an error."""
    m = re.fullmatch(r"(\d+(?:\.\d+)?)([mhd])", text)
    if not m:
        raise ValueError(f"bad age {text!r}, try 26h")
    return float(m[1]) * UNITS[m[2]]


def integrity(db):
    rows = [r[0] for r in db.execute("PRAGMA integrity_check(5)")]
    return Result("integrity", rows == ["ok"], "; ".join(rows))


def foreign_keys(db):
    bad = db.execute("PRAGMA foreign_key_check").fetchall()
    if not bad:
        return Result("foreign_keys", True, "no orphans")
    tables = ", ".join(sorted({r[0] for r in bad}))
    return Result("foreign_keys", False, f"{len(bad)} orphans in {tables}")


def not_empty(db):
    names = [r[0] for r in db.execute(
        "SELECT name FROM sqlite_master"
        " WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    )]
    total = sum(
        db.execute(f"SELECT count(*) FROM {_quote(n)}").fetchone()[0]
        for n in names
    )
    return Result("not_empty", total > 0, f"{len(names)} tables, {total} rows")


def newest(db, column, max_hours, now=None):
    """column is 'table.column' and holds ISO text or unix seconds."""
    table, _, col = column.partition(".")
    # Double quotes fall back to a string in SQLite. A typo must not pass.
    known = [r[1] for r in db.execute(f"PRAGMA table_info({_quote(table)})")]
    if col not in known:
        return Result("newest", False, f"there's no {column}")
    value = db.execute(
        f"SELECT max({_quote(col)}) FROM {_quote(table)}"
    ).fetchone()[0]
    if value is None:
        return Result("newest", False, f"{column} has no values")
    try:
        if isinstance(value, (int, float)):
            at = datetime.fromtimestamp(value, timezone.utc)
        else:
            at = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return Result("newest", False, f"{column} isn't a time: {value!r}")
    if at.tzinfo is None:
        at = at.replace(tzinfo=timezone.utc)  # local time is your problem
    now = now or datetime.now(timezone.utc)
    hours = (now - at).total_seconds() / 3600
    return Result(
        "newest",
        0 <= hours <= max_hours,  # the future is wrong too
        f"{column} is {hours:.1f}h old, limit {max_hours:.1f}h",
    )


def split_checks(text):
    """Cut a SQL file into (name, query) pairs."""
    parts = HEADER.split(text)[1:]
    return [(n, q.strip()) for n, q in zip(parts[::2], parts[1::2])]


def custom(db, name, query):
    rows = db.execute(query).fetchall()
    if not rows:
        return Result(name, True, "no rows")
    return Result(name, False, f"{len(rows)} rows, first: {rows[0]}")


def guarded(name, check, *args):
    """Run one check. A check that blows up has failed."""
    try:
        return check(*args)
    except sqlite3.Error as e:
        return Result(name, False, str(e))
