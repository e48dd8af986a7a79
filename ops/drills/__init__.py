"""`titanic drill`: makes happen what an alarm watches, and shows what people get to hear.

drill      one drill from beginning to end: provoke, wait for red, wait for the alert, put in order
catalogue  which alarms there are, what state they are in, and how each is provoked
provoke    the ways of provoking
endpoint   an endpoint to break, borrowed or made for the drill
what_if    what only the local cloud can do: look ahead, forget, hold containers
"""
