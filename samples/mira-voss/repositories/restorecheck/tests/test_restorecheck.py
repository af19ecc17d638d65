import contextlib
import gzip
import io
import sqlite3
import tempfile
import unittest
from datetime import datetime, timezone
from pathlib import Path

from restorecheck import checks
from restorecheck.cli import main

SCHEMA = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, total_cents INT, created_at TEXT);
CREATE TABLE payments (
    id INTEGER PRIMARY KEY, order_id INT REFERENCES orders(id));
INSERT INTO orders VALUES (1, 500, '2024-05-01T06:00:00Z');
INSERT INTO payments VALUES (1, 1);
"""


class RestoreCheck(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.dir = Path(tmp.name)
        self.db = self.dir / "app.db"
        self.sql(SCHEMA)

    def sql(self, script):
        with contextlib.closing(sqlite3.connect(self.db)) as db:
            db.executescript(script)

    def run_main(self, *argv):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            code = main([str(a) for a in argv])
        return code, out.getvalue()

    def test_good_backup(self):
        code, out = self.run_main(self.db)
        self.assertEqual(code, 0, out)

    def test_gzip_and_log(self):
        gz = self.dir / "app.db.gz"
        gz.write_bytes(gzip.compress(self.db.read_bytes()))
        log = self.dir / "restores.tsv"
        self.assertEqual(self.run_main(gz, "--log", log)[0], 0)
        self.assertEqual(log.read_text().rstrip().split("\t")[-1], "ok")

    def test_error_message_is_not_a_backup(self):
        self.db.write_text("fe_sendauth: no password supplied")
        self.assertEqual(self.run_main(self.db)[0], 2)

    def test_cut_gzip(self):
        gz = self.dir / "app.db.gz"
        gz.write_bytes(gzip.compress(self.db.read_bytes())[:-20])
        self.assertEqual(self.run_main(gz)[0], 2)

    def test_dump_must_commit(self):
        with contextlib.closing(sqlite3.connect(self.db)) as db:
            lines = list(db.iterdump())
        dump = self.dir / "app.sql"
        dump.write_text("\n".join(lines))
        self.assertEqual(self.run_main(dump)[0], 0)
        dump.write_text("\n".join(lines[:-1]))
        self.assertEqual(self.run_main(dump)[0], 2)

    def test_orphan(self):
        self.sql("DELETE FROM orders;")
        code, out = self.run_main(self.db)
        self.assertEqual(code, 1)
        self.assertIn("1 orphans in payments", out)

    def test_custom_check(self):
        self.sql("UPDATE orders SET total_cents = -1;")
        f = self.dir / "c.sql"
        f.write_text("-- check: neg\nSELECT id FROM orders"
                     " WHERE total_cents < 0;\n")
        code, out = self.run_main(self.db, "--checks", f)
        self.assertEqual(code, 1)
        self.assertRegex(out, r"FAIL\s+neg\s+1 rows")

    def test_newest(self):
        now = datetime(2024, 5, 1, 12, 0, tzinfo=timezone.utc)
        with contextlib.closing(sqlite3.connect(self.db)) as db:
            def age(col, limit):
                return checks.newest(db, col, limit, now).ok
            self.assertTrue(age("orders.created_at", 26))
            self.assertFalse(age("orders.created_at", 5))
            self.assertFalse(age("orders.typo", 26))

    def test_hours(self):
        self.assertEqual(checks.parse_hours("90m"), 1.5)
        with self.assertRaises(ValueError):
            checks.parse_hours("26")


if __name__ == "__main__":
    unittest.main()
