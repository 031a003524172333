"""Every attack that we know, tried against a whole Eph: ``make attack``.

``attack`` says what an attack is, ``arena`` builds the Eph that is attacked, ``families`` holds the attacks, and
``runner`` tries them one after the other. An attack that can't fail would prove nothing, so
``test_missing_guards.py`` removes guards and sees that attacks succeed.
"""
