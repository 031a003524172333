"""``eph``: parses, calls the API and prints, nothing more. Only ``demo`` and ``doctor`` use other parts of Eph.

Commands import only packages that are installed without the extra ``server``, or name it first (``extras``). Importing
a command module must stay cheap: httpx, Rich and Pydantic are imported where they are used, so that ``eph --help`` and
completion respond immediately.
"""
