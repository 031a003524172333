"""The target ``folders``: an environment is a folder of web pages, served by a small process.

It shows what a target of another distribution brings. Nothing in Eph refers to it.
"""
