"""What gets built: inline Pulumi programs and the contract they share.

A program receives an :class:`programs.spec.EnvironmentSpec` and nothing else. This package knows nothing about pull
requests, Git hosts or stacks, and imports nothing from the rest of Eph.
"""

from programs import moved_modules

moved_modules.install()
