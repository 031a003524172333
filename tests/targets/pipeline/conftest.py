"""One Airflow for all tests of this folder: it takes a minute to start, and 1.5 GB of memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.targets.pipeline import pipeline_machine
from tests.targets.pipeline.pipeline_machine import PipelineMachine


@pytest.fixture(scope="session")
def pipelines() -> Iterator[PipelineMachine]:
    with pipeline_machine.pipeline_machine() as machine:
        yield machine
