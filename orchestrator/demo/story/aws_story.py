"""The story on the target `aws`: the same steps, and an audit of the account while both environments are live."""

from __future__ import annotations

from orchestrator.demo.story import wording
from orchestrator.demo.story.blackbox import StepFailed
from orchestrator.demo.story.story import Preview, Story


class AwsStory(Story):
    async def _check_stack_list(self, *previews: Preview) -> None:
        await super()._check_stack_list(*previews)
        if orphans := await self._client.orphans():
            raise StepFailed(wording.orphans_found(orphans))
        self._say(wording.NO_ORPHANS)
