"""The conformance suite for targets, of Eph and of other packages (T6).

It needs pytest: Eph's extra ``conformance`` installs it.

A target's author writes a class with what only the author knows, and pytest finds the tests in it::

    from orchestrator.conformance.suite import Commit, TargetConformance

    FILE = 'version: "1.0"\\nname: demo\\npages: {file: index.html}\\n'

    class TestPages(TargetConformance):
        target = "pages"
        first = Commit({"eph.yaml": FILE, "index.html": "one"}, answers="one")
        second = Commit({"eph.yaml": FILE, "index.html": "two"}, answers="two")
        broken = Commit({"eph.yaml": FILE})
"""
