"""Faults on purpose: real workers, sweeps and APIs as processes, killed and cut off at the worst moments.

``world.py`` is where to begin: it owns everything a test needs and says what must hold once there is peace
again (``invariants.py``). Between the processes and the database, the queue and the storage stand proxies
(``proxy.py``); within a process, named points can be made to kill, freeze or fail it (``hooks.py``), and
a guard can be taken away (``bugs.py``), which the rows must then notice (``test_teeth.py``).

Each row of the matrix is one test, named by its id. They run with ``pytest --faults``, on a MariaDB of their own.
"""
