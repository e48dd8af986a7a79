"""Every error a function raises on purpose. The state machine sees the class name in `ErrorEquals`.

    FunctionError
    ├── InvalidInput            any function: an unknown key, a wrong type, a value outside its range
    ├── SourceNotFound          InitRun: nothing lies at the source URI
    ├── CodeBundleNotFound      InitRun: no bundle lies at the code bundle URI
    ├── RunInProgress           InitRun: an earlier training run has not ended
    ├── MetricsUnavailable      EvalMetrics: no trustworthy evaluation of this run
    ├── DataReportNotFound      RegisterModel: the version's data cannot be named
    ├── ModelPackageNotFound    RegisterModel, RejectModel: the version is not in the registry
    └── InvalidSettings         any function: it was deployed without its environment

None is worth a retry. Errors of AWS itself (throttling, outages) keep botocore's names.
A message is one sentence: what, where, what next.
"""


class FunctionError(Exception):
    """Root of the tree; never raised itself."""


class InvalidInput(FunctionError):
    """The event or the execution input is not what its model says."""


class SourceNotFound(FunctionError):
    """There is no object and no non-empty prefix at the source URI."""


class CodeBundleNotFound(FunctionError):
    """There is no object at the code bundle URI."""


class RunInProgress(FunctionError):
    """A training run that started earlier is still running."""


class MetricsUnavailable(FunctionError):
    """The evaluation is missing, unreadable, not finite, or contradicts the registry."""


class DataReportNotFound(FunctionError):
    """The prepare job left no data report, so the version's data cannot be named."""


class ModelPackageNotFound(FunctionError):
    """The model version the run speaks of is not in the registry."""


class InvalidSettings(FunctionError):
    """The function's environment lacks a variable or has one of the wrong form."""
