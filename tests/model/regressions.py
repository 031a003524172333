"""Histories that once failed, each as short as possible: found by this model, or by chaos with the real components.
They must keep passing."""

from __future__ import annotations

from collections.abc import Mapping

from tests.model.steps import Step

REGRESSIONS: Mapping[str, list[Step]] = {
    "the clock is put back, and nobody looks at the Git host for an hour": [
        Step("open", 1, 0), Step("push", 1, 1), Step("jump", 7, 0),
    ],
    "the clock is put back while a build waits for its next try": [
        Step("open"), Step("fail", 0, 3), Step("pass", 0, 5), Step("jump", 0, 0), Step("push", 0, 0),
    ],
    "a tag is cut, its pull request goes, and nobody knows the environment's name": [
        Step("open"), Step("pass", 0, 5), Step("cut_tag"), Step("delete"), Step("pass", 0, 6),
    ],
    "a destroy is killed when all but its result is there, and its logs stay": [
        Step("open", 2, 0), Step("unlabel", 3, 6), Step("leftover", 6, 1), Step("kill", 2, 1),
    ],
    "two confirmations come while looks are under way, and each look forgets one as of the future, for ever": [
        Step("open", 5, 0), Step("open", 4, 0), Step("pass", 5, 6), Step("close", 2, 1), Step("crash", 6, 4),
    ],
    "parts are lost, and the clock is set back behind the build": [
        Step("open", 6, 0), Step("open", 2, 0), Step("wreck", 0, 1), Step("jump", 0, 1),
    ],
    "chaos: ephd is killed with a comment that is not true any more": [
        Step("open", 0, 6), Step("pass", 0, 4), Step("unlabel", 0, 0), Step("crash", 0, 4), Step("pass", 0, 6),
    ],
    "chaos: one refusal silences nobody, nor swallows a last word": [
        Step("open"), Step("pass", 0, 5), Step("mood", 1, 2), Step("unlabel"), Step("pass", 0, 6), Step("honest"),
        Step("pass", 0, 6),
    ],
    "chaos: told that it is gone, and not otherwise by an older look": [
        Step("open"), Step("pass", 0, 5), Step("close"), Step("pass", 0, 2), Step("pass", 0, 3), Step("push"),
    ],
    "chaos: a tag of a stack that never came to be": [
        Step("open"), Step("kill"), Step("unlabel", 1, 0), Step("pass", 0, 4),
    ],
    "chaos: what left without a destroy leaves no logs": [
        Step("open"), Step("kill"), Step("unlabel", 1, 0), Step("crash", 1, 4),
    ],
    "chaos: a tag that was cut does not stop the destroy": [
        Step("open"), Step("pass", 0, 5), Step("cut_tag"), Step("close", 1, 0),
    ],
}  # fmt: skip
