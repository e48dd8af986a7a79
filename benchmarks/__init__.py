"""What users of this project wait for, measured. `make bench` runs it and writes `docs/performance.md`.

    measure.py    pairs of figures, processes with their time and memory, the machine
    clouds.py     a local cloud with the project deployed
    training.py   the training path against its four scripts as plain processes
    latency.py    one state, one Lambda call, one alert; from nothing to a deployed cloud
    prep.py       the preparation job against plain Polars (`prep_polars.py`) and pandas (`prep_pandas.py`)
    lambdas.py    each function's cold start, and the size of its archive
    report.py     the table

Machines are noisy, so what is compared runs in turn, several times, and is told as a ratio with its spread.
Nothing here is a test: no figure fails a build.
"""
