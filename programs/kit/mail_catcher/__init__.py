"""A mail server that delivers nothing: it keeps an environment's messages, and shows them on a web page.

It runs in the environment's sandbox, as ``main.py``. Everything in a message is untrusted, and so is who sends it.
"""
