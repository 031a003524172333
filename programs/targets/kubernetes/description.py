"""What Eph knows about the Kubernetes target before it runs anything there."""

from __future__ import annotations

from programs.drift_wording import DriftWording
from programs.kit.server_engines import engines
from programs.registry import TargetDescription
from programs.spec import POSTGRESQL
from programs.targets.kubernetes import detection, eph_yaml_section
from programs.targets.kubernetes.eph_yaml_section import KubernetesSection
from programs.targets.kubernetes.settings_table import KubernetesTargetSettings

STRATEGIES = ("empty", "seed", "template")
DESCRIPTION = TargetDescription(
    title="The target `kubernetes`.",
    settings_model=KubernetesTargetSettings,
    section_model=KubernetesSection,
    problems=eph_yaml_section.problems,
    notices=eph_yaml_section.notices,
    detect=detection.detect,
    database_strategies=STRATEGIES,
    database_engines=(POSTGRESQL, *engines.ENGINES),
    catches_mail=True,
    runs_images=True,
    runs_tests=True,
    trusted_authors_only=False,
    plugins=("kubernetes",),
    tools=("helm", "kustomize"),
    drift_wording=DriftWording(containers=frozenset({"namespace"})),
)
