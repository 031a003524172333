#!/bin/sh
# Installs MiniStack, a stand-in for AWS that runs real containers and a real PostgreSQL on Docker's engine, for the
# tests of the target `aws`, and prints the path of its Python interpreter. `ministack.sh --find` only prints the path,
# and fails if it isn't installed. `ministack.sh --lock` resolves ministack/requirements.lock.
exec "$(dirname "$0")/python_tool.sh" ministack "$@"
