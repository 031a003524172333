"""The shell script that fills a database only once, and the SQL that marks it as filled.

The mark is a comment on the schema, written in the transaction of the scripts, so an interrupted run leaves none.
"""

from __future__ import annotations

_FILLED_COMMENT = "filled by eph"
MARK_FILLED = (
    f"DO 'BEGIN COMMENT ON SCHEMA public IS ''{_FILLED_COMMENT}''; "
    "EXCEPTION WHEN insufficient_privilege OR invalid_schema_name THEN NULL; END'"
)
RUN_ONCE = f"""\
mark=$(psql "$DATABASE_URL" -XAtc "SELECT obj_description(to_regnamespace('public'), 'pg_namespace')")
[ "$mark" != "{_FILLED_COMMENT}" ] || {{ echo "it was filled before"; exit 0; }}
exec psql "$DATABASE_URL" -X -q -v ON_ERROR_STOP=1 -1 "$@"
"""
