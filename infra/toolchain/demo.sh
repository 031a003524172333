#!/bin/sh
# `make demo`: says at once what happens, installs what is missing, and starts the demo.
#
# Ctrl-C ends the demo as it should, so it isn't an error here: make would print one.
set -eu
cd "$(dirname "$0")/../.."

trap 'interrupted=1' INT
interrupted=
finish() {
  [ "$1" = 130 ] || [ -n "$interrupted" ] && exit 0
  exit "$1"
}

printf 'demo: checking what this machine has (the first start installs Python packages and Pulumi; it takes minutes)\n' >&2
infra/toolchain/system.sh || finish $?
infra/toolchain/venv.sh || finish $?
case " $* " in *" compose "* | *"=compose "*) infra/toolchain/engine.sh || finish $? ;; esac
case " $* " in *" pipeline "* | *"=pipeline "*)
  EPH_TEST_AIRFLOW_PYTHON=$(infra/toolchain/airflow.sh) || finish $?
  export EPH_TEST_AIRFLOW_PYTHON
  ;;
esac
case " $* " in *" aws "* | *"=aws "*)
  infra/toolchain/engine.sh || finish $?
  infra/toolchain/registry.sh >/dev/null || finish $?
  EPH_TEST_MINISTACK_PYTHON=$(infra/toolchain/ministack.sh) || finish $?
  export EPH_TEST_MINISTACK_PYTHON
  plugin=$(infra/toolchain/aws_plugin.sh) || finish $?
  PATH=$plugin:$PATH
  ;;
esac
.venv/bin/python -m orchestrator.cli.main demo "$@" || finish $?
finish 0
