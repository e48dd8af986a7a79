{
  "Version": "2020-12-01",
  "Metadata": {},
  "Parameters": [
    {
      "Name": "CodeBundleUri",
      "Type": "String"
    },
    {
      "Name": "InputTrainUri",
      "Type": "String",
      "DefaultValue": "s3://${data_bucket}/curated/train.csv"
    },
    {
      "Name": "InputValidationUri",
      "Type": "String",
      "DefaultValue": "s3://${data_bucket}/curated/validation.csv"
    },
    {
      "Name": "AccuracyThreshold",
      "Type": "Float",
      "DefaultValue": 0.78
    }
  ],
  "PipelineExperimentConfig": null,
  "MlflowConfig": null,
  "Steps": [
    {
      "Name": "DataPreProcessing",
      "Type": "Processing",
      "Arguments": {
        "ProcessingResources": {
          "ClusterConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 10
          }
        },
        "AppSpecification": {
          "ImageUri": "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:3.0-5",
          "ContainerArguments": [
            "--train",
            "/opt/ml/processing/input/train",
            "--validation",
            "/opt/ml/processing/input/validation",
            "--train-output",
            "/opt/ml/processing/output/train",
            "--validation-output",
            "/opt/ml/processing/output/validation",
            "--contract",
            "/opt/ml/processing/src/pipeline/code/contract.json",
            "--message-file",
            "/opt/ml/output/message"
          ],
          "ContainerEntrypoint": [
            "/bin/bash",
            "-c",
            "cd '/opt/ml/processing' && mkdir -p src && tar -xzf input/code/*.tar.gz -C src && [ -f src/pipeline/code/$0 ] || { echo \"BadCodeBundle: cannot unpack pipeline/code/$0 from the bundle\" >&2; exit 1; }; exec python3 src/pipeline/code/$0 \"$@\"",
            "preprocess.py"
          ]
        },
        "RoleArn": "${pipeline_role_arn}",
        "ProcessingInputs": [
          {
            "InputName": "code",
            "S3Input": {
              "S3Uri": {
                "Get": "Parameters.CodeBundleUri"
              },
              "LocalPath": "/opt/ml/processing/input/code",
              "S3DataType": "S3Prefix",
              "S3InputMode": "File",
              "S3DataDistributionType": "FullyReplicated",
              "S3CompressionType": "None"
            }
          },
          {
            "InputName": "train",
            "S3Input": {
              "S3Uri": {
                "Get": "Parameters.InputTrainUri"
              },
              "LocalPath": "/opt/ml/processing/input/train",
              "S3DataType": "S3Prefix",
              "S3InputMode": "File",
              "S3DataDistributionType": "FullyReplicated",
              "S3CompressionType": "None"
            }
          },
          {
            "InputName": "validation",
            "S3Input": {
              "S3Uri": {
                "Get": "Parameters.InputValidationUri"
              },
              "LocalPath": "/opt/ml/processing/input/validation",
              "S3DataType": "S3Prefix",
              "S3InputMode": "File",
              "S3DataDistributionType": "FullyReplicated",
              "S3CompressionType": "None"
            }
          }
        ],
        "ProcessingOutputConfig": {
          "Outputs": [
            {
              "OutputName": "train",
              "S3Output": {
                "S3Uri": {
                  "Std:Join": {
                    "On": "/",
                    "Values": [
                      "s3://${data_bucket}/pipeline/runtime",
                      {
                        "Get": "Execution.PipelineExecutionId"
                      },
                      "preprocess/train"
                    ]
                  }
                },
                "LocalPath": "/opt/ml/processing/output/train",
                "S3UploadMode": "EndOfJob"
              }
            },
            {
              "OutputName": "validation",
              "S3Output": {
                "S3Uri": {
                  "Std:Join": {
                    "On": "/",
                    "Values": [
                      "s3://${data_bucket}/pipeline/runtime",
                      {
                        "Get": "Execution.PipelineExecutionId"
                      },
                      "preprocess/validation"
                    ]
                  }
                },
                "LocalPath": "/opt/ml/processing/output/validation",
                "S3UploadMode": "EndOfJob"
              }
            }
          ]
        },
        "StoppingCondition": {
          "MaxRuntimeInSeconds": 1800
        }
      },
      "RetryPolicies": [
        {
          "BackoffRate": 2.0,
          "IntervalSeconds": 1,
          "MaxAttempts": 3,
          "ExceptionType": [
            "Step.SERVICE_FAULT",
            "Step.THROTTLING"
          ]
        },
        {
          "BackoffRate": 2.0,
          "IntervalSeconds": 60,
          "ExpireAfterMin": 60,
          "ExceptionType": [
            "SageMaker.RESOURCE_LIMIT",
            "SageMaker.JOB_INTERNAL_ERROR",
            "SageMaker.CAPACITY_ERROR"
          ]
        }
      ]
    },
    {
      "Name": "TrainModel",
      "Type": "Training",
      "Arguments": {
        "AlgorithmSpecification": {
          "TrainingInputMode": "File",
          "TrainingImage": "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:3.0-5"
        },
        "HyperParameters": {
          "sagemaker_program": "pipeline.code.train",
          "sagemaker_submit_directory": {
            "Get": "Parameters.CodeBundleUri"
          }
        },
        "InputDataConfig": [
          {
            "ChannelName": "train",
            "DataSource": {
              "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3Uri": {
                  "Get": "Steps.DataPreProcessing.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri"
                },
                "S3DataDistributionType": "FullyReplicated"
              }
            },
            "ContentType": "text/csv",
            "InputMode": "File"
          },
          {
            "ChannelName": "validation",
            "DataSource": {
              "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3Uri": {
                  "Get": "Steps.DataPreProcessing.ProcessingOutputConfig.Outputs['validation'].S3Output.S3Uri"
                },
                "S3DataDistributionType": "FullyReplicated"
              }
            },
            "ContentType": "text/csv",
            "InputMode": "File"
          }
        ],
        "ResourceConfig": {
          "InstanceType": "ml.m5.large",
          "InstanceCount": 1,
          "VolumeSizeInGB": 10
        },
        "RoleArn": "${pipeline_role_arn}",
        "StoppingCondition": {
          "MaxRuntimeInSeconds": 1800
        },
        "OutputDataConfig": {
          "S3OutputPath": {
            "Std:Join": {
              "On": "/",
              "Values": [
                "s3://${data_bucket}/pipeline/runtime",
                {
                  "Get": "Execution.PipelineExecutionId"
                },
                "training"
              ]
            }
          }
        }
      },
      "RetryPolicies": [
        {
          "BackoffRate": 2.0,
          "IntervalSeconds": 1,
          "MaxAttempts": 3,
          "ExceptionType": [
            "Step.SERVICE_FAULT",
            "Step.THROTTLING"
          ]
        },
        {
          "BackoffRate": 2.0,
          "IntervalSeconds": 60,
          "ExpireAfterMin": 60,
          "ExceptionType": [
            "SageMaker.RESOURCE_LIMIT",
            "SageMaker.JOB_INTERNAL_ERROR",
            "SageMaker.CAPACITY_ERROR"
          ]
        }
      ]
    },
    {
      "Name": "ModelEvaluation",
      "Type": "Processing",
      "Arguments": {
        "ProcessingResources": {
          "ClusterConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 10
          }
        },
        "AppSpecification": {
          "ImageUri": "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:3.0-5",
          "ContainerArguments": [
            "--model",
            "/opt/ml/processing/input/model",
            "--validation",
            "/opt/ml/processing/input/validation",
            "--evaluation-output",
            "/opt/ml/processing/output/evaluation",
            "--contract",
            "/opt/ml/processing/src/pipeline/code/contract.json",
            "--message-file",
            "/opt/ml/output/message"
          ],
          "ContainerEntrypoint": [
            "/bin/bash",
            "-c",
            "cd '/opt/ml/processing' && mkdir -p src && tar -xzf input/code/*.tar.gz -C src && [ -f src/pipeline/code/$0 ] || { echo \"BadCodeBundle: cannot unpack pipeline/code/$0 from the bundle\" >&2; exit 1; }; exec python3 src/pipeline/code/$0 \"$@\"",
            "evaluate.py"
          ]
        },
        "RoleArn": "${pipeline_role_arn}",
        "ProcessingInputs": [
          {
            "InputName": "code",
            "S3Input": {
              "S3Uri": {
                "Get": "Parameters.CodeBundleUri"
              },
              "LocalPath": "/opt/ml/processing/input/code",
              "S3DataType": "S3Prefix",
              "S3InputMode": "File",
              "S3DataDistributionType": "FullyReplicated",
              "S3CompressionType": "None"
            }
          },
          {
            "InputName": "model",
            "S3Input": {
              "S3Uri": {
                "Get": "Steps.TrainModel.ModelArtifacts.S3ModelArtifacts"
              },
              "LocalPath": "/opt/ml/processing/input/model",
              "S3DataType": "S3Prefix",
              "S3InputMode": "File",
              "S3DataDistributionType": "FullyReplicated",
              "S3CompressionType": "None"
            }
          },
          {
            "InputName": "validation",
            "S3Input": {
              "S3Uri": {
                "Get": "Steps.DataPreProcessing.ProcessingOutputConfig.Outputs['validation'].S3Output.S3Uri"
              },
              "LocalPath": "/opt/ml/processing/input/validation",
              "S3DataType": "S3Prefix",
              "S3InputMode": "File",
              "S3DataDistributionType": "FullyReplicated",
              "S3CompressionType": "None"
            }
          }
        ],
        "ProcessingOutputConfig": {
          "Outputs": [
            {
              "OutputName": "evaluation",
              "S3Output": {
                "S3Uri": {
                  "Std:Join": {
                    "On": "/",
                    "Values": [
                      "s3://${data_bucket}/pipeline/runtime",
                      {
                        "Get": "Execution.PipelineExecutionId"
                      },
                      "evaluation"
                    ]
                  }
                },
                "LocalPath": "/opt/ml/processing/output/evaluation",
                "S3UploadMode": "EndOfJob"
              }
            }
          ]
        },
        "StoppingCondition": {
          "MaxRuntimeInSeconds": 1800
        }
      },
      "RetryPolicies": [
        {
          "BackoffRate": 2.0,
          "IntervalSeconds": 1,
          "MaxAttempts": 3,
          "ExceptionType": [
            "Step.SERVICE_FAULT",
            "Step.THROTTLING"
          ]
        },
        {
          "BackoffRate": 2.0,
          "IntervalSeconds": 60,
          "ExpireAfterMin": 60,
          "ExceptionType": [
            "SageMaker.RESOURCE_LIMIT",
            "SageMaker.JOB_INTERNAL_ERROR",
            "SageMaker.CAPACITY_ERROR"
          ]
        }
      ],
      "PropertyFiles": [
        {
          "PropertyFileName": "EvaluationReport",
          "OutputName": "evaluation",
          "FilePath": "evaluation.json"
        }
      ]
    },
    {
      "Name": "CheckAccuracy",
      "Type": "Condition",
      "Arguments": {
        "Conditions": [
          {
            "Type": "GreaterThanOrEqualTo",
            "LeftValue": {
              "Std:JsonGet": {
                "PropertyFile": {
                  "Get": "Steps.ModelEvaluation.PropertyFiles.EvaluationReport"
                },
                "Path": "binary_classification_metrics.accuracy.value"
              }
            },
            "RightValue": {
              "Get": "Parameters.AccuracyThreshold"
            }
          }
        ],
        "IfSteps": [
          {
            "Name": "RegisterModel",
            "Type": "RegisterModel",
            "Arguments": {
              "ModelPackageGroupName": "${model_package_group_name}",
              "ModelMetrics": {
                "ModelQuality": {
                  "Statistics": {
                    "ContentType": "application/json",
                    "S3Uri": {
                      "Std:Join": {
                        "On": "/",
                        "Values": [
                          "s3://${data_bucket}/pipeline/runtime",
                          {
                            "Get": "Execution.PipelineExecutionId"
                          },
                          "evaluation/evaluation.json"
                        ]
                      }
                    }
                  }
                },
                "Bias": {},
                "Explainability": {}
              },
              "CustomerMetadataProperties": {
                "code_bundle_uri": {
                  "Get": "Parameters.CodeBundleUri"
                }
              },
              "InferenceSpecification": {
                "Containers": [
                  {
                    "Image": "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-xgboost:3.0-5",
                    "Environment": {},
                    "ModelDataUrl": {
                      "Get": "Steps.TrainModel.ModelArtifacts.S3ModelArtifacts"
                    }
                  }
                ],
                "SupportedContentTypes": [
                  "text/csv"
                ],
                "SupportedResponseMIMETypes": [
                  "text/csv"
                ],
                "SupportedRealtimeInferenceInstanceTypes": [
                  "ml.m5.large"
                ],
                "SupportedTransformInstanceTypes": [
                  "ml.m5.large"
                ]
              },
              "ModelApprovalStatus": "PendingManualApproval",
              "SkipModelValidation": "None"
            },
            "RetryPolicies": [
              {
                "BackoffRate": 2.0,
                "IntervalSeconds": 1,
                "MaxAttempts": 3,
                "ExceptionType": [
                  "Step.SERVICE_FAULT",
                  "Step.THROTTLING"
                ]
              }
            ]
          }
        ],
        "ElseSteps": []
      }
    }
  ]
}
