"""The story on the target `pipeline`: the same steps, with DAGs on a shared Airflow and rows of their own."""

from __future__ import annotations

from orchestrator.demo.airflow import pipeline_repository
from orchestrator.demo.airflow.pipeline_repository import PRICES, TOTAL
from orchestrator.demo.story import wording
from orchestrator.demo.story.blackbox import StepFailed
from orchestrator.demo.story.story import UPDATE_TIMEOUT, Preview, Story, StoryResult

SHOP = pipeline_repository.shop_files()
ANOTHER_TOTAL = "INSERT INTO daily_totals (day, cents) VALUES ('2026-12-24', 2412);\n"


class PipelineStory(Story):
    rows: tuple[str, ...] = ("DAG orders",)

    async def play(self) -> StoryResult:
        before = self._shared_rows()
        result = await super().play()
        if self._shared_rows() != before:
            raise StepFailed(wording.SHARED_TABLES_CHANGED)
        return result

    async def _push(self, preview: Preview) -> str:
        """The commit's own run of the DAG is a test result on the pull request, and its rows are in its schema."""
        self._say(wording.pushing(preview, wording.ANOTHER_QUERY))
        sha = await self._push_files(preview, {TOTAL: ANOTHER_TOTAL}, wording.ANOTHER_TOTAL)
        self.result.update = await self._wait_for_page(wording.PUSH_IS_LIVE, preview, sha, *self.rows)
        self._say(wording.push_live(preview, self.result.update))
        await self._check_report(preview, sha, "success", "Ready", sha[:7], "orders", within=UPDATE_TIMEOUT)
        self._check_rows()
        self._say(wording.DAGS_HAVE_RUN)
        return sha

    async def _break(self, preview: Preview, running: str) -> None:
        self._say(wording.pushing(preview, wording.BROKEN_CHANGE))
        sha = await self._push_files(preview, {PRICES: "import nosuchmodule\n"}, wording.NO_PRICES)
        await self._check_report(preview, sha, "failure", wording.import_error(PRICES), sha[:7], within=UPDATE_TIMEOUT)
        if problem := await self._page_problem(preview.host, running, *self.rows):
            raise StepFailed(wording.previous_page_lost(sha, running, problem))
        self._say(wording.broken_build(preview))

    async def _fix(self, preview: Preview) -> None:
        self._say(wording.pushing(preview, wording.FIX))
        sha = await self._push_files(preview, {PRICES: SHOP[PRICES]}, wording.PRICES_BACK)
        await self._wait_for_page(wording.FIXED_DAGS_ARE_LIVE, preview, sha, *self.rows)
        await self._check_report(preview, sha, "success", "Ready", sha[:7], within=UPDATE_TIMEOUT)
        self._say(wording.fixed(preview))
        code, output = await self._client.run_job(preview.host.partition(".")[0], "orders")
        if code != 0:
            raise StepFailed(wording.run_failed(output))
        self._say(wording.DAG_STARTED_BY_HAND)

    async def _page_problem(self, host: str, *parts: str) -> str:
        """Its first part is a commit, which the page shortens."""
        return await super()._page_problem(host, parts[0][:12], *parts[1:])

    async def _check_report(
        self, preview: Preview, sha: str, check: str, *parts: str, within: float = UPDATE_TIMEOUT
    ) -> None:
        """The check waits for the run of the DAG."""
        await super()._check_report(preview, sha, check, *parts, within=within)

    def _shared_rows(self) -> object:
        return self._world.pipelines.warehouse.shared_rows() if self._world.pipelines else None

    def _check_rows(self) -> None:
        """Both environments ran the DAG of the same name: one wrote the row of its push, the other didn't."""
        if self._world.pipelines is None:
            return
        data = self._world.pipelines.warehouse
        schemas = [str(row[0]) for row in data.query("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'eph\\_%'")]
        found = [data.query(f"SELECT count(*) FROM {name}.daily_totals WHERE cents = 2412")[0][0] for name in schemas]  # noqa: S608 - names of ours
        if sorted(map(str, found)) != ["0", "1"]:
            raise StepFailed(wording.wrong_rows(dict(zip(schemas, found, strict=True))))
