"""An embedded AWS for one laptop: MiniStack, SageMaker, and the processes that do the work.

Knows nothing of this project: it serves AWS APIs on one loopback port and runs whatever code is
deployed to it, with the environment, arguments, folders, credentials and logs AWS would give.

    control.py      start, find and stop a local cloud (what the operator's command calls)
    server.py       the process itself: MiniStack with the plug-ins, state saved on shutdown
    processes.py    the one place where a job's process is born
    forkserver/     the helpers that give birth to it with its libraries loaded
    credentials.py  role credentials for jobs, clients under a role
    logs.py         CloudWatch log streams
    schedules.py    when at(), rate() and cron() schedules are due
    deliveries.py   to the targets of rules and schedules: permissions, retries, dead letters
    plugins/        one module for each of MiniStack's registration points that is used
    sagemaker/      the SageMaker control plane and its jobs
"""
