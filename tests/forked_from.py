"""What the process that others are forked from imports (tests/forked.py). Nothing else may import this."""

import gc

from tests.forked import import_everything

import_everything()
gc.collect()
gc.freeze()  # or every collection in a forked process would copy what it shares
