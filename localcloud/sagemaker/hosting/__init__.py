"""Real-time endpoints: server processes that answer InvokeEndpoint.

configs.py      endpoint configurations        policy.py       how an update shifts its traffic
endpoint.py     an endpoint's record           endpoints.py    its operations
rollout.py      create, update and roll back, in a thread of their own
launch.py       from a model to a running fleet
fleet.py        the instances of one configuration
traffic.py      which instance answers the next request
instance.py     one server process, kept alive
channel.py      keep-alive HTTP to it          server.py       what runs in it
heads.py        how messages between them begin
invocations.py  InvokeEndpoint                 capture.py      requests and answers, kept in S3
metrics.py      AWS/SageMaker metrics          alarms.py       what CloudWatch says of a rollout's alarms
events.py       state changes for EventBridge
"""
