#!/usr/bin/env bash
# Back up. Restore. Check. Tell someone if it's bad.
set -euo pipefail

DB="${1:?usage: nightly.sh app.db backup-dir}"
DIR="${2:?usage: nightly.sh app.db backup-dir}"
OUT="$DIR/app-$(date -u +%Y-%m-%dT%H%M%S).db"

sqlite3 "$DB" "VACUUM INTO '$OUT'"
gzip "$OUT"

restorecheck "$OUT.gz" \
	--checks "$(dirname "$0")/checks.sql" \
	--log "$DIR/restores.tsv"
