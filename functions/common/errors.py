"""Every error a function raises on purpose. The state machine sees the class name in `ErrorEquals`.

    FunctionError
    ├── InvalidInput            any function: an unknown key, a wrong type, a value outside its range
    ├── SourceNotFound          InitRun: nothing lies at the source URI
    ├── CodeBundleNotFound      InitRun: no bundle lies at the code bundle URI
    ├── RunInProgress           InitRun: an earlier training run has not ended
    ├── PromotionInProgress     InitRun: an earlier promotion has not ended
    ├── MetricsUnavailable      EvalMetrics, CheckPackage: no trustworthy evaluation of this run or version
    ├── DataReportNotFound      RegisterModel, CheckPredictions, PublishPredictions, CheckPackage:
    │                           the data cannot be named
    ├── ModelPackageNotFound    RegisterModel, RejectModel, CreateModel, CheckPackage, DeployStaging,
    │                           DeployProd: the version is not in the registry
    ├── NoApprovedModel         GetApprovedModel: no version of the group is approved
    ├── ModelNotApproved        CreateModel, CheckPackage, DeployStaging, DeployProd: the version is not
    │                           approved, or not any more
    ├── ModelNameTaken          CreateModel, DeployStaging, DeployProd: a model of the name is another one's
    ├── PredictionsIncomplete   CheckPredictions, PublishPredictions: not one prediction for each passenger
    ├── PredictionsOutOfRange   CheckPredictions: a prediction is no number from 0 to 1
    ├── PackageNotTraceable     CheckPackage: nobody can say which run made the version of which data
    ├── EndpointUnavailable     DeployStaging, DeployProd: the endpoint is in a status that takes no update
    ├── VerificationFailed      VerifyProd: prod is not what was promoted, or does not predict
    ├── RollbackFailed          RollBackProd: prod is not back on its previous configuration
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


class PromotionInProgress(FunctionError):
    """A promotion that started earlier is still running, perhaps at its gate."""


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


class PackageNotTraceable(FunctionError):
    """The version's metadata does not lead to the run and the data that made it."""


class EndpointUnavailable(FunctionError):
    """The endpoint is being changed by somebody else, or has failed and can only be deleted."""


class VerificationFailed(FunctionError):
    """After its update prod has another configuration or version than promoted, or fails the smoke test."""


class RollbackFailed(FunctionError):
    """Prod could not be brought back to what it was; a person has to look at once."""


class InvalidSettings(FunctionError):
    """The function's environment lacks a variable or has one of the wrong form."""
