"""How fast the parts are on this machine, beside other libraries: checked first, then timed in pairs.

``timing`` runs pairs on one core, ``checks`` compares answers with independent ones, ``data`` makes what all sides get, and
``rivals`` are other libraries behind one interface. ``decisions``, ``winning``, ``observing``, ``scoring``, ``weighing``,
``fitting`` and ``packing`` measure one part each, ``kernels`` all of them. ``results`` and ``targets`` say what was found and
what is required, ``table`` shows it.
"""
