#!/bin/sh
# Fills a new database; an existing one stays as it is.
set -eu
[ -z "$(psql -Atc "SELECT to_regclass('products')")" ] || exit 0
psql -q -v ON_ERROR_STOP=1 -1 -f /sql/schema.sql -f /sql/rows.sql
