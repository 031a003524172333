"""What Eph knows about the AWS target before it runs anything there."""

from __future__ import annotations

from programs.registry import TargetDescription
from programs.targets.aws import eph_yaml_section, spec_checks
from programs.targets.aws.eph_yaml_section import AwsSection
from programs.targets.aws.settings_table import AwsTargetSettings

DESCRIPTION = TargetDescription(
    title="The target `aws`.",
    settings_model=AwsTargetSettings,
    section_model=AwsSection,
    problems=eph_yaml_section.problems,
    notices=eph_yaml_section.notices,
    database_strategies=spec_checks.STRATEGIES,
    runs_images=True,
    runs_tests=True,
    plugins=("aws",),
)
