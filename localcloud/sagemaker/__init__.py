"""The SageMaker control plane of the local cloud, and the jobs behind it.

service.py      the HTTP edge: MiniStack calls `handle_request` for each SageMaker request
plane.py        one call from operation name to answer: validate, authorise, dispatch
validation.py   requests judged by botocore's own service model
access.py       which resource an operation touches, and whether IAM allows it
registry.py     groups, packages, pipelines and models: moto's records, corrected at the edge
jobs.py         lifecycle of every kind of job: create, describe, stop, list, wait
processing.py   what a Processing job does     training.py   what a Training job does
transform.py    what a Transform job does      transform_worker.py  the processes that do it
records.py      payloads, filters and joins    xgboost_serving.py   how the XGBoost image answers
models.py       models: what is accepted, and what a container needs to serve one
workspace.py    a job's folder in place of /opt/ml
transfer.py     S3 downloads and uploads       archives.py   safe and reproducible tar files
hosting/        endpoints: server processes that answer InvokeEndpoint
pipelines.py    pipeline executions through the API
definition.py   a pipeline definition, parsed and checked before it is accepted
expressions.py  Get, Std:Join, Std:JsonGet     conditions.py  what a Condition step compares
executor.py     one execution: steps run as soon as what they need is done
steps.py        what each type of step does    retries.py     which failures a step repeats
paging.py       lists: filters, order, pages      times.py       timestamps of the API
events.py       the state-change events that rules match
"""
