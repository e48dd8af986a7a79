"""Every error a function raises on purpose. The state machine sees the class name in `ErrorEquals`.

    FunctionError
    ├── InvalidInput            any function: an unknown key, a wrong type, a value outside its range
    ├── SourceNotFound          InitRun: nothing lies at the source URI
    ├── CodeBundleNotFound      InitRun: no bundle lies at the code bundle URI
    ├── RunInProgress           InitRun: an earlier training run has not ended
    ├── MetricsUnavailable      EvalMetrics: no trustworthy evaluation of this run
    ├── DataReportNotFound      RegisterModel, CheckPredictions, PublishPredictions: the data cannot be named
    ├── ModelPackageNotFound    RegisterModel, RejectModel, CreateModel: the version is not in the registry
    ├── NoApprovedModel         GetApprovedModel: no version of the group is approved
    ├── ModelNotApproved        CreateModel: the version's approval was taken back meanwhile
    ├── ModelNameTaken          CreateModel: a model of the version's name is another one's
    ├── PredictionsIncomplete   CheckPredictions, PublishPredictions: not one prediction for each passenger
    ├── PredictionsOutOfRange   CheckPredictions: a prediction is no number from 0 to 1
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
    """The prepare job left no data report, so nobody can say which data this is about."""


class ModelPackageNotFound(FunctionError):
    """The model version the run speaks of is not in the registry."""


class NoApprovedModel(FunctionError):
    """Nobody has approved a version, so there is none to predict with."""


class ModelNotApproved(FunctionError):
    """The version that was chosen is not approved any more."""


class ModelNameTaken(FunctionError):
    """There is a model of the name that the version's model would have, and it is not that."""


class PredictionsIncomplete(FunctionError):
    """The transform's output does not answer its input row by row."""


class PredictionsOutOfRange(FunctionError):
    """The transform's output has something else than a probability."""


class InvalidSettings(FunctionError):
    """The function's environment lacks a variable or has one of the wrong form."""
