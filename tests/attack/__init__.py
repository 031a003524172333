"""Every attack that we know, tried against a whole Eph: ``make attack``.

``attack`` says what an attack is, ``arena`` builds the Eph that is attacked, ``families`` holds the attacks, and
``runner`` tries them one after the other. ``cluster`` is the same for previews on Kubernetes: ``make attack-cluster``.
An attack that can't fail would prove nothing, so ``missing_guards`` removes guards and sees that attacks
succeed.
"""
