"""Processes born with their libraries loaded: one helper per set of libraries forks a child for each job.

    client.py   in the cloud's server: starts a helper, asks it for children, watches and ends them
    server.py   the helper itself: loads the libraries, then forks; it runs nothing of a job
    job.py      what a child does to become `python script arguments…`, and how it ends
    shim.py     the `python3` that a job's shell script finds first in its PATH
    wire.py     what they say to each other

A child has its own arguments, environment, folder, descriptors, limits, process group and exit code. Where a
fork could differ from a fresh interpreter (an option this does not know, a variable that a library has read
while it was loaded, a file that hides a loaded module) the child replaces itself with one.
"""
