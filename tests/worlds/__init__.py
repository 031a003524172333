"""Worlds that tests and histories play in. The same act has the same verb in each.

==================  ===================================================================================
``Simulation``      the plan alone: pull requests, stacks and targets as values (``plan``)
``World``           a whole Eph in virtual time, composed of fakes: the stories
``ModelWorld``      the same with a Git host that lies and a machine that breaks in every step (``model``)
==================  ===================================================================================

People: ``open_pull``, ``push``, ``label``, ``unlabel``, ``close_pull``, ``merge``, ``request_action``. Time:
``run_cycle``, ``run_for``. Trouble: ``crash`` is ``kill -9`` and a new start; what else can break is a switch of the
fake that breaks (``world.forge.fail_next``, ``world.target.purge_error``). A world is asserted by the state that it
reached: ``view``, ``phase``, ``stack``, ``comment``.
"""
