"""Operations as processes on the machine of ephd."""

from stacks.executors.port import ExecutorAdapter
from stacks.executors.process.process_executor import ProcessExecutor

ADAPTER = ExecutorAdapter("process", ProcessExecutor)
