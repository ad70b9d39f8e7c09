"""The look-up service beside what else could answer look-ups: on the same store and rows, with pinned cores.

``naive`` is the yardsticks in Python, ``servers`` starts them, webdis and the service. ``contenders`` are a server and what it is
asked; ``agreement`` compares their answers before anything is timed. ``wrk`` asks as fast as answers come, ``driving`` also at a
rate, ``highest`` looks for the highest rate. ``cases`` measures all in turns, ``run`` also overload and starts. ``plan`` says how
much, ``results`` what was found, ``judging`` what is required of it, ``table`` and ``html`` show it.
"""
