"""The Lambda functions of the state machines, one package each."""

import gc

# A cold start makes some 130,000 objects that stay, and with Python's own threshold they are looked through
# again and again: a sixth of the start. What a warm function drops is mostly freed without being looked for.
gc.set_threshold(200_000)
