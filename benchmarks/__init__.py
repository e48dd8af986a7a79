"""What users of this project wait for, measured. `make bench` runs it and writes `docs/performance.md`.

    measure.py    pairs of figures, processes with their time and memory, the machine
    clouds.py     a local cloud with the project deployed
    model.py      a model for it
    training.py   the training path against its four scripts as plain processes
    latency.py    one state, one Lambda call, one alert; from nothing to a deployed cloud
    prep.py       the preparation job against the same result with plain Polars (`prep_polars.py`); beside it
                  the curated tables alone, by `prep_bare.py`, `prep_duckdb.py` and `prep_pandas.py`
    spark.py      the preparation job on the Spark of one machine
    batch.py      a transform job against `batch_polars.py` and `batch_pandas.py`
    endpoint.py   InvokeEndpoint against `bare_server.py`
    lambdas.py    each function's cold start, and the size of its archive
    suite.py      `make test` and `make demo` against another commit's
    report.py     the table
    plot.py       the plot

Machines are noisy, so what is compared runs in turn, several times, and is told as a ratio with its spread.
Nothing here is a test: no figure fails a build.
"""
