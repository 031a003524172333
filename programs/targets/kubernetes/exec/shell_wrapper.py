"""The shell around a command in a container, which ends everything that the command leaves behind.

The API server can't kill a command: when its connection ends, the command runs on. So its processes get a variable that
marks them, and a shell in the same container kills those that have it. It uses only what every shell contains.
"""

from __future__ import annotations

STARTED = b"."
"""What the wrapper prints first: there is a shell, and the command starts now."""
_SWEEP = """\
sweep() {
  for place in /proc/[0-9]*; do
    while IFS= read -r line || [ -n "$line" ]; do
      case $line in *"EPH_EXEC=$1"*) kill -9 "${place#/proc/}" ;; esac
    done <"$place/environ"
  done 2>/dev/null
}
"""
_RUN = f"""\
{_SWEEP}
trap : HUP INT QUIT TERM
printf .
(
  EPH_EXEC=$1; export EPH_EXEC
  [ -z "$2" ] || {{ TERM=$2; export TERM; }}
  shift 2
  exec "$@"
)
code=$?
sweep "$1"
exit "$code"
"""
_END = f"""\
{_SWEEP}
sweep "$1"
sweep "$1"
exit 0
"""
PSQL_AT_SERVER = (
    "sh",
    "-c",
    "PGPASSWORD=$POSTGRES_PASSWORD; export PGPASSWORD; "
    'exec "$0" -h 127.0.0.1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" "$@"',
)
"""Before a client such as psql and its arguments: it connects as the environment's own role. The container has the
password; it isn't in the command."""


def run(mark: str, terminal: str, command: tuple[str, ...]) -> tuple[str, ...]:
    """``terminal`` is the value of TERM, or empty."""
    return ("sh", "-c", _RUN, "sh", mark, terminal, *command)


def end(mark: str) -> tuple[str, ...]:
    """Kills what is left of the command with that mark."""
    return ("sh", "-c", _END, "sh", mark)
