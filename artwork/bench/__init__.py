"""How fast the parts are on this machine, beside other libraries: checked first, then timed in pairs.

``timing`` runs pairs on one core, ``targets`` says what is required, ``machine`` what was measured on. ``kernels`` is the library
beside the ``rivals``, ``serving`` the look-up service beside others, ``faults`` the service while its store is broken,
``evaluation`` comparisons offline; ``testbed`` has the processes, stores and generations that benches and tests stand on.
"""
