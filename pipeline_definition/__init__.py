"""Authors the SageMaker Pipeline's definition; nothing here runs when the pipeline does."""
