"""The look-up service beside what else could answer look-ups: on the same store and rows, with pinned cores.

``fixture`` makes users, titles and rows, ``store`` holds them. ``naive`` and ``modelled`` are the yardsticks in Python, and
``servers`` starts them, webdis and the service. ``agreement`` compares their answers before anything is timed.
``contenders`` are a server and what it is asked; ``closed`` and ``wrk`` ask as fast as answers come, ``driving`` at a rate,
``highest`` looks for the highest rate. ``cases``, ``overload`` and ``starting`` measure one part each, ``run`` all of them.
``results`` and ``targets`` say what was found and what is required, ``judging`` puts them together, ``table`` and ``html``
show it.
"""
