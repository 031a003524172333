"""Masks a restored snapshot before its data is reachable.

The restored instance gets a new password that only this step receives. It masks the data in one transaction, rewrites
the tables so that no page still holds the old rows, and only then creates the role with which services connect. So the
data is sealed until the mask has succeeded, also if AWS or a person replaces the instance later: a new instance doesn't
have the role.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
from pulumi import Output

ROLE = "eph_app"
_PSQL = 'psql -X -q -v ON_ERROR_STOP=1 "$MASK_URL"'
COMMAND = " && ".join(
    [
        "set -eu",
        f'printf "%s\\n" "$MASK_SQL" | {_PSQL} --single-transaction -f -',
        f'{_PSQL} -c "VACUUM FULL"',
        f'printf "%s\\n" "$ROLE_SQL" | {_PSQL} --single-transaction -f -',
    ]
)


@dataclass(frozen=True)
class Mask:
    """``secrets``: the ARN by variable. ``key``: changes with the instance and with the mask, so that both cause a new
    run."""

    secrets: dict[str, Output[str]]
    key: Output[str]
    instance: pulumi.Resource


def role_sql(password: str) -> str:
    """Run by the snapshot's owner, who isn't a superuser on RDS and, since PostgreSQL 16, can't grant itself to others.
    So the role receives what the owner has, because migrations must be able to change everything, and the roles that
    own the rest, as far as the owner administers them."""
    return _ROLE_SQL.replace("$PASSWORD", password)


_ROLE_SQL = """
DO $$
DECLARE other name;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'eph_app') THEN CREATE ROLE eph_app; END IF;
  EXECUTE format('GRANT eph_app TO %I', current_user);
  EXECUTE format('GRANT ALL ON DATABASE %I TO eph_app', current_database());
  FOR other IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)' LOOP
    EXECUTE format('GRANT ALL ON SCHEMA %I TO eph_app', other);
  END LOOP;
  REASSIGN OWNED BY CURRENT_USER TO eph_app;
  FOR other IN SELECT rolname FROM pg_roles
      WHERE rolname !~ '^(pg_|rds)' AND NOT rolsuper AND rolname NOT IN (current_user, 'eph_app') LOOP
    BEGIN
      EXECUTE format('GRANT %I TO eph_app', other);
    EXCEPTION WHEN insufficient_privilege OR invalid_grant_operation THEN NULL;
    END;
  END LOOP;
END $$;
ALTER ROLE eph_app LOGIN PASSWORD '$PASSWORD';
"""
