"""The scripts of the SageMaker Pipeline's jobs; in the code bundle this package is `pipeline.code`."""
